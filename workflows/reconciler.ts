/**
 * What the Schedule runs every few minutes: connections that are overdue get their workflow back. It says in its result
 * how many it saw, and how many it had to start.
 */
import { setCurrentDetails } from '@temporalio/workflow';
import type { ReconcileEnd, ReconcileTotals } from '../core/reconcile.ts';
import { reconcileActivities } from './proxies.ts';

export async function reconciler(): Promise<ReconcileTotals> {
  const totals = { seen: 0, started: 0, failed: 0 };
  let cursor: string | null = null;
  do {
    const part: ReconcileEnd = await reconcileActivities.reconcile.executeWithOptions(
      { summary: 'start the workflows of overdue connections that have none' },
      [{ cursor }],
    );
    totals.seen += part.seen;
    totals.started += part.started;
    totals.failed += part.failed;
    cursor = part.cursor;
    setCurrentDetails(`Overdue: ${totals.seen}. Had no workflow and got one: ${totals.started}.`);
  } while (cursor !== null);
  return totals;
}
