/** Starts the workflows that should be running and are not. */
import type { ConnectionKey } from '../core/connection.ts';
import { OVERDUE_MS, type ReconcileEnd, reconcile } from '../core/reconcile.ts';
import type { ReconcileDeps } from './deps.ts';

export interface ReconcileInput {
  /** Where to go on; null: from the beginning. */
  readonly cursor: string | null;
}

const CONNECTS_A_RUN = 100;

export function createReconcile(deps: ReconcileDeps): (input: ReconcileInput) => Promise<ReconcileEnd> {
  const { clock, log, store, progress, onStarted } = deps;

  const ensureRunning = async (key: ConnectionKey): Promise<'started' | 'running'> => {
    const outcome = await deps.lifecycles.ensureRunning(key);
    if (outcome === 'started') {
      onStarted();
      log.warn({ ...key }, 'an overdue connection had no workflow: started');
    }
    return outcome;
  };

  /** Few at a time: the next run takes the next. Those that are over are settled by their workflows, too. */
  const pursueConnects = async (dueByMs: number): Promise<void> => {
    for (const connect of await deps.intakes.manyOverdue({ dueByMs, limit: CONNECTS_A_RUN })) {
      await deps.lifecycles.ensureUnidentified(connect);
    }
  };

  /** Ends early, with a cursor, when its worker shuts down. */
  return (input) =>
    progress.whileBeating(async ({ notedBefore, note, signal }) => {
      const dueByMs = clock.now() - OVERDUE_MS;
      const end = await reconcile(
        {
          clock,
          signal,
          ensureRunning,
          page: (request) => store.manyOverdue({ dueByMs, ...request }),
          passed: (cursor) => {
            if (cursor !== null) note(cursor);
          },
          failed: (key, error) => log.error({ ...key, err: error }, 'a workflow could not be started'),
        },
        notedBefore ?? input.cursor,
      );
      if (end.cursor === null) await pursueConnects(dueByMs);
      if (end.seen > 0) log.info({ ...end, cursor: undefined }, 'reconciled');
      return end;
    });
}
