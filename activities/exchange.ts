/**
 * The exchange of a request token: count the use, call, put the answer on file, find out whose it is, finish.
 *
 * Whatever is obtained for a connect that cannot be finished is revoked, so that the administrator can try again;
 * unless a living connection of the token's own subject would be revoked with it.
 */
import { isBlock } from '../core/app-trouble.ts';
import { judge, type Verdict } from '../core/concur-codes.ts';
import type { ConnectionKey, ConnectionSnapshot } from '../core/connection.ts';
import { type BegunExchange, beginExchange, receiveExchange } from '../core/exchange-transaction.ts';
import { type ExchangeOutcome, finishExchange } from '../core/finish-exchange.ts';
import type { Carry } from '../core/lifeboat.ts';
import { AppError } from '../core/errors.ts';
import { intakeKinds } from '../core/intake-kind.ts';
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

/** Whose tokens they are was found out before, as far as SAP Concur tells that in the flow of before 2017. */
const legacyUser = {
  verdict: 'accepted',
  facts: { identity: 'asserted', principalType: 'legacy-user', company: null },
} as const;

type Begun = Extract<BegunExchange, { decision: 'call' | 'resume' }>;
type Refusal = Extract<ExchangeOutcome, { kind: 'refused' }>['reason'];

/** Where a token is revoked whose own data centre cannot be trusted. */
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
        dataCentre: deps.dataCentres.byName(begun.dataCentre),
      };
      return await finish(await outcomeOf(begun, parseTokenAnswer(kept), times, app, credentials[0] ?? null));
    }

    const { kind, dataCentre } = begun;
    const { grant } = intakeKinds[kind];
    const unsentBecause = (verdict: Verdict): ExchangeOutcome => ({
      kind: 'failure',
      verdict,
      sent: false,
      correlationId: null,
      dataCentre,
    });
    const begunAt = clock.monotonic();
    let secret: Secret;
    try {
      secret = await vault.open(begun.requestToken, sealContexts.requestToken(sessionId));
    } catch (error) {
      log.error({ err: error, ...key }, 'what was brought to be exchanged does not open');
      return await finish(unsentBecause(unsent('vault-failed')));
    }
    if (isTooLate(clock, begunAt)) {
      return await finish(unsentBecause(unsent('frozen-before-sending')));
    }
    if (credentials.length === 0) {
      return await finish(unsentBecause(noClientSecret));
    }
    let taken: AppCredentials | null = null;
    const trial = {
      app: appName,
      grant,
      credentials,
      canary: { canary, dataCentre },
      begunAt,
    } as const;
    const options = { horizonMs: horizonMs(policy) };
    const call = tryCredentials(deps, trial, (one) =>
      grant === 'refresh'
        ? concur.refreshTokens({ credentials: one, dataCentre, refreshToken: secret }, options)
        : concur.exchangeRequestToken({ credentials: one, principal, requestToken: secret }, options),
    ).then((tried) => {
      taken = tried?.credentials ?? null;
      return tried?.result ?? notSent(deps.dataCentres.byName(dataCentre), clock.now());
    });
    const result = await awaitTokenCall(clock, call, policy.concurTimeoutMs, async () => {
      observer.uncertain();
      await finish(failureOf(begun, { kind: 'transport', transport: 'timeout', sent: true }, { dataCentre }));
    });
    if (!result.ok) {
      const asked = { dataCentre: result.dataCentre.name, correlationId: result.correlationId };
      return await finish(failureOf(begun, result.failure, asked));
    }

    const { id } = begun.connection;
    // An answer to a refresh may bring no refresh token: the one that was imported goes on.
    const refreshToken = result.value.refreshToken ?? (grant === 'refresh' ? secret : null);
    const received = { ...result.value, refreshToken };
    const answer = await vault.seal(serializeTokenAnswer(received), sealContexts.answer(id, attemptId));
    await keepSaving(
      deps,
      () =>
        connections.transact(key, (aggregate) =>
          receiveExchange(aggregate, { attemptId, begun: begun.attempt, answer }),
        ),
      () => carry({ kind: 'exchange', attemptId, begun: begun.attempt, answer }),
    );
    return await finish(await outcomeOf(begun, received, result, app, taken));
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
    // None in the answer: the data centre that gave it. One that nobody knows is never called; tokens of the flow of
    // before 2017 are not known at the landing zone.
    const isLegacy = answer.tokenType === 'OAuth';
    const dataCentre =
      answer.geolocation === 'foreign'
        ? isLegacy
          ? times.dataCentre
          : deps.dataCentres.byName(GLOBAL_LANDING_ZONE)
        : (answer.geolocation ?? times.dataCentre);
    const refuse = async (reason: Refusal, subject: string | null): Promise<ExchangeOutcome> => {
      const unwanted = { app: app.app, subject, answer, dataCentre: dataCentre.name, credentials };
      const disposal = intakeKinds[begun.kind].isRevocable ? await dispose(deps, unwanted) : 'discarded';
      return { kind: 'refused', reason, disposal, correlationId };
    };
    // Concur binds id and request token in the exchange itself.
    if (answer.geolocation === 'foreign') return await refuse('foreign-geolocation', principal);
    if (answer.refreshToken === null) return await refuse('no-refresh-token', principal);

    const { clientId } = app;
    const atMs = times.endedAtMs;
    const found =
      begun.kind === 'legacy-code'
        ? legacyUser
        : await identify(deps, { answer, dataCentre, clientId, principal, principalType: app.principal, atMs });
    if (found.verdict === 'mismatch') {
      log.error({ app: app.app, principal: connection.principal, why: found.why, correlationId }, 'identity mismatch');
      return await refuse('identity-mismatch', found.subject);
    }
    // An import claims an id that nobody vouches for: unproven it might be another customer's grant.
    if (begun.kind === 'refresh-token' && found.facts.identity === 'asserted') {
      if (clock.now() < times.sentAtMs + answer.expiresInSeconds * 1_000)
        throw new AppError('provider-unavailable', 'Nobody has told yet whose grant was imported.');
      log.warn(
        { app: app.app, principal },
        'nobody has told whose grant was imported: asking anew with what came of it',
      );
      const credential = await vault.seal(answer.refreshToken, sealContexts.requestToken(attempt.sessionId ?? ''));
      return { kind: 'unproven', credential, correlationId };
    }
    const [accessToken, refreshToken] = await Promise.all([
      vault.seal(answer.accessToken, sealContexts.accessToken(connection.id, attempt.id)),
      vault.seal(answer.refreshToken, sealContexts.refreshToken(connection.id, attempt.id)),
    ]);
    const facts = buildGrantFacts(answer, times, { stays: dataCentre, requiredScopes: app.requiredScopes });
    const { dataCentre: asked } = begun;
    return {
      kind: 'tokens',
      facts,
      identity: found.facts,
      accessToken,
      refreshToken,
      correlationId,
      dataCentre: asked,
    };
  }

  function failureOf(
    { kind }: Begun,
    failure: ConcurFailure,
    { dataCentre, correlationId = null }: { readonly dataCentre: string; readonly correlationId?: string | null },
  ): ExchangeOutcome {
    const sent = failure.kind !== 'transport' || failure.sent;
    const verdict = judge(intakeKinds[kind].grant, failure);
    return { kind: 'failure', verdict, sent, correlationId, dataCentre };
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
