/** A host of the lifecycle without Temporal: the real activities of an {@link ActivityWorld}, durable timers by its clock. */
import type { ConnectionKey } from '../../core/connection.ts';
import { isAppError } from '../../core/errors.ts';
import { createInbox, type Inbox, type InboxEntry, type Wish } from '../../core/inbox.ts';
import { type LifecycleEnd, type LifecycleHost, runLifecycle } from '../../core/lifecycle.ts';
import type { ActivityWorld } from './activity-world.ts';
import { KEY } from './builders.ts';

/** One thing that the loop had done, or one sleep. */
export interface Step {
  readonly do: 'load' | 'command' | 'refresh' | 'exchange' | 'revoke' | 'sleep';
  /** By the world's clock. */
  readonly atMs: number;
}

export interface VirtualRun {
  readonly inbox: Inbox;
  readonly steps: Step[];
  /** Failures that reached the loop without a verdict. */
  readonly breakdowns: unknown[];
  /** Puts a wish into the inbox and wakes the loop. */
  wish(wish: Wish): InboxEntry;
  /** How the run ended; null while it goes on. */
  end(): LifecycleEnd | null;
  /** What ended the run that must not: a defect, or a loop without a pause. */
  crash(): unknown;
}

export interface VirtualHostOptions {
  readonly key?: ConnectionKey;
  /** How far the workflow's clock goes ahead of the activities' clock; may change in flight. */
  readonly skewMs?: () => number;
}

/** So many steps in so short a time end the run: nobody would see the end of the test otherwise. */
const HOT_STEPS = 100;
const HOT_MS = 2_000;

class HotLoop extends Error {
  override readonly name = 'HotLoop';
}

/** Starts the loop; it goes on whenever the world's clock is advanced. */
export function startLifecycle(
  world: ActivityWorld,
  { key = KEY, skewMs = () => 0 }: VirtualHostOptions = {},
): VirtualRun {
  const { activities, clock } = world;
  const inbox = createInbox();
  const steps: Step[] = [];
  const breakdowns: unknown[] = [];
  let attempts = 0;
  let wake = (): void => {};
  let end: LifecycleEnd | null = null;
  let crash: unknown = null;

  const now = (): number => clock.now() + skewMs();
  const doing = <T>(what: Step['do'], work: () => Promise<T>): Promise<T> => {
    steps.push({ do: what, atMs: clock.now() });
    if (clock.now() - (steps.at(-HOT_STEPS)?.atMs ?? 0) < HOT_MS) return Promise.reject(new HotLoop());
    return work();
  };
  /** Reading and recording are tried for ever, as the worker's queue does it. */
  const patiently = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 60_000)) {
      try {
        return await work();
      } catch (error) {
        if (!isAppError(error, 'database-unavailable')) throw error;
        await clock.sleep(pauseMs);
      }
    }
  };
  const host: LifecycleHost = {
    now,
    nextAttemptId: () => `run:${(attempts += 1)}`,
    load: () => doing('load', () => patiently(() => activities.loadConnection(key))),
    command: (order) => doing('command', () => patiently(() => activities.applyCommand({ ...key, ...order }))),
    refresh: (order) => doing('refresh', () => activities.refreshTokens({ ...key, ...order })),
    exchange: (order) => doing('exchange', () => activities.exchangeRequestToken({ ...key, ...order })),
    revoke: (order) => doing('revoke', () => activities.revokeConnection({ ...key, ...order })),
    sleep: (untilMs, arrivals) =>
      doing('sleep', async () => {
        if (inbox.arrivals() > arrivals) return;
        const woken = new AbortController();
        wake = () => woken.abort();
        const forMs = untilMs === null ? Number.POSITIVE_INFINITY : Math.max(1, untilMs - now());
        await (Number.isFinite(forMs) ? clock.sleep(forMs, woken.signal) : aborted(woken.signal)).catch(() => {});
      }),
    publish: () => {},
    cargoOf: () => null,
    saveTokens: (cargo) => patiently(() => activities.saveTokens({ ...key, cargo })),
    callFailed: (error) => {
      if (error instanceof HotLoop) throw error;
      breakdowns.push(error);
    },
    wantsNewRun: () => false,
  };
  runLifecycle(host, inbox).then(
    (how) => {
      end = how;
    },
    (error: unknown) => {
      crash = error;
    },
  );
  return {
    inbox,
    steps,
    breakdowns,
    wish(wish) {
      const entry = inbox.push(wish);
      wake();
      return entry;
    },
    end: () => end,
    crash: () => crash,
  };
}

/** The most steps that any span of `spanMs` saw: large when something goes round without a pause. */
export function busiest(steps: readonly Step[], spanMs: number): number {
  let first = 0;
  let most = 0;
  steps.forEach(({ atMs }, index) => {
    while ((steps[first]?.atMs ?? atMs) <= atMs - spanMs) first += 1;
    most = Math.max(most, index - first + 1);
  });
  return most;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}
