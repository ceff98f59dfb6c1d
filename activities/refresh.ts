/**
 * The refresh: intent on file, call, answer on file. The transactions are decided in
 * `core/refresh-transaction.ts`; this file brings them together with the call.
 */
import type { Aggregate } from '../core/aggregate.ts';
import { isBlock } from '../core/app-trouble.ts';
import { HELD_BY_BRAKE } from '../core/brake.ts';
import { judge } from '../core/concur-codes.ts';
import type { ConnectionKey, ConnectionSnapshot } from '../core/connection.ts';
import { isAppError } from '../core/errors.ts';
import { isLegacyGrantOver } from '../core/expiry.ts';
import type { AskedBy } from '../core/inbox.ts';
import type { Carry } from '../core/lifeboat.ts';
import type { ConcurResult, DataCentre, TokenAnswer } from '../core/ports.ts';
import { horizonMs } from '../core/refresh-policy.ts';
import {
  type BegunRefresh,
  beginRefresh,
  finishRefresh,
  type RefreshCause,
  type RefreshOutcome,
} from '../core/refresh-transaction.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { Secret } from '../core/secret.ts';
import type { ActivityDeps } from './deps.ts';
import { createCanary } from './canary.ts';
import { transactWithCrowd } from './crowd.ts';
import { buildGrantFacts } from './grant-facts.ts';
import { keepSaving } from './keep-saving.ts';
import { createSnapshots } from './snapshots.ts';
import { awaitTokenCall } from './token-call.ts';
import { tryCredentials } from './try-credentials.ts';
import { isTooLate, noClientSecret, notSent, unsent } from './unsent.ts';

export interface RefreshInput extends ConnectionKey {
  readonly attemptId: string;
  readonly cause: RefreshCause;
  readonly expectedVersion: number | null;
  /** Who asked for it, where somebody did. */
  readonly askedBy?: AskedBy;
}

const ALARM_AFTER_MS = 24 * 60 * 60 * 1_000;

type Begun = Extract<BegunRefresh, { decision: 'call' }>;

export function createRefreshActivities(deps: ActivityDeps) {
  const { clock, concur, connections, log, observer, policy, vault } = deps;
  const snapshots = createSnapshots(deps);
  const canary = createCanary(clock);

  /** Refreshes once, if a refresh is still what is wanted when it begins. */
  async function refreshTokens(input: RefreshInput, carry: Carry): Promise<ConnectionSnapshot | null> {
    const { app: appName, principal, attemptId, ...wanted } = input;
    const key = { app: appName, principal };
    // Without a data key in memory the answer could not be kept: better not to ask.
    vault.assertReady();
    const { app, credentials } = await deps.apps.one(appName);
    const times = { policy, workflowId: deps.workflowId(key) };

    const begin = (aggregate: Aggregate) => {
      const decision = beginRefresh(aggregate, { ...times, ...wanted, attemptId, nowMs: clock.now() });
      return snapshots.with(decision, aggregate, app);
    };
    const { result: begun, snapshot } = await transactWithCrowd(
      clock,
      (options) => connections.transact(key, begin, options),
      ({ decision }) => decision === 'crowd-needed',
    );
    if (begun.decision === 'app-blocked') await deps.guardian.wake(appName, 'blocked');
    if (begun.decision !== 'call') return snapshot;
    const begunAt = clock.monotonic();

    const finish = async (outcome: RefreshOutcome): Promise<ConnectionSnapshot | null> => {
      let blocks = false;
      const decide = (aggregate: Aggregate) => {
        const decision = finishRefresh(aggregate, {
          ...times,
          attemptId,
          begun: begun.attempt,
          outcome,
          nowMs: clock.now(),
        });
        blocks = isBlock(decision.changes);
        return snapshots.with(decision, aggregate, app);
      };
      const save = () =>
        transactWithCrowd(
          clock,
          (options) => connections.transact(key, decide, options),
          (finished) => finished === 'crowd-needed',
        );
      const finished = await keepSaving(deps, save, () => {
        if (outcome.kind === 'tokens') carry({ kind: 'refresh', attemptId, begun: begun.attempt, outcome });
      });
      const { snapshot: after } = finished;
      if (blocks) await deps.guardian.wake(appName, 'tripped');
      if (finished.result === 'failed' && after?.connection.reason === HELD_BY_BRAKE) {
        log.error(
          { ...key, dataCentre: after.connection.dataCentre },
          'too many connections of this app ended within an hour: held by the brake until `evergrant apps release`',
        );
      }
      return after;
    };

    let sent: Secret;
    let stays: DataCentre;
    try {
      stays = deps.dataCentres.byName(begun.connection.dataCentre ?? '');
      sent = await vault.open(
        begun.token.sealed,
        sealContexts.refreshToken(begun.connection.id, begun.token.attemptId),
      );
    } catch (error) {
      const reason = isAppError(error, 'configuration-invalid') ? 'data-centre-unknown' : 'vault-failed';
      log.error({ err: error, ...key, reason }, 'the refresh could not be sent');
      return await finish({ kind: 'failure', verdict: unsent(reason), correlationId: null });
    }
    if (isTooLate(clock, begunAt)) {
      return await finish({ kind: 'failure', verdict: unsent('frozen-before-sending'), correlationId: null });
    }
    if (credentials.length === 0) {
      return await finish({ kind: 'failure', verdict: noClientSecret, correlationId: null });
    }
    const trial = {
      app: appName,
      grant: 'refresh',
      credentials,
      canary: { canary, dataCentre: stays.name },
      begunAt,
    } as const;
    const isLegacy = begun.connection.principalType === 'legacy-user';
    const options = { horizonMs: horizonMs(policy) };
    const call = tryCredentials(deps, trial, (one) =>
      isLegacy
        ? concur.refreshLegacyToken({ credentials: one, dataCentre: stays.name, grant: sent }, options)
        : concur.refreshTokens({ credentials: one, dataCentre: stays.name, refreshToken: sent }, options),
    ).then((tried) => tried?.result ?? notSent(stays, clock.now()));
    const result = await awaitTokenCall(clock, call, policy.concurTimeoutMs, async () => {
      observer.uncertain();
      const verdict = judge('refresh', { kind: 'transport', transport: 'timeout', sent: true });
      await finish({ kind: 'failure', verdict, correlationId: null });
    });
    const outcome = await outcomeOf(begun, result, sent, {
      stays: result.dataCentre,
      requiredScopes: app.requiredScopes,
    });
    observe(begun, wanted.cause, result, outcome);
    return await finish(outcome);
  }

  async function outcomeOf(
    begun: Begun,
    result: ConcurResult<TokenAnswer>,
    sent: Secret,
    context: Parameters<typeof buildGrantFacts>[2],
  ): Promise<RefreshOutcome> {
    const { correlationId } = result;
    if (!result.ok) {
      const { failure } = result;
      const isGrantOver = isLegacyGrantOver(begun.connection, clock.now());
      const verdict = judge('refresh', failure, { isGrantOver });
      const failed = { kind: 'failure', verdict, correlationId, dataCentre: result.dataCentre.name } as const;
      const received = failure.kind === 'malformed' ? failure.refreshToken : undefined;
      if (received === undefined || received.equals(sent)) return failed;
      const context = sealContexts.refreshToken(begun.connection.id, begun.attempt.id);
      return { ...failed, refreshToken: await vault.seal(received, context) };
    }
    const { value: answer } = result;
    const { connection, attempt } = begun;
    if (answer.geolocation === 'foreign') {
      log.error(
        { app: connection.app, principal: connection.principal, correlationId },
        'refused a geolocation that is not a known data centre',
      );
    }
    // None, or the one that was sent: the value on file stays as it is.
    const isNew = answer.refreshToken !== null && !answer.refreshToken.equals(sent);
    const [accessToken, refreshToken] = await Promise.all([
      vault.seal(answer.accessToken, sealContexts.accessToken(connection.id, attempt.id)),
      isNew && answer.refreshToken !== null
        ? vault.seal(answer.refreshToken, sealContexts.refreshToken(connection.id, attempt.id))
        : null,
    ]);
    return {
      kind: 'tokens',
      facts: buildGrantFacts(answer, result, context),
      accessToken,
      refreshToken,
      correlationId,
    };
  }

  function observe(
    begun: Begun,
    cause: RefreshCause,
    result: ConcurResult<TokenAnswer>,
    outcome: RefreshOutcome,
  ): void {
    const { connection, attempt } = begun;
    const due = cause === 'due' ? connection.nextActionAtMs : null;
    observer.refreshed({
      app: connection.app,
      dataCentre: result.dataCentre.name,
      outcome: outcome.kind === 'tokens' ? 'ok' : outcome.verdict.outcome,
      durationMs: result.endedAtMs - result.sentAtMs,
      latenessMs: due === null ? null : Math.max(0, attempt.startedAtMs - due),
    });
    const fields = {
      app: connection.app,
      principal: connection.principal,
      cause,
      version: connection.version,
      correlationId: result.correlationId,
    };
    if (outcome.kind === 'tokens') return log.info(fields, 'refreshed');
    // Trouble of a moment is Concur's own business; what goes on for a day, whatever it is, is an operator's.
    const isLasting = connection.state === 'retrying' && clock.now() - connection.stateSinceMs > ALARM_AFTER_MS;
    const level = outcome.verdict.alarm || isLasting ? 'error' : 'warn';
    log[level]({ ...fields, verdict: outcome.verdict }, 'refresh failed');
  }

  return { refreshTokens };
}
