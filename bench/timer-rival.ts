import { setTimeout as pause } from 'node:timers/promises';
import { inLanes } from './in-lanes.ts';
import type { Place } from './place.ts';
import { startRivalWorker } from './rival-worker.ts';
import { startSignal, stopSignal } from './rivals/workflows.ts';

export interface TimerRival {
  /** Empty activities per second, over `ms`. */
  rate(ms: number): Promise<number>;
}

/** Workflows that sleep, run an empty activity, and sleep. */
export async function createTimerRival(
  place: Place,
  { count, everyMs }: { readonly count: number; readonly everyMs: number },
): Promise<TimerRival> {
  const worker = await startRivalWorker(place);
  const ids = Array.from({ length: count }, (_, index) => `timer-loop-${index}`);
  await inLanes(20, ids, async (workflowId) => {
    await place.client.workflow.start('timerLoop', { workflowId, taskQueue: 'rival', args: [] });
  });
  return {
    async rate(ms) {
      await inLanes(20, ids, (id) => place.client.workflow.getHandle(id).signal(startSignal, { everyMs }));
      await pause(everyMs * 1.5);
      const before = await worker.calls();
      const startedAtMs = performance.now();
      await pause(ms);
      const rate = ((await worker.calls()) - before) / ((performance.now() - startedAtMs) / 1_000);
      await inLanes(20, ids, (id) => place.client.workflow.getHandle(id).signal(stopSignal));
      // The timers that run already.
      await pause(everyMs);
      return rate;
    },
  };
}
