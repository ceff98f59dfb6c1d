/**
 * The simulated world's time: what is to happen, in order. One event at a time, and after each everything that can go
 * on without waiting has gone on. Events of one moment come in an order that the seed decides.
 */
import type { Prng } from './prng.ts';

export interface Timeline {
  /** Since the beginning of the world. */
  nowMs(): number;
  /** Returns what calls it off. */
  at(atMs: number, happen: () => void): () => void;
  /** The next event not later than `untilMs`; false: there is none, and the time has come. */
  step(untilMs: number): Promise<boolean>;
  /** Events that have happened. */
  count(): number;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
  isOff: boolean;
}

export function createTimeline(prng: Prng): Timeline {
  const heap: Event[] = [];
  let nowMs = 0;
  let count = 0;

  const take = (): Event | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    sink(heap, last);
    return first;
  };
  const drop = (): Event | undefined => {
    while (heap[0]?.isOff === true) take();
    return heap[0];
  };
  return {
    nowMs: () => nowMs,
    at(atMs, happen) {
      const event = { atMs: Math.max(nowMs, atMs), order: prng.next(), happen, isOff: false };
      rise(heap, event);
      return () => {
        event.isOff = true;
      };
    },
    async step(untilMs) {
      const next = drop();
      if (next === undefined || next.atMs > untilMs) {
        nowMs = Math.max(nowMs, untilMs);
        return false;
      }
      take();
      nowMs = next.atMs;
      count += 1;
      next.happen();
      await everythingElse();
      return true;
    },
    count: () => count,
  };
}

function isBefore(one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

function rise(heap: Event[], event: Event): void {
  let index = heap.push(event) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !isBefore(event, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = event;
}

function sink(heap: Event[], event: Event): void {
  let index = 0;
  for (;;) {
    const left = heap[2 * index + 1];
    const right = heap[2 * index + 2];
    if (left === undefined) break;
    const isRight = right !== undefined && isBefore(right, left);
    const child = isRight ? right : left;
    if (!isBefore(child, event)) break;
    heap[index] = child;
    index = 2 * index + (isRight ? 2 : 1);
  }
  heap[index] = event;
}

/** The queue of microtasks is empty before the event loop takes its next turn. */
function everythingElse(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
