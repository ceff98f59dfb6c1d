/**
 * How much a caller may ask of one process. The limits protect the database and Temporal from a client that runs wild, and
 * the signature check from strangers; who stays below them never notices.
 *
 * They are constants: what one process bears does not depend on who runs it, and more is had by another process.
 */
import { AppError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { networkOf } from '../connect/address.ts';
import { type BucketSettings, TokenBuckets } from './token-buckets.ts';

/**
 * Of a client. A request is some milliseconds of one of twenty database connections: 500 a second leave room for others,
 * and a burst of 5,000 lets a service look at every connection of a large app at once.
 */
const CLIENT: BucketSettings = { perSecond: 500, burst: 5_000, capacity: 10_000 };
/** Reading a token mostly costs nothing but memory: 10,000 a second are more than a process can answer. */
export const TOKEN_READ_COST = 1 / 20;
/**
 * Of an address, in requests without a token that holds. Each may cost a signature check and a look into the database; no
 * secret can be guessed at any rate.
 */
const STRANGER: BucketSettings = { perSecond: 50, burst: 1_000, capacity: 10_000 };

export interface CallerLimits {
  /** Counts a request of a client. Throws `rate-limited`. */
  countRequest(clientId: string, cost: number): void;
  /** The same, but says so: false for too many, and nothing is counted. */
  tryRequest(clientId: string, cost: number): boolean;
  /** Before a token that nobody has seen yet is looked at. Throws `rate-limited`. */
  assertMayTry(address: string): void;
  /** Counts a request without a token that holds. Throws `rate-limited` when there were too many before. */
  countRefusal(address: string): void;
}

export function createCallerLimits(
  clock: Pick<Clock, 'monotonic'>,
  {
    client = CLIENT,
    stranger = STRANGER,
  }: { readonly client?: BucketSettings; readonly stranger?: BucketSettings } = {},
): CallerLimits {
  const clients = new TokenBuckets(client, clock);
  const strangers = new TokenBuckets(stranger, clock);
  return {
    countRequest: (clientId, cost) => assertNow(clients.take(clientId, cost), 'This client asks too often.'),
    tryRequest: (clientId, cost) => clients.take(clientId, cost) === 0,
    assertMayTry: (address) => assertNow(strangers.waitFor(networkOf(address), 1), TOO_MANY_REFUSALS),
    countRefusal: (address) => assertNow(strangers.take(networkOf(address), 1), TOO_MANY_REFUSALS),
  };
}

const TOO_MANY_REFUSALS = 'Too many requests without a valid token came from this address.';

function assertNow(waitMs: number, message: string): void {
  if (waitMs > 0) throw new AppError('rate-limited', message, { retryAfterMs: waitMs });
}
