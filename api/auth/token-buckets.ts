import type { Clock } from '../../core/ports.ts';
import { BoundedMap } from '../bounded-map.ts';

export interface BucketSettings {
  /** What comes back. */
  readonly perSecond: number;
  /** What a full bucket holds. */
  readonly burst: number;
  /** Buckets that are kept; the one used longest ago is forgotten first, and is full again then. */
  readonly capacity: number;
}

interface Bucket {
  level: number;
  /** Of the level, on the monotonic clock. */
  atMs: number;
}

/** Token buckets by key, in this process alone. One costs a look into a map: nothing that a hot path would feel. */
export class TokenBuckets {
  readonly #buckets: BoundedMap<string, Bucket>;
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: Pick<Clock, 'monotonic'>;

  constructor({ perSecond, burst, capacity }: BucketSettings, clock: Pick<Clock, 'monotonic'>) {
    this.#buckets = new BoundedMap(capacity);
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#clock = clock;
  }

  /** Takes `cost` if there is as much; else takes nothing, and gives the milliseconds until there is. */
  take(key: string, cost: number): number {
    const bucket = this.#bucketOf(key);
    const missing = cost - bucket.level;
    if (missing > 0) return missing / this.#perMs;
    bucket.level -= cost;
    return 0;
  }

  /** Milliseconds until `cost` can be taken; 0 for now. */
  waitFor(key: string, cost: number): number {
    return Math.max(0, (cost - this.#bucketOf(key).level) / this.#perMs);
  }

  #bucketOf(key: string): Bucket {
    const nowMs = this.#clock.monotonic();
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      const full = { level: this.#burst, atMs: nowMs };
      this.#buckets.set(key, full);
      return full;
    }
    bucket.level = Math.min(this.#burst, bucket.level + (nowMs - bucket.atMs) * this.#perMs);
    bucket.atMs = nowMs;
    return bucket;
  }
}
