import { describe, expect, it } from 'vitest';
import {
  aheadMs,
  horizonMs,
  isFresh,
  keepAliveAtMs,
  LEAST_INTERVAL_MS,
  marginMs,
  nextRefreshAtMs,
  retryPauseMs,
  spread,
  upkeepOf,
  warmAtMs,
} from '../../core/refresh-policy.ts';
import { buildConnection, DAY, HOUR, MINUTE, NOW_MS, policy, SECOND, WORKFLOW_ID } from '../simulation/builders.ts';

const exact = { ...policy, jitter: 0 };

function living(lifeMs: number, overrides: Parameters<typeof buildConnection>[0] = {}) {
  return buildConnection({ accessTokenExpiresAtMs: NOW_MS + lifeMs, ...overrides });
}

describe('the time ahead of expiry', () => {
  it.each([
    { life: '15 s', lifeMs: 15 * SECOND, ahead: 5 * SECOND, margin: 2.5 * SECOND },
    { life: '12 min', lifeMs: 12 * MINUTE, ahead: 4 * MINUTE, margin: 2 * MINUTE },
    { life: '24 min', lifeMs: 24 * MINUTE, ahead: 8 * MINUTE, margin: 2 * MINUTE },
    { life: '1 h', lifeMs: HOUR, ahead: 8 * MINUTE, margin: 2 * MINUTE },
    { life: 'a year', lifeMs: 365 * DAY, ahead: 8 * MINUTE, margin: 2 * MINUTE },
    { life: 'nothing', lifeMs: 0, ahead: 0, margin: 0 },
  ])('is clamped to a third of a life of $life, and the margin to half of it', ({ lifeMs, ahead, margin }) => {
    expect(aheadMs(policy, lifeMs)).toBe(ahead);
    expect(marginMs(policy, lifeMs)).toBe(margin);
  });

  it('stays longer than the margin when an operator sets them the wrong way round', () => {
    const odd = { ...policy, refreshAheadMs: MINUTE, accessTokenMarginMs: 10 * MINUTE };
    expect(marginMs(odd, HOUR)).toBe(30 * SECOND);
  });
});

describe('a warm connection', () => {
  it('is refreshed eight minutes before an hour is over', () => {
    expect(warmAtMs(exact, living(HOUR), WORKFLOW_ID)).toBe(NOW_MS + 52 * MINUTE);
  });

  it('is refreshed earlier by its own jitter, at most a twentieth of the interval', () => {
    const at = warmAtMs(policy, living(HOUR), WORKFLOW_ID);
    expect(at).toBe(Math.round(NOW_MS + 52 * MINUTE * (1 - 0.05 * spread(WORKFLOW_ID))));
    expect(at).toBeGreaterThanOrEqual(NOW_MS + 52 * MINUTE * 0.95);
  });

  it.each([0, 1, 2 * SECOND])('is not refreshed in a storm when tokens live for %i ms', (lifeMs) => {
    expect(warmAtMs(policy, living(lifeMs), WORKFLOW_ID)).toBe(NOW_MS + LEAST_INTERVAL_MS);
  });

  it('is due at once when it has lost its access token', () => {
    expect(warmAtMs(policy, living(HOUR, { accessTokenExpiresAtMs: null }), WORKFLOW_ID)).toBe(0);
  });

  it('is refreshed for its refresh token when that ends before the access token', () => {
    const short = living(30 * DAY, { refreshTokenExpiresAtMs: NOW_MS + 3 * DAY });
    expect(nextRefreshAtMs(exact, short, NOW_MS, WORKFLOW_ID)).toBe(NOW_MS + 2 * DAY);
  });

  it('turns idle when nobody has read it for two hours', () => {
    const connection = living(HOUR, { lastReadAtMs: NOW_MS });
    expect(upkeepOf(policy, connection, NOW_MS + 2 * HOUR - 1)).toBe('warm');
    expect(upkeepOf(policy, connection, NOW_MS + 2 * HOUR)).toBe('idle');
    expect(upkeepOf(policy, living(HOUR, { lastReadAtMs: null }), NOW_MS)).toBe('idle');
  });
});

describe('an idle connection', () => {
  const keepAlive = (endMs: number | null) =>
    keepAliveAtMs(exact, living(HOUR, { refreshTokenExpiresAtMs: endMs }), WORKFLOW_ID);

  it('is kept alive every 30 days', () => {
    expect(keepAlive(NOW_MS + 180 * DAY)).toBe(NOW_MS + 30 * DAY);
    expect(keepAlive(null)).toBe(NOW_MS + 30 * DAY);
  });

  it('is kept alive 30 days before the refresh token dies, whatever an operator sets', () => {
    const rare = { ...exact, keepAliveEveryMs: 365 * DAY };
    const connection = living(HOUR, { refreshTokenExpiresAtMs: NOW_MS + 180 * DAY });
    expect(keepAliveAtMs(rare, connection, WORKFLOW_ID)).toBe(NOW_MS + 150 * DAY);
  });

  it.each([
    { days: 89, after: (89 * 2) / 3 },
    { days: 36, after: 24 },
    { days: 3, after: 2 },
  ])('is kept alive a third of its life before a refresh token of $days days dies', ({ days, after }) => {
    const rare = { ...exact, keepAliveEveryMs: 365 * DAY };
    const connection = living(HOUR, { refreshTokenExpiresAtMs: NOW_MS + days * DAY });
    expect(keepAliveAtMs(rare, connection, WORKFLOW_ID)).toBe(Math.round(NOW_MS + after * DAY));
  });

  it('is not kept alive in a storm when its refresh token is as good as dead', () => {
    expect(keepAlive(NOW_MS + 1)).toBe(NOW_MS + LEAST_INTERVAL_MS);
  });

  it('counts from its making when it never had a token', () => {
    const connection = buildConnection({ accessTokenSentAtMs: null, refreshTokenExpiresAtMs: null, createdAtMs: 5 });
    expect(keepAliveAtMs(exact, connection, WORKFLOW_ID)).toBe(5 + 30 * DAY);
  });
});

describe('a token', () => {
  it('is handed out until its margin begins', () => {
    expect(isFresh(policy, living(HOUR), NOW_MS + 58 * MINUTE)).toBe(true);
    expect(isFresh(policy, living(HOUR), NOW_MS + 58 * MINUTE + 1)).toBe(false);
  });

  it('is handed out to somebody who needs longer only while it lives that long', () => {
    expect(isFresh(policy, living(HOUR), NOW_MS + 30 * MINUTE, 30 * MINUTE)).toBe(true);
    expect(isFresh(policy, living(HOUR), NOW_MS + 30 * MINUTE + 1, 30 * MINUTE)).toBe(false);
  });

  it('is fresh right after its making, whatever somebody asks for', () => {
    expect(isFresh(policy, living(15 * SECOND), NOW_MS, 30 * MINUTE)).toBe(true);
  });

  it('is not handed out when there is none', () => {
    expect(isFresh(policy, living(HOUR, { accessTokenExpiresAtMs: null }), NOW_MS)).toBe(false);
  });
});

describe('the pause after a failure', () => {
  const pauses = (fast: boolean) =>
    Array.from({ length: 10 }, (_, index) => retryPauseMs(exact, index + 1, fast, WORKFLOW_ID) / SECOND);

  it('is short four times, then grows to an hour', () => {
    expect(pauses(true)).toEqual([2, 5, 15, 45, 300, 600, 1200, 2400, 3600, 3600]);
  });

  it('is long from the start when Concur asked for it', () => {
    expect(pauses(false)).toEqual([300, 600, 1200, 2400, 3600, 3600, 3600, 3600, 3600, 3600]);
  });

  it('is stretched by jitter, never shortened', () => {
    const pause = retryPauseMs(policy, 1, false, WORKFLOW_ID);
    expect(pause).toBeGreaterThan(5 * MINUTE);
    expect(pause).toBeLessThanOrEqual(5 * MINUTE * 1.05);
  });
});

it('the horizon of a call is 180 s for a time-out of 75 s', () => {
  expect(horizonMs(policy)).toBe(180 * SECOND);
});

it('the spread of workflow ids is even enough to break up a herd', () => {
  const tenths = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i += 1) {
    const tenth = Math.floor(
      spread(`concur-connection:demo:00000000-0000-4000-8000-${String(i).padStart(12, '0')}`) * 10,
    );
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  expect(Math.min(...tenths)).toBeGreaterThan(700);
  expect(Math.max(...tenths)).toBeLessThan(1_300);
});
