import type { Clock } from '../../core/ports.ts';
import { type BucketSettings, TokenBuckets } from '../auth/token-buckets.ts';
import { networkOf } from './address.ts';
import { buildPageError } from './page-error.ts';

/**
 * New sessions from an address, in this process. Each is a row that is kept for a month, and anybody may press a link; so
 * many administrators at one proxy, for a whole day, are none.
 */
const ARRIVALS: BucketSettings = { perSecond: 1, burst: 1_000, capacity: 10_000 };

export interface ArrivalLimit {
  /** Counts a new session. Throws the page for too many. */
  count(address: string): void;
}

export function createArrivalLimit(
  clock: Pick<Clock, 'monotonic'>,
  settings: Partial<BucketSettings> = {},
): ArrivalLimit {
  const buckets = new TokenBuckets({ ...ARRIVALS, ...settings }, clock);
  return {
    count(address) {
      const retryAfterMs = buckets.take(networkOf(address), 1);
      if (retryAfterMs > 0) throw buildPageError('rate-limited', { retryAfterMs });
    },
  };
}
