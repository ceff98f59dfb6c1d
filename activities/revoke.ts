/** The revoke at SAP Concur: a live access token, DELETE, verification; tried until it is confirmed. */
import { isBlock } from '../core/app-trouble.ts';
import { judge, type Verdict } from '../core/concur-codes.ts';
import { beginRevoke, finishRevoke, type FinishRevoke } from '../core/command-transaction.ts';
import type { ConnectionKey, ConnectionSnapshot } from '../core/connection.ts';
import type { ConcurFailure } from '../core/ports.ts';
import { horizonMs } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { Secret } from '../core/secret.ts';
import type { ActivityDeps } from './deps.ts';
import { keepSaving } from './keep-saving.ts';
import { createSnapshots } from './snapshots.ts';
import { awaitTokenCall } from './token-call.ts';
import { isTooLate, unsent } from './unsent.ts';

export interface RevokeInput extends ConnectionKey {
  readonly attemptId: string;
}

/** Without an answer a late one may still confirm it, so the attempt stays open until its horizon. */
function verdictOf(failure: ConcurFailure): Verdict {
  const verdict = judge('revoke', failure);
  return failure.kind === 'transport' && failure.sent ? { ...verdict, outcome: 'uncertain' } : verdict;
}

export function createRevokeActivities(deps: ActivityDeps) {
  const { clock, concur, connections, log, policy, vault } = deps;
  const snapshots = createSnapshots(deps);

  /** Tries the revoke once. */
  async function revokeConnection(input: RevokeInput): Promise<ConnectionSnapshot | null> {
    const { app: appName, principal, attemptId } = input;
    const key = { app: appName, principal };
    const { app } = await deps.apps.one(appName);
    const times = { policy, workflowId: deps.workflowId(key) };

    // Read before the attempt begins: a token that moves on meanwhile only makes the DELETE fail and be tried again.
    const stored = await connections.maybeAccessToken(key);
    const { result: begun, snapshot } = await connections.transact(key, (aggregate) => {
      const decision = beginRevoke(aggregate, {
        ...times,
        attemptId,
        nowMs: clock.now(),
        hasAccessToken: stored?.token != null,
      });
      return snapshots.with(decision, aggregate, app);
    });
    if (begun.decision !== 'call' || stored?.token == null) return snapshot;

    const finish = async (outcome: FinishRevoke['outcome']): Promise<ConnectionSnapshot | null> => {
      let blocks = false;
      const finished = await keepSaving(deps, () =>
        connections.transact(key, (aggregate) => {
          const decision = finishRevoke(aggregate, { ...times, attemptId, outcome, nowMs: clock.now() });
          blocks = isBlock(decision.changes);
          return snapshots.with(decision, aggregate, app);
        }),
      );
      if (blocks) await deps.guardian.wake(appName, 'tripped');
      return finished.snapshot;
    };
    const { connection } = begun;
    const begunAt = clock.monotonic();
    let accessToken: Secret;
    try {
      accessToken = await vault.open(
        stored.token.sealed,
        sealContexts.accessToken(connection.id, stored.token.attemptId),
      );
    } catch (error) {
      log.error({ err: error, ...key }, 'the access token does not open');
      return await finish({ kind: 'failure', verdict: unsent('vault-failed'), correlationId: null });
    }
    // Sent much later it might end a connection that was made since.
    if (isTooLate(clock, begunAt)) {
      return await finish({ kind: 'failure', verdict: unsent('frozen-before-sending'), correlationId: null });
    }
    const dataCentre = deps.dataCentres.byName(connection.dataCentre ?? '');
    const given = { dataCentre: dataCentre.name, accessToken };
    const options = { horizonMs: horizonMs(policy) };
    const isLegacy = connection.principalType === 'legacy-user';
    const call = isLegacy ? concur.revokeLegacyToken(given, options) : concur.revokeConnection(given, options);
    const result = await awaitTokenCall(clock, call, policy.concurTimeoutMs, async () => {
      const verdict = verdictOf({ kind: 'transport', transport: 'timeout', sent: true });
      await finish({ kind: 'failure', verdict, correlationId: null });
    });
    const { correlationId } = result;
    if (result.ok) {
      log.info({ app: appName, principal, correlationId }, 'revoked');
      return await finish({ kind: 'confirmed', correlationId });
    }
    const verdict = verdictOf(result.failure);
    log.warn({ app: appName, principal, verdict, correlationId }, 'revoke failed');
    return await finish({ kind: 'failure', verdict, correlationId });
  }

  return { revokeConnection };
}
