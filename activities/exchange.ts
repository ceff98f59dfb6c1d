/**
 * The exchange of a request token: count the use, call, put the answer on file, find out whose it is, finish.
 *
 * Whatever is obtained for a connect that cannot be finished is revoked, so that the administrator can try again;
 * unless a living connection of the token's own subject would be revoked with it.
 */
import { isBlock } from '../core/app-trouble.ts';
import { judge } from '../core/concur-codes.ts';
import type { ConnectionKey, ConnectionSnapshot } from '../core/connection.ts';
import { type BegunExchange, beginExchange, receiveExchange } from '../core/exchange-transaction.ts';
import { type ExchangeOutcome, finishExchange } from '../core/finish-exchange.ts';
import type { Carry } from '../core/lifeboat.ts';
import type { AppCredentials, CallTimes, ConcurFailure, TokenAnswer } from '../core/ports.ts';
import { horizonMs } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { Secret } from '../core/secret.ts';
import type { App } from '../core/stores.ts';
import { parseTokenAnswer, serializeTokenAnswer } from '../core/token-answer.ts';
import { createCanary } from './canary.ts';
import type { ActivityDeps } from './deps.ts';
import { dispose } from './disposal.ts';
import { buildGrantFacts } from './grant-facts.ts';
import { identify } from './identity.ts';
import { keepSaving } from './keep-saving.ts';
import { createSnapshots } from './snapshots.ts';
import { awaitTokenCall } from './token-call.ts';
import { tryCredentials } from './try-credentials.ts';
import { isTooLate, noClientSecret, notSent, unsent } from './unsent.ts';

export interface ExchangeInput extends ConnectionKey {
  readonly attemptId: string;
  readonly sessionId: string;
}

type Begun = Extract<BegunExchange, { decision: 'call' | 'resume' }>;
type Refusal = Extract<ExchangeOutcome, { kind: 'refused' }>['reason'];

/** Data centre of every exchange, and of the revoke of a token whose own data centre cannot be trusted. */
const GLOBAL_LANDING_ZONE = 'glz';

export function createExchangeActivities(deps: ActivityDeps) {
  const { clock, concur, connections, log, observer, policy, vault } = deps;
  const snapshots = createSnapshots(deps);
  const canary = createCanary(clock);

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
    if (begun.decision === 'app-blocked') await deps.guardian.wake(appName, 'blocked');
    if (begun.decision !== 'call' && begun.decision !== 'resume') return snapshot;

    const finish = async (outcome: ExchangeOutcome): Promise<ConnectionSnapshot | null> => {
      let blocks = false;
      const finished = await keepSaving(deps, () =>
        connections.transact(key, (aggregate) => {
          const decision = finishExchange(aggregate, {
            ...times,
            attemptId: begun.attempt.id,
            outcome,
            nowMs: clock.now(),
          });
          blocks = isBlock(decision.changes);
          return snapshots.with(decision, aggregate, app);
        }),
      );
      if (blocks) await deps.guardian.wake(appName, 'tripped');
      if (finished.result !== 'duplicate') observe(begun, outcome);
      return finished.snapshot;
    };

    if (begun.decision === 'resume') {
      const sealed = begun.attempt.answer ?? '';
      const kept = await vault.open(sealed, sealContexts.answer(begun.connection.id, begun.attempt.id));
      // When exactly the answer came is not on file: not before its attempt's start, not after its horizon.
      const { startedAtMs, horizonAtMs } = begun.attempt;
      const times = {
        sentAtMs: startedAtMs,
        endedAtMs: Math.min(clock.now(), horizonAtMs),
        correlationId: null,
        dataCentre: deps.dataCentres.byName(GLOBAL_LANDING_ZONE),
      };
      return await finish(await outcomeOf(begun, parseTokenAnswer(kept), times, app, credentials[0] ?? null));
    }

    const begunAt = clock.monotonic();
    let requestToken: Secret;
    try {
      requestToken = await vault.open(begun.requestToken, sealContexts.requestToken(sessionId));
    } catch (error) {
      log.error({ err: error, ...key }, 'the request token does not open');
      return await finish({ kind: 'failure', verdict: unsent('vault-failed'), sent: false, correlationId: null });
    }
    if (isTooLate(clock, begunAt)) {
      const verdict = unsent('frozen-before-sending');
      return await finish({ kind: 'failure', verdict, sent: false, correlationId: null });
    }
    if (credentials.length === 0) {
      return await finish({ kind: 'failure', verdict: noClientSecret, sent: false, correlationId: null });
    }
    let taken: AppCredentials | null = null;
    const trial = {
      app: appName,
      grant: 'exchange',
      credentials,
      canary: { canary, dataCentre: GLOBAL_LANDING_ZONE },
      begunAt,
    } as const;
    const call = tryCredentials(deps, trial, (one) =>
      concur.exchangeRequestToken({ credentials: one, principal, requestToken }, { horizonMs: horizonMs(policy) }),
    ).then((tried) => {
      taken = tried?.credentials ?? null;
      return tried?.result ?? notSent(deps.dataCentres.byName(GLOBAL_LANDING_ZONE), clock.now());
    });
    const result = await awaitTokenCall(clock, call, policy.concurTimeoutMs, async () => {
      observer.uncertain();
      await finish(failureOf({ kind: 'transport', transport: 'timeout', sent: true }, null));
    });
    if (!result.ok) {
      const dataCentre = result.dataCentre.name;
      return await finish({ ...failureOf(result.failure, result.correlationId), dataCentre });
    }

    const { id } = begun.connection;
    const answer = await vault.seal(serializeTokenAnswer(result.value), sealContexts.answer(id, attemptId));
    await keepSaving(
      deps,
      () =>
        connections.transact(key, (aggregate) =>
          receiveExchange(aggregate, { attemptId, begun: begun.attempt, answer }),
        ),
      () => carry({ kind: 'exchange', attemptId, begun: begun.attempt, answer }),
    );
    return await finish(await outcomeOf(begun, result.value, result, app, taken));
  }

  async function outcomeOf(
    begun: Begun,
    answer: TokenAnswer,
    times: CallTimes,
    app: App,
    credentials: AppCredentials | null,
  ): Promise<ExchangeOutcome> {
    const { connection, attempt } = begun;
    const { correlationId } = times;
    const { principal } = connection;
    // None in the answer: the data centre that gave it. One that nobody knows is never called.
    const dataCentre =
      answer.geolocation === 'foreign'
        ? deps.dataCentres.byName(GLOBAL_LANDING_ZONE)
        : (answer.geolocation ?? times.dataCentre);
    const refuse = async (reason: Refusal, subject: string | null): Promise<ExchangeOutcome> => {
      const unwanted = { app: app.app, subject, answer, dataCentre: dataCentre.name, credentials };
      return { kind: 'refused', reason, disposal: await dispose(deps, unwanted), correlationId };
    };
    // Concur binds id and request token in the exchange itself.
    if (answer.geolocation === 'foreign') return await refuse('foreign-geolocation', principal);
    if (answer.refreshToken === null) return await refuse('no-refresh-token', principal);

    const { clientId } = app;
    const atMs = times.endedAtMs;
    const found = await identify(deps, { answer, dataCentre, clientId, principal, atMs });
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

  function failureOf(
    failure: ConcurFailure,
    correlationId: string | null,
  ): Extract<ExchangeOutcome, { kind: 'failure' }> {
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
