/** The revoke at SAP Concur: a live access token, DELETE, verification; tried until it is confirmed. */
import { judge } from '../core/concur-codes.ts';
import { beginRevoke, finishRevoke, type FinishRevoke } from '../core/command-transaction.ts';
import type { ConnectionKey, ConnectionSnapshot } from '../core/connection.ts';
import { horizonMs } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { ActivityDeps } from './deps.ts';
import { keepSaving } from './keep-saving.ts';
import { createSnapshots } from './snapshots.ts';
import { awaitTokenCall } from './token-call.ts';

export interface RevokeInput extends ConnectionKey {
  readonly attemptId: string;
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
      const finished = await keepSaving(deps, () =>
        connections.transact(key, (aggregate) => {
          const decision = finishRevoke(aggregate, { ...times, attemptId, outcome, nowMs: clock.now() });
          return snapshots.with(decision, aggregate, app);
        }),
      );
      return finished.snapshot;
    };
    const { connection } = begun;
    const accessToken = await vault.open(
      stored.token.sealed,
      sealContexts.accessToken(connection.id, stored.token.attemptId),
    );
    const dataCentre = deps.dataCentres.byName(connection.dataCentre ?? '');
    const call = concur.revokeConnection(
      { dataCentre: dataCentre.name, accessToken },
      { horizonMs: horizonMs(policy) },
    );
    const result = await awaitTokenCall(clock, call, policy.concurTimeoutMs, async () => {
      const verdict = judge('revoke', { kind: 'transport', transport: 'timeout', sent: true });
      await finish({ kind: 'failure', verdict, correlationId: null });
    });
    const { correlationId } = result;
    if (result.ok) {
      log.info({ app: appName, principal, correlationId }, 'revoked');
      return await finish({ kind: 'confirmed', correlationId });
    }
    const verdict = judge('revoke', result.failure);
    log.warn({ app: appName, principal, verdict, correlationId }, 'revoke failed');
    return await finish({ kind: 'failure', verdict, correlationId });
  }

  return { revokeConnection };
}
