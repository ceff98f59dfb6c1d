/** How much a caller may ask: of one client, and of an address without a token that holds. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createCallerLimits, TOKEN_READ_COST } from '../../api/auth/caller-limits.ts';
import { TokenBuckets } from '../../api/auth/token-buckets.ts';
import { AppError } from '../../core/errors.ts';

let nowMs: number;
beforeEach(() => {
  nowMs = 1_000;
});
const clock = { monotonic: () => nowMs };

/** Milliseconds that the refusal asks to wait; null where there is none. */
function waitOf(act: () => void): number | null {
  try {
    act();
    return null;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'rate-limited') throw error;
    return error.retryAfterMs ?? 0;
  }
}

describe('a bucket of tokens', () => {
  it('gives what it holds at once, then what comes back, and never holds more than at first', () => {
    const buckets = new TokenBuckets({ perSecond: 10, burst: 3, capacity: 10 }, clock);
    expect([1, 2, 3].map(() => buckets.take('a', 1))).toEqual([0, 0, 0]);
    expect(buckets.take('a', 1)).toBe(100);
    nowMs += 99;
    expect(buckets.take('a', 1)).toBeCloseTo(1);
    nowMs += 1;
    expect(buckets.take('a', 1)).toBe(0);
    nowMs += 3_600_000;
    expect([1, 2, 3].map(() => buckets.take('a', 1))).toEqual([0, 0, 0]);
    expect(buckets.take('a', 1)).toBe(100);
  });

  it('is nobody else’s, and takes nothing for what it does not give', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 2, capacity: 10 }, clock);
    expect(buckets.take('a', 3)).toBe(1_000);
    expect(buckets.waitFor('a', 2)).toBe(0);
    expect(buckets.take('a', 2)).toBe(0);
    expect(buckets.waitFor('a', 1)).toBe(1_000);
    expect(buckets.take('b', 2)).toBe(0);
  });

  it('costs no more memory however many come: who was seen longest ago is forgotten, not who is refused now', () => {
    const buckets = new TokenBuckets({ perSecond: 0.001, burst: 1, capacity: 100 }, clock);
    buckets.take('noisy', 1);
    for (let stranger = 0; stranger < 10_000; stranger += 1) {
      buckets.take(`stranger-${stranger}`, 1);
      expect(buckets.waitFor('noisy', 1)).toBeGreaterThan(0);
    }
    // Of a hundred that are remembered, these two are not any more.
    expect(buckets.waitFor('stranger-0', 1)).toBe(0);
    expect(buckets.waitFor('stranger-5000', 1)).toBe(0);
    expect(buckets.waitFor('stranger-9999', 1)).toBeGreaterThan(0);
  });
});

describe('the limits of callers', () => {
  it('are 5,000 requests at once and 500 a second of a client, and twenty times as many reads of a token', () => {
    const limits = createCallerLimits(clock);
    for (let request = 0; request < 5_000; request += 1) limits.countRequest('c', 1);
    expect(waitOf(() => limits.countRequest('c', 1))).toBeCloseTo(2);
    expect(waitOf(() => limits.countRequest('other', 1))).toBeNull();
    nowMs += 1_000;
    for (let request = 0; request < 500; request += 1) limits.countRequest('c', 1);
    expect(waitOf(() => limits.countRequest('c', 1))).not.toBeNull();
    nowMs += 1_000;
    for (let read = 0; read < 9_999; read += 1) limits.countRequest('c', TOKEN_READ_COST);
    expect(waitOf(() => limits.countRequest('c', 1))).not.toBeNull();
  });

  it('are 1,000 refusals at once and 50 a second of an address, after which no new token of it is looked at', () => {
    const limits = createCallerLimits(clock);
    for (let refusal = 0; refusal < 1_000; refusal += 1) {
      limits.assertMayTry('192.0.2.1');
      limits.countRefusal('192.0.2.1');
    }
    expect(waitOf(() => limits.assertMayTry('192.0.2.1'))).toBeCloseTo(20);
    expect(waitOf(() => limits.countRefusal('192.0.2.1'))).toBeCloseTo(20);
    expect(waitOf(() => limits.assertMayTry('192.0.2.2'))).toBeNull();
    nowMs += 20;
    expect(waitOf(() => limits.assertMayTry('192.0.2.1'))).toBeNull();
  });

  it('take the addresses of one IPv6 network for one, and an IPv4 one for itself however it is written', () => {
    const limits = createCallerLimits(clock, { stranger: { perSecond: 1, burst: 1, capacity: 10 } });
    limits.countRefusal('2001:db8:0:1::1');
    expect(waitOf(() => limits.assertMayTry('2001:db8:0:1:ffff::2'))).toBe(1_000);
    expect(waitOf(() => limits.assertMayTry('2001:db8:0:2::1'))).toBeNull();
    limits.countRefusal('192.0.2.1');
    expect(waitOf(() => limits.assertMayTry('::ffff:192.0.2.1'))).toBe(1_000);
  });
});
