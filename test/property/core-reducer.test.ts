import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Connection, type ConnectionState, connectionStates, isEnded, isLiving } from '../../core/connection.ts';
import type { Verdict } from '../../core/concur-codes.ts';
import type { ConnectionEvent, GrantFacts, Remaining } from '../../core/transition.ts';
import { reduceConnection } from '../../core/transitions.ts';
import {
  buildConnection,
  buildContext,
  buildFacts,
  buildNewConnection,
  DAY,
  eu2,
  HOUR,
  identity,
  NOW_MS,
  us2,
} from '../simulation/builders.ts';

const anyVerdict: fc.Arbitrary<Verdict> = fc.record({
  outcome: fc.constantFrom(
    'transient',
    'maintenance',
    'suspended',
    'dead',
    'app-blocked',
    'malformed',
    'uncertain',
    'revoked',
  ),
  scope: fc.constantFrom('connection', 'app', 'service'),
  reason: fc.constantFrom('bad-refresh-token', 'provider-unavailable', 'revoke-unverified'),
  pauseMs: fc.option(fc.nat(DAY)),
  slow: fc.boolean(),
  confirmAfterMs: fc.constantFrom(null, HOUR),
  alarm: fc.boolean(),
  mayHaveRotated: fc.boolean(),
  concurCode: fc.option(fc.nat(150)),
});

const anyRemaining: fc.Arbitrary<Remaining> = fc.oneof(
  fc.constant({ kind: 'untried-token' as const }),
  fc.nat(HOUR).map((ms) => ({ kind: 'open-attempt' as const, untilMs: NOW_MS + ms })),
  fc.tuple(fc.boolean(), fc.boolean()).map(([rotationLost, held]) => ({ kind: 'none' as const, rotationLost, held })),
);

/** Sent a while before it is told, and with any life. */
const anyFacts: fc.Arbitrary<GrantFacts> = fc
  .tuple(fc.constantFrom(us2, eu2), fc.nat(HOUR), fc.nat(400 * DAY))
  .map(([dataCentre, lifeMs, refreshLifeMs]) =>
    buildFacts({
      dataCentre: dataCentre.name,
      geolocation: dataCentre.baseUri,
      accessTokenExpiresAtMs: NOW_MS + lifeMs,
      refreshTokenExpiresAtMs: NOW_MS + refreshLifeMs,
    }),
  );

const from = { correlationId: null, userId: null, concurCode: null };

const anyEvent: fc.Arbitrary<ConnectionEvent> = fc.oneof(
  fc.constantFrom<ConnectionEvent>(
    { type: 'connect-accepted', customerRef: null, userId: null },
    { type: 'refresh-postponed' },
    { type: 'read' },
    { type: 'pause' },
    { type: 'resume' },
    { type: 'app-restored' },
    { type: 'revoke-confirmed', ...from },
  ),
  fc.boolean().map((nothingToRevoke): ConnectionEvent => ({ type: 'revoke', nothingToRevoke })),
  anyFacts.map(
    (facts): ConnectionEvent => ({ type: 'exchange-succeeded', facts, identity, customerRef: null, ...from }),
  ),
  { weight: 3, arbitrary: anyFacts.map((facts): ConnectionEvent => ({ type: 'refresh-succeeded', facts, ...from })) },
  fc
    .tuple(fc.boolean(), fc.boolean())
    .map(
      ([final, othersWait]): ConnectionEvent => ({ type: 'exchange-failed', final, othersWait, reason: 'x', ...from }),
    ),
  {
    weight: 6,
    arbitrary: fc.tuple(anyVerdict, anyRemaining, fc.option(fc.nat(HOUR))).map(
      ([verdict, remaining, uncertainMs]): ConnectionEvent => ({
        type: 'refresh-failed',
        verdict,
        remaining,
        uncertainUntilMs: uncertainMs === null ? null : NOW_MS + uncertainMs,
        ...from,
      }),
    ),
  },
  anyVerdict.map((verdict): ConnectionEvent => ({ type: 'revoke-failed', verdict, ...from })),
);

const anyStart = fc.constantFrom(buildNewConnection(), buildConnection());

interface Told {
  readonly event: ConnectionEvent;
  readonly afterMs: number;
}
const anyLife = fc.array(fc.record({ event: anyEvent, afterMs: fc.nat(2 * HOUR) }), { minLength: 1, maxLength: 40 });

/** Every step of a life: before, after, what was told. */
function* live(start: Connection, told: readonly Told[]) {
  let connection = start;
  let nowMs = NOW_MS;
  for (const { event, afterMs } of told) {
    nowMs += afterMs;
    const before = connection;
    const transition = reduceConnection(before, event, buildContext({ nowMs }));
    connection = transition.connection;
    yield { before, after: connection, event, nowMs, events: transition.events };
  }
}

function always(check: (step: ReturnType<typeof live> extends Generator<infer Step> ? Step : never) => void): void {
  fc.assert(
    fc.property(anyStart, anyLife, (start, told) => {
      for (const step of live(start, told)) check(step);
    }),
    { numRuns: 2_000 },
  );
}

describe('whatever becomes known about a connection', () => {
  it('it stays in one of its states, and every change of state is on record, once', () => {
    const seen = new Set<ConnectionState>();
    always(({ before, after, events, nowMs }) => {
      expect(connectionStates).toContain(after.state);
      seen.add(after.state);
      const changes = events.filter(({ stateTo }) => stateTo !== null);
      expect(changes).toHaveLength(before.state === after.state ? 0 : 1);
      for (const { stateFrom, stateTo } of changes) expect([stateFrom, stateTo]).toEqual([before.state, after.state]);
      expect(after.stateSinceMs).toBe(before.state === after.state ? before.stateSinceMs : nowMs);
    });
    expect([...seen].sort()).toEqual([...connectionStates].sort());
  });

  it('its version grows by one with each token set that is saved, and with nothing else', () => {
    always(({ before, after, event }) => {
      const isSaved =
        event.type === 'exchange-succeeded' || (event.type === 'refresh-succeeded' && !isEnded(before.state));
      expect(after.version).toBe(before.version + (isSaved ? 1 : 0));
    });
  });

  it('it dies of a verdict that says dead with nothing left to try, and of nothing else', () => {
    let deaths = 0;
    always(({ before, after, event }) => {
      if (after.state !== 'reauthorization-required' || before.state === after.state) return;
      deaths += 1;
      if (event.type !== 'refresh-failed') throw new Error(`died of ${event.type}`);
      expect(event).toMatchObject({ verdict: { outcome: 'dead' }, remaining: { kind: 'none' } });
      expect(isLiving(before.state)).toBe(true);
    });
    expect(deaths).toBeGreaterThan(20);
  });

  it('it is revoked only on demand', () => {
    always(({ before, after }) => {
      if (after.state !== 'revoked' || before.state === 'revoked') return;
      if (before.state !== 'revoking') expect(after.version).toBe(before.version);
    });
    always(({ before, after, event }) => {
      if (after.state !== 'revoking' || before.state === 'revoking') return;
      expect(['revoke', 'exchange-succeeded']).toContain(event.type);
      if (event.type === 'exchange-succeeded') expect(before.state).toBe('revoked');
    });
  });

  it('it knows when to act next while it lives or is being revoked, and sleeps for good when it ended', () => {
    always(({ before, after }) => {
      if (isLiving(after.state) || after.state === 'revoking') expect(after.nextActionAtMs).toEqual(expect.any(Number));
      if (after.nextActionAtMs !== null) expect(Number.isFinite(after.nextActionAtMs)).toBe(true);
      const entered = before.state !== after.state;
      if (entered && (isEnded(after.state) || after.state === 'reauthorization-required')) {
        expect(after.nextActionAtMs).toBeNull();
      }
    });
  });

  it('while active it acts before its refresh token ends', () => {
    always(({ after }) => {
      const { state, nextActionAtMs, refreshTokenExpiresAtMs: end, accessTokenSentAtMs: sent } = after;
      if (state !== 'active' || nextActionAtMs === null || end === null || sent === null) return;
      // A token that lives for seconds is refreshed as often as the least interval allows.
      if (end - sent > 10_000) expect(nextActionAtMs).toBeLessThan(end);
    });
  });

  it('remembers where to go back to exactly while it is paused or blocked', () => {
    always(({ after }) => {
      if (after.state === 'paused' || after.state === 'blocked') expect(after.resumeState).not.toBeNull();
      else if (isLiving(after.state)) expect(after.resumeState).toBeNull();
    });
  });

  it('a failed connect leaves a living connection as it was', () => {
    always(({ before, after, event }) => {
      if (event.type !== 'exchange-failed' && event.type !== 'connect-accepted') return;
      if (isLiving(before.state)) expect(after).toBe(before);
    });
  });
});
