/** The least that Temporal can do of each task, without anything that Evergrant adds. */
import {
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { EmptyActivities } from './empty-activities.ts';

const { empty } = proxyActivities<EmptyActivities>({ startToCloseTimeout: '1 minute' });

export const heldTokenQuery = defineQuery<unknown>('heldToken');
export const startSignal = defineSignal<[{ readonly everyMs: number }]>('start');
export const stopSignal = defineSignal('stop');
export const connectSignal = defineSignal('connect');

/** Holds a token for whoever asks. */
export async function tokenHolder(token: unknown): Promise<void> {
  setHandler(heldTokenQuery, () => token);
  await condition(() => false);
}

/** Timer, empty activity, timer: between `start` and `stop`. */
export async function timerLoop(): Promise<void> {
  let everyMs = 0;
  setHandler(startSignal, (order) => {
    everyMs = order.everyMs;
  });
  setHandler(stopSignal, () => {
    everyMs = 0;
  });
  while (!workflowInfo().continueAsNewSuggested) {
    await condition(() => everyMs > 0);
    await sleep(everyMs);
    await empty();
  }
  await continueAsNew();
}

/** One empty activity for the signal that starts it; stays open as a connection does. */
export async function connectOnce(): Promise<void> {
  let isAsked = false;
  setHandler(connectSignal, () => {
    isAsked = true;
  });
  await condition(() => isAsked);
  await empty();
  await condition(() => false);
}
