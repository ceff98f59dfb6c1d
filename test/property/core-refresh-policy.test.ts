import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aheadMs,
  isFresh,
  keepAliveAtMs,
  LEAST_INTERVAL_MS,
  marginMs,
  nextRefreshAtMs,
  type RefreshPolicy,
  retryPauseMs,
  spread,
  warmAtMs,
} from '../../core/refresh-policy.ts';
import { buildConnection, DAY, HOUR, MINUTE, NOW_MS, policy as defaults } from '../simulation/builders.ts';

const duration = (maxMs: number) => fc.integer({ min: 0, max: maxMs });

const anyPolicy: fc.Arbitrary<RefreshPolicy> = fc
  .record({
    accessTokenMarginMs: duration(HOUR),
    refreshAheadMs: duration(HOUR),
    warmWindowMs: duration(DAY),
    keepAliveEveryMs: fc.integer({ min: MINUTE, max: 365 * DAY }),
    jitter: fc.double({ min: 0, max: 0.5, noNaN: true }),
    retrySlowEveryMs: fc.integer({ min: 1_000, max: HOUR }),
  })
  .map((settings) => ({ ...defaults, ...settings }));

/** From nothing over 15 s to ten years. */
const anyLife = fc.oneof(duration(20_000), duration(2 * HOUR), duration(3_660 * DAY));
const anyWorkflowId = fc.string({ maxLength: 80 });

const anyConnection = fc
  .record({ lifeMs: anyLife, refreshLifeMs: fc.option(anyLife), readAgoMs: fc.option(duration(3 * DAY)) })
  .map(({ lifeMs, refreshLifeMs, readAgoMs }) =>
    buildConnection({
      accessTokenExpiresAtMs: NOW_MS + lifeMs,
      refreshTokenExpiresAtMs: refreshLifeMs === null ? null : NOW_MS + refreshLifeMs,
      lastReadAtMs: readAgoMs === null ? null : NOW_MS - readAgoMs,
    }),
  );

describe('the refresh policy', () => {
  it('always begins a warm refresh before the margin, so that no reader waits', () => {
    fc.assert(
      fc.property(anyPolicy, anyLife, anyWorkflowId, (policy, lifeMs, workflowId) => {
        const ahead = aheadMs(policy, lifeMs);
        expect(ahead).toBeLessThanOrEqual(lifeMs / 3);
        expect(marginMs(policy, lifeMs)).toBeLessThanOrEqual(ahead / 2);
        if (ahead > 0) expect(marginMs(policy, lifeMs)).toBeLessThan(ahead);
        // Where the least interval leaves room for it.
        if (lifeMs < 2 * LEAST_INTERVAL_MS || ahead < 2) return;
        const connection = buildConnection({ accessTokenExpiresAtMs: NOW_MS + lifeMs });
        expect(isFresh(policy, connection, warmAtMs(policy, connection, workflowId))).toBe(true);
      }),
    );
  });

  it('hands a token out until its margin, never after its expiry, and right after its making', () => {
    fc.assert(
      fc.property(anyPolicy, anyConnection, anyLife, duration(30 * MINUTE), (policy, connection, laterMs, minTtlMs) => {
        const expires = connection.accessTokenExpiresAtMs ?? 0;
        if (isFresh(policy, connection, NOW_MS + laterMs, minTtlMs))
          expect(NOW_MS + laterMs).toBeLessThanOrEqual(expires);
        expect(isFresh(policy, connection, NOW_MS, minTtlMs)).toBe(true);
      }),
    );
  });

  it('brings a deadline forward by its jitter at most, and never puts it off', () => {
    fc.assert(
      fc.property(anyPolicy, anyConnection, anyWorkflowId, (policy, connection, workflowId) => {
        for (const deadline of [warmAtMs, keepAliveAtMs]) {
          const jittered = deadline(policy, connection, workflowId) - NOW_MS;
          const plain = deadline({ ...policy, jitter: 0 }, connection, workflowId) - NOW_MS;
          expect(jittered).toBeLessThanOrEqual(plain + 1);
          expect(jittered).toBeGreaterThanOrEqual(plain * (1 - policy.jitter) - 1);
        }
      }),
    );
  });

  it('keeps a grant alive inside the life of its refresh token, with a reserve, and without a storm', () => {
    fc.assert(
      fc.property(anyPolicy, anyConnection, anyWorkflowId, (policy, connection, workflowId) => {
        const at = nextRefreshAtMs(policy, connection, NOW_MS, workflowId);
        expect(Number.isFinite(at)).toBe(true);
        expect(at).toBeGreaterThanOrEqual(NOW_MS + LEAST_INTERVAL_MS);
        const end = connection.refreshTokenExpiresAtMs;
        if (end === null || end < NOW_MS + 2 * LEAST_INTERVAL_MS) return;
        const life = end - NOW_MS;
        expect(end - at).toBeGreaterThanOrEqual(
          Math.min(life < 90 * DAY ? life / 3 : 30 * DAY, life - LEAST_INTERVAL_MS) - 1,
        );
      }),
    );
  });

  it('pauses longer after each failure in a row, and never less than was asked for', () => {
    fc.assert(
      fc.property(
        anyPolicy,
        fc.integer({ min: 1, max: 500 }),
        fc.boolean(),
        anyWorkflowId,
        (policy, n, fast, workflowId) => {
          const pause = retryPauseMs(policy, n, fast, workflowId);
          expect(pause).toBeGreaterThanOrEqual(
            fast ? Math.min(2_000, policy.retrySlowEveryMs) : policy.retrySlowEveryMs,
          );
          expect(pause).toBeLessThanOrEqual(Math.max(12 * policy.retrySlowEveryMs, 45_000) * (1 + policy.jitter) + 1);
          if (!fast) expect(retryPauseMs(policy, n + 1, fast, workflowId)).toBeGreaterThanOrEqual(pause);
        },
      ),
    );
  });

  it('gives each workflow id its own place, the same for ever', () => {
    fc.assert(
      fc.property(anyWorkflowId, (workflowId) => {
        expect(spread(workflowId)).toBe(spread(workflowId));
        expect(spread(workflowId)).toBeGreaterThanOrEqual(0);
        expect(spread(workflowId)).toBeLessThan(1);
      }),
    );
    expect(spread('concur-connection:demo:1f7a3c52-6b1e-4d0e-9a43-3d4f8f0f3a11')).toBeCloseTo(0.2704, 4);
  });
});
