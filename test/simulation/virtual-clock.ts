/**
 * Time that moves when the test says so. Sleepers wake in the order of their deadlines (ties: who slept first), and
 * between two of them everything that can run without waiting has run.
 */
import type { Clock } from '../../core/ports.ts';

export interface VirtualClock extends Clock {
  /** Lets `ms` pass. */
  advance(ms: number): Promise<void>;
  /** Lets as much time pass as `work` sleeps, and returns what came of it. Throws when it waits for something else. */
  run<T>(work: Promise<T>): Promise<T>;
  /** Moves the wall clock alone, as an administrator or NTP does. */
  jump(ms: number): void;
  /** Sleepers left: none at the end of a test, or something keeps waiting. */
  sleepers(): number;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export function createVirtualClock(startMs: number): VirtualClock {
  let monotonicMs = 0;
  let offsetMs = startMs;
  let sleepers: Sleeper[] = [];
  const leave = (sleeper: Sleeper): void => {
    sleepers = sleepers.filter((other) => other !== sleeper);
  };
  const earliest = (): Sleeper | undefined =>
    sleepers.reduce<Sleeper | undefined>((first, next) => (first && first.atMs <= next.atMs ? first : next), undefined);
  const wake = (sleeper: Sleeper): void => {
    monotonicMs = Math.max(monotonicMs, sleeper.atMs);
    leave(sleeper);
    sleeper.wake();
  };
  return {
    now: () => offsetMs + monotonicMs,
    monotonic: () => monotonicMs,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const sleeper = { atMs: monotonicMs + Math.max(0, ms), wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', () => {
          leave(sleeper);
          reject(signal.reason);
        });
      });
    },
    async advance(ms) {
      const untilMs = monotonicMs + ms;
      for (;;) {
        await everythingElse();
        const next = earliest();
        if (next === undefined || next.atMs > untilMs) break;
        wake(next);
      }
      monotonicMs = untilMs;
    },
    async run(work) {
      let isOver = false;
      const over = (): void => {
        isOver = true;
      };
      work.then(over, over);
      for (;;) {
        await everythingElse();
        if (isOver) return await work;
        const next = earliest();
        if (next === undefined) throw new Error('it waits, and not for the time to pass');
        wake(next);
      }
    },
    jump: (ms) => {
      offsetMs += ms;
    },
    sleepers: () => sleepers.length,
  };
}

/** All that was ready has run: the queue of microtasks is empty before the event loop takes its next turn. */
function everythingElse(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
