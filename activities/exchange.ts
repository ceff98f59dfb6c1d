/**
 * The exchange of a request token: count the use, call, put the answer on file, find out whose it is, finish.
 *
 * Whatever is obtained for a connect that cannot be finished is revoked, so that the administrator can try again;
 * unless a living connection of the token's own subject would be revoked with it.
 */
import { judge } from '../core/concur-codes.ts';
import { type ConnectionKey, type ConnectionSnapshot, isLiving } from '../core/connection.ts';
import { type BegunExchange, beginExchange, receiveExchange } from '../core/exchange-transaction.ts';
import { type ExchangeOutcome, finishExchange } from '../core/finish-exchange.ts';
import type { Carry } from '../core/lifeboat.ts';
import type { AppCredentials, CallTimes, ConcurFailure, TokenAnswer } from '../core/ports.ts';
import { horizonMs } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { Secret } from '../core/secret.ts';
import type { App } from '../core/stores.ts';
import { parseTokenAnswer, serializeTokenAnswer } from '../core/token-answer.ts';
import type { ActivityDeps } from './deps.ts';
import { buildGrantFacts } from './grant-facts.ts';
import { identify } from './identity.ts';
import { keepSaving } from './keep-saving.ts';
import { createSnapshots } from './snapshots.ts';
import { awaitTokenCall } from './token-call.ts';
import { isTooLate, unsent } from './unsent.ts';

export interface ExchangeInput extends ConnectionKey {
  readonly attemptId: string;
  readonly sessionId: string;
}

type Begun = Extract<BegunExchange, { decision: 'call' | 'resume' }>;
type Times = Pick<CallTimes, 'sentAtMs' | 'endedAtMs' | 'correlationId'>;
type Refusal = Extract<ExchangeOutcome, { kind: 'refused' }>['reason'];

/** Data centre of every exchange, and of the revoke of a token whose own data centre cannot be trusted. */
const GLOBAL_LANDING_ZONE = 'glz';

export function createExchangeActivities(deps: ActivityDeps) {
  const { clock, concur, connections, log, observer, policy, vault } = deps;
  const snapshots = createSnapshots(deps);

  /** Tries one exchange for a completed connect session, or goes on with an answer that is on file. */
  async function exchangeRequestToken(input: ExchangeInput, carry: Carry): Promise<ConnectionSnapshot | null> {
    const { app: appName, principal, attemptId, sessionId } = input;
    const key = { app: appName, principal };
    vault.assertReady();
    const { app, credentials } = await deps.apps.one(appName);
    const times = { policy, workflowId: deps.workflowId(key) };

    const { result: begun, snapshot } = await connections.transact(key, (aggregate) => {
      const decision = beginExchange(aggregate, { ...times, attemptId, sessionId, nowMs: clock.now() });
      return snapshots.with(decision, aggregate, app);
    });
    if (begun.decision !== 'call' && begun.decision !== 'resume') return snapshot;

    const finish = async (outcome: ExchangeOutcome): Promise<ConnectionSnapshot | null> => {
      const finished = await keepSaving(deps, () =>
        connections.transact(key, (aggregate) => {
          const decision = finishExchange(aggregate, {
            ...times,
            attemptId: begun.attempt.id,
            outcome,
            nowMs: clock.now(),
          });
          return snapshots.with(decision, aggregate, app);
        }),
      );
      if (finished.result !== 'duplicate') observe(begun, outcome);
      return finished.snapshot;
    };

    if (begun.decision === 'resume') {
      const sealed = begun.attempt.answer ?? '';
      const kept = await vault.open(sealed, sealContexts.answer(begun.connection.id, begun.attempt.id));
      // When exactly the answer came is not on file; its attempt's start is the safe side for the expiry.
      const at = { sentAtMs: begun.attempt.startedAtMs, endedAtMs: begun.attempt.startedAtMs, correlationId: null };
      return await finish(await outcomeOf(begun, parseTokenAnswer(kept), at, app, credentials));
    }

    const begunAt = clock.monotonic();
    let requestToken: Secret;
    try {
      requestToken = await vault.open(begun.requestToken, sealContexts.requestToken(sessionId));
    } catch (error) {
      await finish({ kind: 'failure', verdict: unsent('vault-failed'), sent: false, correlationId: null });
      throw error;
    }
    if (isTooLate(clock, begunAt)) {
      const verdict = unsent('frozen-before-sending');
      return await finish({ kind: 'failure', verdict, sent: false, correlationId: null });
    }
    const call = concur.exchangeRequestToken(
      { credentials, principal, requestToken },
      { horizonMs: horizonMs(policy) },
    );
    const result = await awaitTokenCall(clock, call, policy.concurTimeoutMs, async () => {
      observer.uncertain();
      await finish(failureOf({ kind: 'transport', transport: 'timeout', sent: true }, null));
    });
    if (!result.ok) return await finish(failureOf(result.failure, result.correlationId));

    const { id } = begun.connection;
    const answer = await vault.seal(serializeTokenAnswer(result.value), sealContexts.answer(id, attemptId));
    await keepSaving(
      deps,
      () => connections.transact(key, (aggregate) => receiveExchange(aggregate, { attemptId, answer })),
      () => carry({ kind: 'exchange', attemptId, answer }),
    );
    return await finish(await outcomeOf(begun, result.value, result, app, credentials));
  }

  async function outcomeOf(
    begun: Begun,
    answer: TokenAnswer,
    times: Times,
    app: App,
    credentials: AppCredentials,
  ): Promise<ExchangeOutcome> {
    const { connection, attempt } = begun;
    const { correlationId } = times;
    const refuse = async (reason: Refusal, subject: string | null): Promise<ExchangeOutcome> => {
      const disposal = await dispose(app.app, subject ?? connection.principal, answer);
      return { kind: 'refused', reason, disposal, correlationId };
    };
    if (answer.geolocation === 'foreign') return await refuse('foreign-geolocation', null);
    if (answer.refreshToken === null) return await refuse('no-refresh-token', null);

    const dataCentre = answer.geolocation ?? deps.dataCentres.byName(GLOBAL_LANDING_ZONE);
    const { clientId } = credentials;
    const found = await identify(deps, { answer, dataCentre, clientId, principal: connection.principal });
    if (found.verdict === 'mismatch') {
      log.error({ app: app.app, principal: connection.principal, why: found.why, correlationId }, 'identity mismatch');
      return await refuse('identity-mismatch', found.subject);
    }
    const [accessToken, refreshToken] = await Promise.all([
      vault.seal(answer.accessToken, sealContexts.accessToken(connection.id, attempt.id)),
      vault.seal(answer.refreshToken, sealContexts.refreshToken(connection.id, attempt.id)),
    ]);
    const facts = buildGrantFacts(answer, times, { stays: dataCentre, requiredScopes: app.requiredScopes });
    return { kind: 'tokens', facts, identity: found.facts, accessToken, refreshToken, correlationId };
  }

  /** Concur's revoke ends all tokens of a principal and app, so next to a living connection it is not used. */
  async function dispose(
    app: string,
    subject: string,
    answer: TokenAnswer,
  ): Promise<'revoked' | 'discarded' | 'unrevoked'> {
    const other = await connections.maybeOne({ app, principal: subject });
    if (other?.connection != null && isLiving(other.connection.state)) return 'discarded';
    const dataCentre =
      answer.geolocation === null || answer.geolocation === 'foreign' ? GLOBAL_LANDING_ZONE : answer.geolocation.name;
    const result = await concur.revokeConnection(
      { dataCentre, accessToken: answer.accessToken },
      { horizonMs: policy.concurTimeoutMs },
    );
    if (!result.ok)
      log.error(
        { app, dataCentre, failure: result.failure, correlationId: result.correlationId },
        'what was obtained could not be revoked',
      );
    return result.ok ? 'revoked' : 'unrevoked';
  }

  function failureOf(failure: ConcurFailure, correlationId: string | null): ExchangeOutcome {
    const sent = failure.kind !== 'transport' || failure.sent;
    return { kind: 'failure', verdict: judge('exchange', failure), sent, correlationId };
  }

  function observe(begun: Begun, outcome: ExchangeOutcome): void {
    const word =
      outcome.kind === 'failure' ? outcome.verdict.outcome : outcome.kind === 'refused' ? outcome.reason : 'ok';
    observer.connected({ app: begun.connection.app, outcome: word });
    const fields = {
      app: begun.connection.app,
      principal: begun.connection.principal,
      userId: begun.userId,
      outcome: word,
      correlationId: outcome.correlationId,
    };
    if (word === 'ok') log.info(fields, 'connected');
    else log.warn(fields, 'exchange brought no connection');
  }

  return { exchangeRequestToken };
}
