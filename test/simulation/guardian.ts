/** Who looks after the app's credentials: as long as a data centre refuses them, it asks again every minute. */
import { KEY, MINUTE } from './builders.ts';
import type { MemoryConnectionStore } from './memory-connection-store.ts';
import type { Runs } from './runs.ts';
import type { SimulatedConcur } from './simulated-concur.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export interface Guardian {
  /** Something was written: perhaps there is trouble. */
  look(): void;
}

export function createGuardian(deps: {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly concur: SimulatedConcur;
  readonly store: MemoryConnectionStore;
  readonly runs: Runs;
}): Guardian {
  const { timeline, trace, concur, store, runs } = deps;
  let isAwake = false;

  const look = (): void => {
    if (isAwake) return;
    isAwake = true;
    void probe();
  };
  async function probe(): Promise<void> {
    const troubles = await store.troubles.many(KEY.app);
    if (troubles.length === 0) {
      isAwake = false;
      return;
    }
    const isRefused = concur.phases.has('client-secret-wrong') || concur.phases.has('client-disabled');
    if (!isRefused) {
      trace.note("the app's credentials work again");
      for (const { dataCentre } of troubles) await store.troubles.clear(KEY.app, dataCentre);
      runs.wish({ kind: 'command', name: 'app-restored', actor: 'guardian', reason: null });
    }
    timeline.at(timeline.nowMs() + MINUTE, () => void probe());
  }
  return { look };
}
