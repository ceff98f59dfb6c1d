/** Reading and recording, without a call to Concur. */
import { applyCommand, type CommandName } from '../core/command-transaction.ts';
import type { ConnectionKey, ConnectionSnapshot } from '../core/connection.ts';
import { type ConnectionCargo, saveCargo } from '../core/lifeboat.ts';
import type { ActivityDeps } from './deps.ts';
import { createSnapshots } from './snapshots.ts';

export interface CommandActivityInput extends ConnectionKey {
  readonly name: CommandName;
  readonly actor: string;
  readonly reason: string | null;
}

export interface SaveTokensInput extends ConnectionKey {
  readonly cargo: ConnectionCargo;
}

export function createRecordActivities(deps: ActivityDeps) {
  const { clock, connections, policy } = deps;
  const snapshots = createSnapshots(deps);

  /** The connection as it is on file; null when there is none. */
  async function loadConnection(key: ConnectionKey): Promise<ConnectionSnapshot | null> {
    const aggregate = await connections.maybeOne(key);
    if (aggregate === null) return null;
    const { app } = await deps.apps.one(key.app);
    return snapshots.of(aggregate, app);
  }

  /** Applies a command of a person or a program; idempotent. */
  async function applyConnectionCommand(input: CommandActivityInput): Promise<ConnectionSnapshot | null> {
    const { app: appName, principal, name, actor, reason } = input;
    const key = { app: appName, principal };
    const { app } = await deps.apps.one(appName);
    const applied = await connections.transact(key, (aggregate) => {
      const nowMs = clock.now();
      const decision = applyCommand(aggregate, {
        name,
        actor,
        reason,
        nowMs,
        policy,
        workflowId: deps.workflowId(key),
      });
      return snapshots.with(decision, aggregate, app);
    });
    return applied.snapshot;
  }

  /**
   * Puts an answer on file that another activity could not save. First of all and without anything else that might
   * fail: it is tried until it succeeds.
   */
  async function saveTokens({ app, principal, cargo }: SaveTokensInput): Promise<null> {
    const key = { app, principal };
    const times = { policy, workflowId: deps.workflowId(key) };
    await connections.transact(key, (aggregate) => saveCargo(aggregate, cargo, { ...times, nowMs: clock.now() }));
    deps.log.warn({ ...key, attemptId: cargo.attemptId }, 'an answer of SAP Concur was saved from the lifeboat');
    return null;
  }

  return { loadConnection, applyCommand: applyConnectionCommand, saveTokens };
}
