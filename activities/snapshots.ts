/** Gives each transaction's result the snapshot that the workflow goes on with, without a further read. */
import { type Aggregate, applyChanges, type Decision } from '../core/aggregate.ts';
import type { ConnectionSnapshot } from '../core/connection.ts';
import { buildSnapshot } from '../core/snapshot.ts';
import type { App } from '../core/stores.ts';
import type { ActivityDeps } from './deps.ts';

interface WithSnapshot<T> {
  readonly result: T;
  readonly snapshot: ConnectionSnapshot | null;
}

export function createSnapshots({ clock, policy }: Pick<ActivityDeps, 'clock' | 'policy'>) {
  return {
    of(aggregate: Aggregate, app: App): ConnectionSnapshot | null {
      return buildSnapshot(aggregate, { nowMs: clock.now(), policy, listingUrl: app.landing.listingUrl });
    },
    with<T>(decision: Decision<T>, aggregate: Aggregate, app: App): Decision<WithSnapshot<T>> {
      const snapshot = this.of(applyChanges(aggregate, decision.changes), app);
      return { result: { result: decision.result, snapshot }, changes: decision.changes };
    },
  };
}
