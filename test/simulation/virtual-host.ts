/** A host of the lifecycle without Temporal: the real activities of an {@link ActivityWorld}, durable timers by its clock. */
import type { ConnectionKey } from '../../core/connection.ts';
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
}

export interface VirtualHostOptions {
  readonly key?: ConnectionKey;
  /** How far the workflow's clock goes ahead of the activities' clock; may change in flight. */
  readonly skewMs?: () => number;
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

  const now = (): number => clock.now() + skewMs();
  const doing = <T>(what: Step['do'], work: () => Promise<T>): Promise<T> => {
    steps.push({ do: what, atMs: clock.now() });
    return work();
  };
  const host: LifecycleHost = {
    now,
    nextAttemptId: () => `run:${(attempts += 1)}`,
    load: () => doing('load', () => activities.loadConnection(key)),
    command: (order) => doing('command', () => activities.applyCommand({ ...key, ...order })),
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
    callFailed: (error) => void breakdowns.push(error),
    wantsNewRun: () => false,
  };
  const run = runLifecycle(host, inbox).then((how) => {
    end = how;
  });
  run.catch((error: unknown) => {
    throw error;
  });
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
