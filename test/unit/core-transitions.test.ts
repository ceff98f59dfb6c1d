/** The reducer. Longer than 300 lines: a table of states and events. */
import { describe, expect, it } from 'vitest';
import { type Connection, type ConnectionState, connectionStates } from '../../core/connection.ts';
import type { ConnectionEvent, TransitionContext } from '../../core/transition.ts';
import { reduceConnection } from '../../core/transitions.ts';
import {
  buildConnection,
  buildContext,
  buildFacts,
  buildVerdict,
  DAY,
  eu2,
  HOUR,
  identity,
  MINUTE,
  NOW_MS,
  policy,
  SECOND,
} from '../simulation/builders.ts';

const from = { correlationId: 'corr-1' };
const exact = buildContext({ policy: { ...policy, jitter: 0 } });

const exchanged = {
  ...from,
  type: 'exchange-succeeded',
  facts: buildFacts(),
  identity,
  customerRef: null,
  userId: 'user-1',
} as const;
const exchangeFailed = {
  ...from,
  type: 'exchange-failed',
  final: true,
  othersWait: false,
  reason: 'request-token-rejected',
  concurCode: 136,
  userId: 'user-1',
} as const;
const refreshed = { ...from, type: 'refresh-succeeded', facts: buildFacts() } as const;

function failed(
  verdict: Parameters<typeof buildVerdict>,
  more: Partial<Extract<ConnectionEvent, { type: 'refresh-failed' }>> = {},
) {
  const remaining = { kind: 'none', rotationLost: false, held: false } as const;
  return {
    ...from,
    type: 'refresh-failed',
    verdict: buildVerdict(...verdict),
    remaining,
    uncertainUntilMs: null,
    ...more,
  } as const;
}

/** What each event makes of each state; columns in the order of `connectionStates`, `.` where the state stays. */
const table: readonly (readonly [what: string, event: ConnectionEvent, becomes: string])[] = [
  // connecting active retrying suspended blocked paused revoking reauthorization-required revoked connect-failed
  [
    'connect-accepted',
    { type: 'connect-accepted', customerRef: null, userId: null },
    '. . . . . . . . connecting connecting',
  ],
  ['exchange-succeeded', exchanged, 'active . active active active . . active revoking active'],
  ['exchange-failed, for good', exchangeFailed, 'connect-failed . . . . . . . . .'],
  ['exchange-failed, others wait', { ...exchangeFailed, othersWait: true }, '. . . . . . . . . .'],
  ['exchange-failed, to be tried again', { ...exchangeFailed, final: false }, '. . . . . . . . . .'],
  ['refresh-succeeded', refreshed, 'active . active active active . . active . .'],
  ['refresh-failed: transient', failed(['transient']), '. retrying . . . . . . . .'],
  ['refresh-failed: uncertain', failed(['uncertain']), '. retrying . . . . . . . .'],
  ['refresh-failed: maintenance', failed(['maintenance']), '. retrying . . . . . . . .'],
  ['refresh-failed: malformed', failed(['malformed']), '. retrying . . . . . . . .'],
  ['refresh-failed: suspended', failed(['suspended']), '. suspended suspended . suspended . . . . .'],
  ['refresh-failed: app-blocked', failed(['app-blocked']), '. blocked blocked blocked . . . . . .'],
  [
    'refresh-failed: dead, another token untried',
    failed(['dead'], { remaining: { kind: 'untried-token' } }),
    '. retrying . retrying retrying . . . . .',
  ],
  [
    'refresh-failed: dead, an attempt open',
    failed(['dead'], { remaining: { kind: 'open-attempt', untilMs: NOW_MS + 1 } }),
    '. retrying . retrying retrying . . . . .',
  ],
  [
    'refresh-failed: dead, not yet confirmed',
    failed(['dead', { confirmAfterMs: HOUR }]),
    '. suspended suspended . suspended . . . . .',
  ],
  [
    'refresh-failed: dead, nothing remains',
    failed(['dead']),
    '. reauthorization-required reauthorization-required reauthorization-required reauthorization-required reauthorization-required revoked . . .',
  ],
  ['refresh-postponed', { type: 'refresh-postponed' }, '. . . . . . . . . .'],
  ['read', { type: 'read' }, '. . . . . . . . . .'],
  ['pause', { type: 'pause' }, '. paused paused paused paused . . . . .'],
  ['resume', { type: 'resume' }, '. . . . . active . . . .'],
  ['app-restored', { type: 'app-restored' }, '. . . . active . . . . .'],
  [
    'revoke',
    { type: 'revoke', nothingToRevoke: false },
    'revoking revoking revoking revoking revoking revoking . revoking . .',
  ],
  [
    'revoke of nothing',
    { type: 'revoke', nothingToRevoke: true },
    'revoked revoked revoked revoked revoked revoked . revoked . .',
  ],
  ['revoke-confirmed', { ...from, type: 'revoke-confirmed', concurCode: null }, '. . . . . . revoked . . .'],
  ['revoke-failed', { ...from, type: 'revoke-failed', verdict: buildVerdict('transient') }, '. . . . . . . . . .'],
];

const rows = table.flatMap(([what, event, becomes]) => {
  const columns = becomes.split(' ');
  return connectionStates.map((state, index) => {
    const column = columns[index] as ConnectionState | '.';
    return { what, event, state, after: column === '.' ? state : column };
  });
});

function apply(before: Connection, event: ConnectionEvent, context: TransitionContext = exact) {
  return reduceConnection(before, event, context);
}

describe('every event in every state', () => {
  it.each(rows)('$what, when $state, leads to $after', ({ event, state, after }) => {
    const before = buildConnection({ state, stateSinceMs: NOW_MS - DAY, version: 3 });
    const { connection, events } = apply(before, event);
    expect(connection.state).toBe(after);
    expect(connection.stateSinceMs).toBe(after === state ? NOW_MS - DAY : NOW_MS);
    const recorded = events.filter(({ stateTo }) => stateTo !== null);
    expect(recorded.map(({ stateFrom, stateTo }) => [stateFrom, stateTo])).toEqual(
      after === state ? [] : [[state, after]],
    );
  });

  it('is decided for all states and columns', () => {
    expect(rows).toHaveLength(table.length * connectionStates.length);
    expect(table.every(([, , becomes]) => becomes.split(' ').length === connectionStates.length)).toBe(true);
  });
});

describe('a refresh that succeeded', () => {
  it('raises the version by one and forgets the trouble before', () => {
    const lastError = { code: 'provider-unavailable', concurCode: null, atMs: NOW_MS, correlationId: null };
    const before = buildConnection({
      state: 'retrying',
      failureCount: 7,
      lastError,
      pausedUntilMs: NOW_MS + 1,
      suspectedSinceMs: 1,
    });
    expect(apply(before, refreshed).connection).toMatchObject({
      version: 2,
      failureCount: 0,
      lastError: null,
      pausedUntilMs: null,
      suspectedSinceMs: null,
      lastRefreshedAtMs: NOW_MS,
      nextActionAtMs: NOW_MS + 52 * MINUTE,
    });
  });

  it('is counted by the day, and the day is told by the first of the next', () => {
    const yesterday = buildConnection({ lastRefreshedAtMs: NOW_MS - DAY, rotationsOnDay: 27 });
    const first = apply(yesterday, refreshed);
    expect(first.events).toMatchObject([{ type: 'refresh.routine', reason: '27 on 2026-08-19' }]);
    const second = apply(first.connection, refreshed);
    expect(second.events).toEqual([]);
    expect(second.connection.rotationsOnDay).toBe(2);
  });

  it('records a move to another data centre', () => {
    const facts = buildFacts({ dataCentre: eu2.name, geolocation: eu2.baseUri });
    const { connection, events } = apply(buildConnection(), { ...refreshed, facts });
    expect(connection).toMatchObject({ dataCentre: 'eu2', geolocation: eu2.baseUri });
    expect(events).toMatchObject([{ type: 'connection.moved', reason: 'us2 to eu2', correlationId: 'corr-1' }]);
  });

  it('brings a connection back that was called dead', () => {
    const { connection, events } = apply(
      buildConnection({ state: 'reauthorization-required', reason: 'rotation-lost' }),
      refreshed,
    );
    expect(connection).toMatchObject({ state: 'active', reason: null });
    expect(events).toMatchObject([{ type: 'connection.recovered' }]);
  });

  it('keeps a paused connection paused until the next keep-alive', () => {
    const { connection } = apply(buildConnection({ state: 'paused', resumeState: 'suspended' }), refreshed);
    expect(connection).toMatchObject({ state: 'paused', resumeState: 'active', nextActionAtMs: NOW_MS + 30 * DAY });
  });

  it('does not bring a revoked connection back', () => {
    const before = buildConnection({ state: 'revoked' });
    expect(apply(before, refreshed)).toEqual({ connection: before, events: [] });
  });

  it('leads straight to the revoke that waits for it, whose failures it does not forget', () => {
    const { connection } = apply(buildConnection({ state: 'revoking', failureCount: 3 }), refreshed);
    expect(connection).toMatchObject({ version: 2, nextActionAtMs: NOW_MS, failureCount: 3 });
  });

  it('lets the revoke wait a moment when its access token is as good as expired', () => {
    const facts = buildFacts({ accessTokenExpiresAtMs: NOW_MS });
    const { connection } = apply(buildConnection({ state: 'revoking' }), { ...refreshed, facts });
    expect(connection.nextActionAtMs).toBe(NOW_MS + 5 * SECOND);
  });
});

describe('a refresh that failed', () => {
  it('is tried again soon, or after as long as Concur asked for', () => {
    expect(apply(buildConnection(), failed(['transient'])).connection.nextActionAtMs).toBe(NOW_MS + 2 * SECOND);
    expect(apply(buildConnection(), failed(['transient', { slow: true }])).connection.nextActionAtMs).toBe(
      NOW_MS + 5 * MINUTE,
    );
    const asked = apply(buildConnection(), failed(['transient', { pauseMs: 7 * MINUTE }])).connection;
    expect(asked).toMatchObject({ nextActionAtMs: NOW_MS + 7 * MINUTE, pausedUntilMs: NOW_MS + 7 * MINUTE });
  });

  it('is not tried again before its own late answer is out of the question', () => {
    const event = failed(['uncertain'], { uncertainUntilMs: NOW_MS + 190 * SECOND });
    expect(apply(buildConnection(), event).connection.nextActionAtMs).toBe(NOW_MS + 190 * SECOND);
  });

  it('is tried every six hours while suspended, hourly when the request is refused, and by the probe when the app is', () => {
    expect(apply(buildConnection(), failed(['suspended'])).connection.nextActionAtMs).toBe(NOW_MS + 6 * HOUR);
    expect(apply(buildConnection(), failed(['malformed'])).connection.nextActionAtMs).toBe(NOW_MS + HOUR);
    expect(apply(buildConnection(), failed(['app-blocked'])).connection.nextActionAtMs).toBe(NOW_MS + 15 * MINUTE);
  });

  it.each(['active', 'retrying', 'suspended'] as const)('remembers when the app is blocked that it was %s', (state) => {
    expect(apply(buildConnection({ state }), failed(['app-blocked'])).connection.resumeState).toBe(state);
  });

  it('keeps the reason of a suspension through trouble on the way', () => {
    const before = buildConnection({ state: 'suspended', reason: 'principal-disabled' });
    expect(apply(before, failed(['transient'])).connection).toMatchObject({
      state: 'suspended',
      reason: 'principal-disabled',
    });
  });

  it.each(['active', 'paused', 'revoking'] as const)('is on record once for each trouble when %s', (state) => {
    const first = apply(buildConnection({ state }), failed(['transient']));
    expect(first.events).toHaveLength(1);
    const second = apply(first.connection, failed(['transient']));
    expect(second.events).toEqual([]);
    expect(second.connection.failureCount).toBe(2);
    expect(apply(second.connection, failed(['maintenance'])).events).toHaveLength(1);
  });

  it('says rotation-lost, not disconnected, when an answer was lost on the way', () => {
    const event = failed(['dead', { reason: 'bad-refresh-token' }], {
      remaining: { kind: 'none', rotationLost: true, held: false },
    });
    expect(apply(buildConnection(), event).connection).toMatchObject({ reason: 'rotation-lost', nextActionAtMs: null });
  });

  it('by a code that needs confirming is death only when a second one says so an hour later', () => {
    const unknown = failed(['dead', { confirmAfterMs: HOUR, reason: 'principal-unknown' }]);
    const first = apply(buildConnection(), unknown).connection;
    expect(first).toMatchObject({ state: 'suspended', suspectedSinceMs: NOW_MS, nextActionAtMs: NOW_MS + HOUR });
    const tooEarly = apply(first, unknown, { ...exact, nowMs: NOW_MS + HOUR - 1 }).connection;
    expect(tooEarly).toMatchObject({ state: 'suspended', suspectedSinceMs: NOW_MS, nextActionAtMs: NOW_MS + HOUR });
    const second = apply(tooEarly, unknown, { ...exact, nowMs: NOW_MS + HOUR }).connection;
    expect(second).toMatchObject({ state: 'reauthorization-required', reason: 'principal-unknown' });
  });
});

describe('a connect', () => {
  it('leaves a living connection as it is until it has succeeded', () => {
    const before = buildConnection({ customerRef: 'mine' });
    const accepted = apply(before, { type: 'connect-accepted', customerRef: 'theirs', userId: 'user-2' });
    expect(accepted.connection).toBe(before);
    expect(accepted.events).toMatchObject([{ type: 'connect.accepted', userId: 'user-2' }]);
    const refused = apply(before, exchangeFailed);
    expect(refused.connection).toBe(before);
    expect(refused.events).toMatchObject([
      { type: 'connect.failed', reason: 'request-token-rejected', userId: 'user-1' },
    ]);
  });

  it('counts as a read and says whose it is when it succeeds', () => {
    const company = { name: 'Muster AG', domain: null };
    const event = { ...exchanged, identity: { ...identity, company }, customerRef: 'ref-9' };
    const { connection, events } = apply(
      buildConnection({ state: 'connecting', connectedAtMs: null, lastReadAtMs: null }),
      event,
    );
    expect(connection).toMatchObject({ lastReadAtMs: NOW_MS, connectedAtMs: NOW_MS, company, customerRef: 'ref-9' });
    expect(events).toMatchObject([{ type: 'connection.connected', userId: 'user-1' }]);
    expect(apply(connection, exchanged).events).toMatchObject([{ type: 'connection.reconnected' }]);
  });

  it('keeps the company that is known when Concur does not name it again', () => {
    expect(apply(buildConnection(), exchanged).connection.company).toEqual(buildConnection().company);
  });

  it('that comes after the revoke was confirmed is revoked too', () => {
    const { connection } = apply(buildConnection({ state: 'revoked', reason: 'customer left' }), exchanged);
    expect(connection).toMatchObject({ state: 'revoking', version: 2, nextActionAtMs: NOW_MS });
  });

  it('of a paused connection waits for its resume', () => {
    const { connection } = apply(buildConnection({ state: 'paused' }), exchanged);
    expect(connection).toMatchObject({ state: 'paused', resumeState: 'active', version: 2 });
  });

  it('is on record at its first failed try and at its end', () => {
    const first = apply(buildConnection({ state: 'connecting' }), { ...exchangeFailed, final: false });
    expect(first.events).toMatchObject([{ type: 'connect.retrying' }]);
    const second = apply(first.connection, { ...exchangeFailed, final: false });
    expect(second.events).toEqual([]);
    expect(apply(second.connection, exchangeFailed).events).toMatchObject([{ type: 'connect.failed' }]);
  });

  it('that failed for good is on record although another one still waits', () => {
    const { events } = apply(buildConnection({ state: 'connecting', failureCount: 3 }), {
      ...exchangeFailed,
      othersWait: true,
    });
    expect(events).toMatchObject([{ type: 'connect.failed', reason: 'request-token-rejected' }]);
  });
});

describe('a command', () => {
  it('of a person is on record with actor and reason', () => {
    const context = buildContext({ actor: 'client:c1', reason: 'holiday' });
    const { connection, events } = apply(buildConnection(), { type: 'pause' }, context);
    expect(connection).toMatchObject({ reason: 'holiday', resumeState: 'active' });
    expect(events).toMatchObject([{ type: 'command.paused', actor: 'client:c1', reason: 'holiday' }]);
  });

  it('resume leads back to where it was, and what is overdue is due at once', () => {
    const paused = (resumeState: Connection['resumeState']) => buildConnection({ state: 'paused', resumeState });
    expect(apply(paused('suspended'), { type: 'resume' }).connection).toMatchObject({
      state: 'suspended',
      nextActionAtMs: NOW_MS,
    });
    expect(apply(paused('active'), { type: 'resume' }).connection).toMatchObject({
      state: 'active',
      nextActionAtMs: NOW_MS + 52 * MINUTE,
    });
  });

  it('pause of a blocked connection does not forget where it was before', () => {
    const before = buildConnection({ state: 'blocked', resumeState: 'suspended' });
    expect(apply(before, { type: 'pause' }).connection.resumeState).toBe('suspended');
  });

  it('revoke makes the next action due and forgets earlier failures', () => {
    const before = buildConnection({ failureCount: 4, nextActionAtMs: NOW_MS + DAY });
    expect(apply(before, { type: 'revoke', nothingToRevoke: false }).connection).toMatchObject({
      nextActionAtMs: NOW_MS,
      failureCount: 0,
      reason: 'requested',
    });
  });

  it('revoke, confirmed, leaves no times of tokens behind', () => {
    const { connection } = apply(buildConnection({ state: 'revoking', reason: 'left' }), {
      ...from,
      type: 'revoke-confirmed',
      concurCode: 108,
    });
    expect(connection).toMatchObject({
      reason: 'left',
      nextActionAtMs: null,
      accessTokenExpiresAtMs: null,
      refreshTokenExpiresAtMs: null,
    });
  });
});

describe('a revoke that failed', () => {
  const refused = {
    ...from,
    type: 'revoke-failed',
    verdict: buildVerdict('transient', { reason: 'revoke-unverified' }),
  } as const;

  it('because it was refused is proven by a refresh at once, and after that with growing pauses', () => {
    const first = apply(buildConnection({ state: 'revoking' }), refused).connection;
    expect(first.nextActionAtMs).toBe(NOW_MS);
    const again = apply(apply(first, refreshed).connection, refused).connection;
    expect(again.nextActionAtMs).toBe(NOW_MS + 5 * SECOND);
    const third = apply(apply(again, refreshed).connection, refused).connection;
    expect(third.nextActionAtMs).toBe(NOW_MS + 15 * SECOND);
  });

  it('is tried again after a pause, at least as long as Concur asked for', () => {
    const trouble = (verdict: Parameters<typeof buildVerdict>[1]) =>
      apply(buildConnection({ state: 'revoking' }), {
        ...from,
        type: 'revoke-failed',
        verdict: buildVerdict('transient', verdict),
      }).connection.nextActionAtMs;
    expect(trouble({})).toBe(NOW_MS + 2 * SECOND);
    expect(trouble({ slow: true })).toBe(NOW_MS + 5 * MINUTE);
    expect(trouble({ pauseMs: HOUR })).toBe(NOW_MS + HOUR);
  });
});

it('a read that is told late does not undo a later one', () => {
  const before = buildConnection({ lastReadAtMs: NOW_MS + 5 });
  expect(apply(before, { type: 'read' }).connection.lastReadAtMs).toBe(NOW_MS + 5);
});

it('a postponed refresh waits for the keep-alive', () => {
  const event = { type: 'refresh-postponed' } as const;
  expect(apply(buildConnection(), event).connection.nextActionAtMs).toBe(NOW_MS + 30 * DAY);
  expect(
    apply(buildConnection({ state: 'revoked', nextActionAtMs: null }), event).connection.nextActionAtMs,
  ).toBeNull();
});
