/** The transactions around a refresh. Longer than 300 lines: each situation has its case. */
import { describe, expect, it } from 'vitest';
import { type Aggregate, applyChanges, type Attempt, type Decision } from '../../core/aggregate.ts';
import { openUntil } from '../../core/attempts.ts';
import type { ConnectionState } from '../../core/connection.ts';
import {
  type BeginRefresh,
  beginRefresh,
  finishRefresh,
  type RefreshCause,
  type RefreshOutcome,
} from '../../core/refresh-transaction.ts';
import {
  buildAggregate,
  buildAttempt,
  buildConnection,
  buildFacts,
  buildToken,
  buildVerdict,
  DAY,
  HOUR,
  MINUTE,
  NOW_MS,
  SECOND,
  times,
} from '../simulation/builders.ts';

function begin(aggregate: Aggregate, input: Partial<BeginRefresh> = {}) {
  const decision = beginRefresh(aggregate, { ...times, attemptId: 'a1', cause: 'due', expectedVersion: 1, ...input });
  return { ...decision, after: applyChanges(aggregate, decision.changes) };
}

function finish(aggregate: Aggregate, outcome: RefreshOutcome, { attemptId = 'a1', nowMs = NOW_MS + SECOND } = {}) {
  const decision = finishRefresh(aggregate, { ...times, nowMs, attemptId, outcome });
  return { ...decision, after: applyChanges(aggregate, decision.changes) };
}

function tokens(refreshToken: string | null = 'sealed:new'): RefreshOutcome {
  return { kind: 'tokens', facts: buildFacts(), accessToken: 'sealed:access', refreshToken, correlationId: null };
}

function failed(...verdict: Parameters<typeof buildVerdict>): RefreshOutcome {
  return { kind: 'failure', verdict: buildVerdict(...verdict), correlationId: null };
}

const dead = failed('dead', { reason: 'bad-refresh-token', concurCode: 108 });
const open = (overrides: Partial<Attempt> = {}) => buildAggregate({ attempts: [buildAttempt(overrides)] });
const inState = (state: ConnectionState, overrides = {}) =>
  buildAggregate({ connection: buildConnection({ state, ...overrides }) });

describe('beginning a refresh', () => {
  it('puts the intent on file before the call', () => {
    const { result, after } = begin(buildAggregate());
    expect(result).toMatchObject({ decision: 'call', token: { attemptId: 'a0' } });
    expect(after.attempts).toMatchObject([
      { id: 'a1', status: 'open', versionRead: 1, tokenAttemptId: 'a0', horizonAtMs: NOW_MS + 190 * SECOND },
    ]);
  });

  it('adopts what somebody else has saved meanwhile', () => {
    expect(begin(buildAggregate(), { expectedVersion: 0 })).toMatchObject({
      result: { decision: 'adopted' },
      changes: {},
    });
    expect(begin(buildAggregate(), { expectedVersion: null }).result.decision).toBe('call');
  });

  it('waits for an attempt that may still bring an answer, even when forced', () => {
    const { result, changes } = begin(open({ id: 'other' }), { cause: 'forced' });
    expect(result).toEqual({ decision: 'wait', untilMs: NOW_MS + 190 * SECOND });
    expect(changes).toEqual({});
  });

  it('gives up an attempt past its horizon as lost', () => {
    const { result, after } = begin(open({ id: 'other', horizonAtMs: NOW_MS }));
    expect(result.decision).toBe('call');
    expect(after.attempts.map(({ id, status }) => [id, status])).toEqual([
      ['a1', 'open'],
      ['other', 'lost'],
    ]);
  });

  it('waits as long as Concur asked for', () => {
    const paused = inState('retrying', { pausedUntilMs: NOW_MS + MINUTE });
    expect(begin(paused).result).toEqual({ decision: 'wait', untilMs: NOW_MS + MINUTE });
    expect(begin(paused, { nowMs: NOW_MS + MINUTE }).result.decision).toBe('call');
  });

  it('does nothing before the deadline, by the clock of whoever holds the lock', () => {
    const due = begin(inState('active', { nextActionAtMs: NOW_MS + 1 }));
    expect(due).toMatchObject({ result: { decision: 'adopted' }, changes: {} });
    const revoke = begin(inState('revoking', { nextActionAtMs: NOW_MS + 1 }), { cause: 'revoke' });
    expect(revoke).toMatchObject({ result: { decision: 'adopted' }, changes: {} });
  });

  it('lets the token of a connection lapse that nobody reads any more', () => {
    const { result, after } = begin(inState('active', { lastReadAtMs: NOW_MS - 2 * HOUR }));
    expect(result.decision).toBe('adopted');
    expect(after.connection?.nextActionAtMs).toBeGreaterThan(NOW_MS + 28 * DAY);
  });

  it('makes the connection warm when a reader found the token stale', () => {
    const stale = { lastReadAtMs: null, nextActionAtMs: NOW_MS + DAY, accessTokenSentAtMs: NOW_MS - HOUR };
    const { result, after } = begin(inState('active', stale), { cause: 'fresh' });
    expect(result.decision).toBe('call');
    expect(after.connection?.lastReadAtMs).toBe(NOW_MS);
  });

  it('makes no storm of its readers, however short a life Concur gives its tokens', () => {
    const calls = (ageMs: number) =>
      begin(inState('active', { accessTokenSentAtMs: NOW_MS - ageMs }), { cause: 'fresh' }).result.decision;
    expect([calls(0), calls(4_999), calls(5_000)]).toEqual(['adopted', 'adopted', 'call']);
  });

  it('is on record with its actor when somebody asked for it', () => {
    const askedBy = { actor: 'client:c1', reason: 'a test' };
    expect(begin(inState('active'), { cause: 'forced', askedBy }).changes.events).toMatchObject([
      { type: 'command.refresh', ...askedBy, stateFrom: null },
    ]);
    expect(begin(inState('active'), { cause: 'rejected', askedBy }).changes.events).toMatchObject([
      { type: 'command.token-rejected', ...askedBy },
    ]);
    expect(begin(inState('active'), { cause: 'due' }).changes.events).toBeUndefined();
  });

  const causes: readonly RefreshCause[] = ['due', 'fresh', 'forced', 'rejected', 'revoke'];
  const all = 'due fresh forced rejected revoke';
  it.each<[ConnectionState, string]>([
    ['connecting', ''],
    ['active', all],
    ['retrying', all],
    ['suspended', all],
    ['blocked', all],
    ['paused', 'due'],
    ['revoking', 'revoke'],
    ['reauthorization-required', ''],
    ['revoked', ''],
    ['connect-failed', ''],
  ])('when %s is done for: %s', (state, allowed) => {
    const called = causes.filter(
      (cause) => begin(inState(state, { accessTokenSentAtMs: NOW_MS - HOUR }), { cause }).result.decision === 'call',
    );
    expect(called.join(' ')).toBe(allowed);
  });

  it('does nothing for a connection that does not exist', () => {
    expect(begin(buildAggregate({ connection: null })).result.decision).toBe('adopted');
  });

  it('takes the current token, then the previous, then candidates, newest first', () => {
    const candidate = (id: string) => buildAttempt({ id, status: 'done', candidate: buildToken(id) });
    const grant = { current: buildToken('a0', { refused: true }), previous: buildToken('b') };
    const attempts = [candidate('d'), candidate('c')];
    const tried = (aggregate: Aggregate) => begin(aggregate).result;
    expect(tried(buildAggregate({ attempts }))).toMatchObject({ token: { attemptId: 'a0' } });
    expect(tried(buildAggregate({ grant, attempts }))).toMatchObject({ token: { attemptId: 'b' } });
    expect(tried(buildAggregate({ grant: { ...grant, previous: null }, attempts }))).toMatchObject({
      token: { attemptId: 'd' },
    });
  });
});

describe('finishing a refresh with tokens', () => {
  it('makes the new token current, the old one previous, and raises the version', () => {
    const { result, changes, after } = finish(open(), tokens());
    expect(result).toBe('saved');
    expect(after.grant).toEqual({ current: buildToken('a1', { sealed: 'sealed:new' }), previous: buildToken('a0') });
    expect(after.connection).toMatchObject({ version: 2, state: 'active' });
    expect(changes.accessToken).toEqual({ sealed: 'sealed:access', attemptId: 'a1', tokenType: 'Bearer' });
    expect(after.attempts).toEqual([]);
  });

  it('keeps the token on file when Concur returned none or the same', () => {
    expect(finish(open(), tokens(null)).after).toMatchObject({
      connection: { version: 2 },
      grant: { current: buildToken('a0'), previous: null },
    });
  });

  it('makes the previous token current again when it was the one that worked', () => {
    const grant = { current: buildToken('a0', { refused: true }), previous: buildToken('b') };
    const before = buildAggregate({ grant, attempts: [buildAttempt({ tokenAttemptId: 'b' })] });
    expect(finish(before, tokens(null)).after.grant).toEqual({ current: buildToken('b'), previous: null });
    expect(finish(before, tokens()).after.grant).toMatchObject({
      current: { attemptId: 'a1' },
      previous: buildToken('b'),
    });
  });

  it('no longer counts a token as refused that a late answer proves alive', () => {
    const grant = { current: buildToken('a0', { refused: true }), previous: null };
    const late = { ...open({ status: 'lost' }), grant };
    expect(finish(late, tokens(null)).after.grant.current).toEqual(buildToken('a0'));
  });

  it('twice changes nothing the second time', () => {
    const once = finish(open(), tokens()).after;
    expect(finish(once, tokens())).toMatchObject({ result: 'duplicate', changes: {} });
  });

  it('after the version moved on keeps what came as a candidate', () => {
    const { result, after } = finish(open({ versionRead: 0 }), tokens());
    expect(result).toBe('candidate');
    expect(after.connection).toEqual(buildConnection());
    expect(after.attempts).toMatchObject([
      { id: 'a1', status: 'done', candidate: { sealed: 'sealed:new', attemptId: 'a1', refused: false } },
    ]);
  });

  it.each(['uncertain', 'lost'] as const)('saves an answer that came late for an attempt already %s', (status) => {
    expect(finish(open({ status }), tokens()).result).toBe('saved');
  });

  it('brings a connection back that was called dead before the answer came', () => {
    const late = { ...inState('reauthorization-required'), attempts: [buildAttempt({ status: 'lost' })] };
    expect(finish(late, tokens()).after.connection?.state).toBe('active');
  });

  it('forgets candidates, and attempts that have been lost for a day, but none that may still answer', () => {
    const others = [
      buildAttempt({ id: 'open', kind: 'exchange' }),
      buildAttempt({ id: 'received', kind: 'exchange', status: 'received', horizonAtMs: NOW_MS - DAY }),
      buildAttempt({ id: 'frozen', horizonAtMs: NOW_MS }),
      buildAttempt({ id: 'lost', status: 'lost', startedAtMs: NOW_MS - DAY + 2 * SECOND, horizonAtMs: NOW_MS - HOUR }),
      buildAttempt({ id: 'gone', status: 'lost', startedAtMs: NOW_MS - DAY, horizonAtMs: NOW_MS - HOUR }),
      buildAttempt({ id: 'kept', status: 'done', candidate: buildToken('kept') }),
    ];
    const { after } = finish(buildAggregate({ attempts: [buildAttempt(), ...others] }), tokens());
    expect(after.attempts.map(({ id, status }) => [id, status])).toEqual([
      ['open', 'open'],
      ['received', 'received'],
      ['frozen', 'lost'],
      ['lost', 'lost'],
    ]);
  });

  it('keeps as a candidate what a frozen process brings after somebody else has refreshed', () => {
    const both = buildAggregate({
      attempts: [buildAttempt({ id: 'a2' }), buildAttempt({ status: 'lost', horizonAtMs: NOW_MS })],
    });
    const refreshed = finish(both, tokens(), { attemptId: 'a2' }).after;
    const { result, after } = finish(refreshed, tokens('sealed:late'));
    expect(result).toBe('candidate');
    expect(after.attempts).toMatchObject([{ id: 'a1', candidate: { sealed: 'sealed:late' } }]);
  });

  it('after the revoke was confirmed keeps nothing: those tokens were ended with the others', () => {
    const late = { ...inState('revoked'), attempts: [buildAttempt({ status: 'lost' })] };
    const { after } = finish(late, tokens());
    expect(after.connection?.state).toBe('revoked');
    expect(after.attempts).toEqual([]);
  });

  it('of an unknown attempt does nothing', () => {
    expect(finish(buildAggregate(), tokens())).toMatchObject({ result: 'duplicate', changes: {} });
  });
});

describe('a refresh that Concur may have carried out, although its answer does not tell', () => {
  const hidden = failed('transient', { reason: 'provider-unavailable', mayHaveRotated: true });
  const after = () => finish(open(), hidden).after;

  it('is lost at once, and holds back nobody', () => {
    expect(after().attempts).toMatchObject([{ id: 'a1', status: 'lost' }]);
    expect(openUntil(after().attempts, NOW_MS + SECOND)).toBeNull();
    expect(begin(after(), { attemptId: 'a2', nowMs: NOW_MS + MINUTE }).result.decision).toBe('call');
  });

  it('makes the 108 that follows a lost rotation, not a disconnect by the customer', () => {
    const again = begin(after(), { attemptId: 'a2', nowMs: NOW_MS + MINUTE }).after;
    const end = finish(again, dead, { attemptId: 'a2', nowMs: NOW_MS + 2 * MINUTE }).after;
    expect(end.connection).toMatchObject({ state: 'reauthorization-required', reason: 'rotation-lost' });
  });

  it('is forgotten by the first success a day later, and when younger ones say the same', () => {
    const lost = (id: string, ageMs: number) =>
      buildAttempt({ id, status: 'lost', startedAtMs: NOW_MS - ageMs, horizonAtMs: NOW_MS - ageMs + 190 * SECOND });
    const attempts = [lost('new', HOUR), lost('old', DAY), lost('older', 2 * DAY)];
    const begun = begin(buildAggregate({ attempts })).after;
    expect(begun.attempts.map(({ id }) => id)).toEqual(['a1', 'new']);
    expect(begin(buildAggregate({ attempts: [lost('only', 9 * DAY)] })).after.attempts).toHaveLength(2);
    const old = buildAggregate({ attempts: [buildAttempt(), lost('old', DAY)] });
    expect(finish(old, tokens()).after.attempts).toEqual([]);
  });
});

describe('after a time-out, a 503 or a Retry-After', () => {
  const wait = (verdict: Parameters<typeof buildVerdict>[1], outcome: 'transient' | 'maintenance' = 'transient') => {
    const paused = finish(open(), failed(outcome, verdict)).after;
    return (cause: RefreshCause, afterMs: number) =>
      begin(paused, { attemptId: 'a2', cause, nowMs: NOW_MS + SECOND + afterMs }).result.decision;
  };

  it.each(['due', 'fresh', 'forced', 'rejected'] as const)('nobody calls, however it is asked for: %s', (cause) => {
    for (const decide of [
      wait({ slow: true }),
      wait({ slow: true, pauseMs: SECOND }),
      wait({ slow: true }, 'maintenance'),
    ]) {
      expect(decide(cause, 5 * MINUTE - 1)).not.toBe('call');
      expect(decide(cause, 6 * MINUTE)).toBe('call');
    }
    const asked = wait({ pauseMs: HOUR });
    expect(asked(cause, HOUR - 1)).not.toBe('call');
    expect(asked(cause, HOUR + 5 * MINUTE)).toBe('call');
  });

  it('a maintenance is no failure, however often it is told', () => {
    const { after } = finish(open(), failed('maintenance', { slow: true }));
    expect(after.connection).toMatchObject({ state: 'retrying', failureCount: 0 });
    const pauseMs = (after.connection?.nextActionAtMs ?? 0) - NOW_MS - SECOND;
    expect(pauseMs).toBeGreaterThanOrEqual(5 * MINUTE);
    expect(pauseMs).toBeLessThanOrEqual(5.25 * MINUTE);
  });
});

describe('finishing a refresh without tokens', () => {
  it('keeps the attempt open to a late answer when the outcome is unknown', () => {
    const { after } = finish(open(), failed('uncertain', { slow: true }));
    expect(after.connection).toMatchObject({ state: 'retrying', failureCount: 1 });
    expect(after.attempts).toMatchObject([{ status: 'uncertain' }]);
    expect(openUntil(after.attempts, NOW_MS + 2 * SECOND)).toBe(NOW_MS + 190 * SECOND);
  });

  it('counts an unknown outcome once, however often it is told', () => {
    const once = finish(open(), failed('uncertain')).after;
    expect(finish(once, failed('uncertain'))).toMatchObject({ result: 'duplicate', changes: {} });
  });

  it('gives the attempt up as lost when the horizon has passed', () => {
    const uncertain = finish(open(), failed('uncertain')).after;
    const end = finish(uncertain, failed('uncertain'), { nowMs: NOW_MS + 190 * SECOND }).after;
    expect(end.attempts).toMatchObject([{ status: 'lost' }]);
    expect(end.connection).toEqual(uncertain.connection);
  });

  it('does not speak of a token that is no longer in use', () => {
    const { result, after } = finish(open({ versionRead: 0 }), dead);
    expect(result).toBe('failed');
    expect(after.connection).toEqual(buildConnection());
    expect(after.grant.current?.refused).toBe(false);
  });

  it('called dead tries the previous token next, at once', () => {
    const before = buildAggregate({
      grant: { current: buildToken('a0'), previous: buildToken('b') },
      attempts: [buildAttempt()],
    });
    const { after } = finish(before, dead);
    expect(after.connection).toMatchObject({ state: 'retrying', nextActionAtMs: NOW_MS + SECOND });
    expect(after.grant).toMatchObject({ current: { refused: true }, previous: { refused: false } });
    expect(begin(after, { attemptId: 'a2', nowMs: NOW_MS + SECOND }).result).toMatchObject({
      token: { attemptId: 'b' },
    });
  });

  it('is death when every token on file was refused', () => {
    const before = buildAggregate({
      grant: { current: buildToken('a0'), previous: buildToken('b', { refused: true }) },
      attempts: [buildAttempt()],
    });
    const { after } = finish(before, dead);
    expect(after.connection).toMatchObject({ state: 'reauthorization-required', reason: 'bad-refresh-token' });
    expect(after.grant.current?.sealed).toBe('sealed:a0');
  });

  it('is not death while another attempt may still answer', () => {
    const other = buildAttempt({ id: 'other', horizonAtMs: NOW_MS + MINUTE });
    const { after } = finish(buildAggregate({ attempts: [other, buildAttempt()] }), dead);
    expect(after.connection).toMatchObject({ state: 'retrying', nextActionAtMs: NOW_MS + MINUTE });
  });

  it('is death after all when that attempt never answered: no token is left to ask with', () => {
    const other = buildAttempt({ id: 'other', horizonAtMs: NOW_MS + MINUTE });
    const waiting = finish(buildAggregate({ attempts: [other, buildAttempt()] }), dead).after;
    const { result, after } = begin(waiting, { attemptId: 'a3', nowMs: NOW_MS + MINUTE });
    expect(result.decision).toBe('adopted');
    expect(after.connection).toMatchObject({ state: 'reauthorization-required', reason: 'rotation-lost' });
  });

  it('names the lost rotation when an earlier answer of the same token was lost', () => {
    const lost = buildAttempt({ id: 'other', status: 'lost' });
    const { after } = finish(buildAggregate({ attempts: [buildAttempt(), lost] }), dead);
    expect(after.connection).toMatchObject({ state: 'reauthorization-required', reason: 'rotation-lost' });
  });

  it('by a code that needs confirming still asks the previous token before it is death', () => {
    const unknown = failed('dead', { reason: 'principal-unknown', confirmAfterMs: HOUR });
    const grant = { current: buildToken('a0'), previous: buildToken('b') };
    const suspected = buildConnection({ state: 'suspended', suspectedSinceMs: NOW_MS - 2 * HOUR });
    const first = finish(buildAggregate({ connection: suspected, grant, attempts: [buildAttempt()] }), unknown).after;
    expect(first.connection).toMatchObject({ state: 'retrying', nextActionAtMs: NOW_MS + SECOND });
    const second = finish({ ...first, attempts: [buildAttempt({ id: 'a2', tokenAttemptId: 'b' })] }, unknown, {
      attemptId: 'a2',
    }).after;
    expect(second.connection).toMatchObject({ state: 'reauthorization-required', reason: 'principal-unknown' });
  });

  it('proves a revoke when Concur knows the grant no more', () => {
    const { after, changes } = finish(
      { ...inState('revoking'), attempts: [buildAttempt(), buildAttempt({ id: 'lost', status: 'lost' })] },
      dead,
    );
    expect(after.connection?.state).toBe('revoked');
    expect(after.grant).toEqual({ current: null, previous: null });
    expect(changes.accessToken).toBeNull();
    expect(after.attempts).toEqual([]);
  });
});

it('a revoke of a connection whose tokens are all refused is proven without a call', () => {
  const grant = { current: buildToken('a0', { refused: true }), previous: null };
  const { after } = begin({ ...inState('revoking'), grant }, { cause: 'revoke' });
  expect(after.connection?.state).toBe('revoked');
  expect(after.grant.current).toBeNull();
});

it('every decision leaves the aggregate that it was given as it was', () => {
  const before = open();
  const copy: Aggregate = structuredClone(before);
  const decisions: Decision<unknown>[] = [begin(before), finish(before, tokens()), finish(before, dead)];
  expect(decisions).toHaveLength(3);
  expect(before).toEqual(copy);
});
