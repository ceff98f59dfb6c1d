import { describe, expect, it } from 'vitest';
import type { Connection } from '../../core/connection.ts';
import type { ConnectionEvent } from '../../core/transition.ts';
import { reduceConnection } from '../../core/transitions.ts';
import { buildConnection, buildContext, buildFacts, buildVerdict, DAY, NOW_MS } from '../simulation/builders.ts';

const ended = NOW_MS + 100 * DAY;
const failure = (outcome: 'suspended' | 'transient'): ConnectionEvent => ({
  type: 'refresh-failed',
  verdict: buildVerdict(outcome),
  remaining: { kind: 'none', rotationLost: false, held: false },
  uncertainUntilMs: null,
  correlationId: null,
});
const disabled = failure('suspended');

/** The connection after a failed refresh with so many days left, and the notice that was given. */
function fail(before: Connection, daysLeft: number, event = disabled): { after: Connection; told: readonly unknown[] } {
  const context = buildContext({ nowMs: ended - daysLeft * DAY });
  const { connection: after, events } = reduceConnection(before, event, context);
  return { after, told: events.filter(({ type }) => type === 'connection.expiring').map(({ reason }) => reason) };
}

describe('the end of a refresh token that nobody can refresh', () => {
  it('is told 60, 30 and 7 days before, once each', () => {
    let connection = buildConnection({ refreshTokenExpiresAtMs: ended });
    const told: [number, readonly unknown[]][] = [];
    for (let daysLeft = 99; daysLeft >= 0; daysLeft -= 1) {
      const next = fail(connection, daysLeft);
      if (next.told.length > 0) told.push([daysLeft, next.told]);
      connection = next.after;
    }
    expect(told).toEqual([
      [60, ['within 60 days']],
      [30, ['within 30 days']],
      [7, ['within 7 days']],
    ]);
  });

  it('is told once, and as urgently as it is, when nothing was tried for long', () => {
    const { after, told } = fail(buildConnection({ refreshTokenExpiresAtMs: ended }), 5);
    expect(told).toEqual(['within 7 days']);
    expect(fail(after, 4).told).toEqual([]);
  });

  it.each(['retrying', 'suspended', 'blocked', 'paused'] as const)('is told of a connection that is %s', (state) => {
    const before = buildConnection({ state, resumeState: 'active', refreshTokenExpiresAtMs: ended });
    expect(fail(before, 29, failure('transient')).told).toEqual(['within 30 days']);
  });

  it('is no news of one that has ended or is being ended', () => {
    for (const state of ['revoking', 'reauthorization-required', 'revoked'] as const) {
      expect(fail(buildConnection({ state, refreshTokenExpiresAtMs: ended }), 3).told).toEqual([]);
    }
  });

  it('is forgotten with the next success', () => {
    const { after } = fail(buildConnection({ refreshTokenExpiresAtMs: ended }), 20);
    expect(after.expiryNoticeDays).toBe(30);
    const success = { type: 'refresh-succeeded', facts: buildFacts(), correlationId: null } as const;
    expect(reduceConnection(after, success, buildContext()).connection.expiryNoticeDays).toBeNull();
  });
});
