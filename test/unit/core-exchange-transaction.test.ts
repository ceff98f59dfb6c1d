/** The transactions around an exchange. Longer than 300 lines: each situation has its case. */
import { describe, expect, it } from 'vitest';
import { type Aggregate, applyChanges } from '../../core/aggregate.ts';
import { acceptConnect, beginExchange, receiveExchange } from '../../core/exchange-transaction.ts';
import { type ExchangeOutcome, finishExchange } from '../../core/finish-exchange.ts';
import {
  buildAggregate,
  buildAttempt,
  buildConnecting,
  buildConnection,
  buildFacts,
  buildNewConnection,
  buildSession,
  buildToken,
  buildVerdict,
  DAY,
  HOUR,
  identity,
  KEY,
  MINUTE,
  NOW_MS,
  SECOND,
  times,
} from '../simulation/builders.ts';

function begin(aggregate: Aggregate, { nowMs = NOW_MS, attemptId = 'a1', sessionId = 's1' } = {}) {
  const decision = beginExchange(aggregate, { ...times, nowMs, attemptId, sessionId });
  return { ...decision, after: applyChanges(aggregate, decision.changes) };
}

function finish(aggregate: Aggregate, outcome: ExchangeOutcome, { nowMs = NOW_MS + SECOND, attemptId = 'a1' } = {}) {
  const decision = finishExchange(aggregate, { ...times, nowMs, attemptId, outcome });
  return { ...decision, after: applyChanges(aggregate, decision.changes) };
}

const tokens: ExchangeOutcome = {
  kind: 'tokens',
  facts: buildFacts(),
  identity,
  accessToken: 'sealed:access',
  refreshToken: 'sealed:refresh',
  correlationId: 'corr-1',
  dataCentre: 'glz',
};
function failed(verdict: Parameters<typeof buildVerdict>, sent = true): ExchangeOutcome {
  return { kind: 'failure', verdict: buildVerdict(...verdict), sent, correlationId: null, dataCentre: 'glz' };
}
const dead = failed(['dead', { reason: 'request-token-rejected', concurCode: 136 }]);
const refused: ExchangeOutcome = {
  kind: 'refused',
  reason: 'identity-mismatch',
  disposal: 'revoked',
  correlationId: null,
};
const called = (aggregate = buildConnecting()) => begin(aggregate).after;

describe('a completed landing page', () => {
  const accept = (aggregate: Aggregate) =>
    acceptConnect(aggregate, {
      ...times,
      key: KEY,
      sessionId: 's1',
      actor: 'concur-admin',
      newConnectionId: 'c9',
      principalType: 'company',
    });

  it('makes a connection that is connecting, with the customer the session names', () => {
    const { result, changes } = accept({
      ...buildConnecting(),
      connection: null,
      sessions: [buildSession({ customerRef: 'ref-1' })],
    });
    expect(result).toMatchObject({ ...KEY, id: 'c9', state: 'connecting', version: 0, customerRef: 'ref-1' });
    expect(changes.events).toMatchObject([
      { type: 'connect.accepted', actor: 'concur-admin', userId: 'user-1', stateTo: 'connecting' },
    ]);
  });

  it('leaves a living connection untouched', () => {
    expect(accept(buildAggregate({ sessions: [buildSession()] })).result).toEqual(buildConnection());
  });

  it('gives a revoked connection a new life under the same id and version', () => {
    const revoked = buildConnection({ state: 'revoked', version: 8 });
    expect(accept(buildAggregate({ connection: revoked })).result).toMatchObject({
      id: 'c1',
      version: 8,
      state: 'connecting',
    });
  });
});

describe('beginning an exchange', () => {
  it('counts the use and spreads the next before the call', () => {
    const { result, after } = begin(buildConnecting());
    expect(result).toMatchObject({ decision: 'call', requestToken: 'sealed:request-token', userId: 'user-1' });
    expect(after.sessions).toMatchObject([{ uses: 1, nextTryAtMs: NOW_MS + 5 * MINUTE }]);
    expect(after.attempts).toMatchObject([
      { kind: 'exchange', status: 'open', sessionId: 's1', horizonAtMs: NOW_MS + 190 * SECOND },
    ]);
  });

  it('uses the token at 0, 5 minutes, 1, 6 and 20 hours, and never a sixth time', () => {
    let aggregate = buildConnecting();
    const usedAt: number[] = [];
    for (let nowMs = NOW_MS; aggregate.sessions[0] !== undefined; nowMs = aggregate.sessions[0]?.nextTryAtMs ?? nowMs) {
      const { result, after } = begin(aggregate, { nowMs, attemptId: `a${nowMs}` });
      if (result.decision === 'call') usedAt.push(nowMs - NOW_MS);
      aggregate = after;
    }
    expect(usedAt).toEqual([0, 5 * MINUTE, HOUR, 6 * HOUR, 20 * HOUR]);
    expect(aggregate.connection).toMatchObject({ state: 'connect-failed', reason: 'request-token-rejected' });
  });

  it('gives up soon after a last use that never reported back, not a day later', () => {
    const { after } = begin(buildConnecting({ sessions: [buildSession({ uses: 4, nextTryAtMs: NOW_MS })] }));
    expect(after.sessions[0]?.nextTryAtMs).toBe(NOW_MS + 190 * SECOND);
  });

  it('waits for its time, and for a call that may still answer', () => {
    expect(begin(buildConnecting({ sessions: [buildSession({ nextTryAtMs: NOW_MS + 1 })] })).result).toEqual({
      decision: 'wait',
      untilMs: NOW_MS + 1,
    });
    const busy = buildConnecting({ attempts: [buildAttempt()] });
    expect(begin(busy).result).toEqual({ decision: 'wait', untilMs: NOW_MS + 190 * SECOND });
  });

  it('goes on from an answer that is on file, whatever else is open', () => {
    const received = buildAttempt({
      id: 'a0',
      kind: 'exchange',
      status: 'received',
      sessionId: 's1',
      answer: 'sealed:answer',
    });
    const { result, changes } = begin(buildConnecting({ attempts: [buildAttempt({ id: 'x' }), received] }));
    expect(result).toMatchObject({ decision: 'resume', attempt: { id: 'a0' }, userId: 'user-1' });
    expect(changes).toEqual({});
  });

  it('is settled for a session that is over or unknown', () => {
    expect(begin(buildConnecting({ sessions: [] }))).toMatchObject({ result: { decision: 'settled' }, changes: {} });
    expect(begin(buildConnecting({ connection: null })).result.decision).toBe('settled');
  });

  it('gives up a request token that is too old', () => {
    const { result, after, changes } = begin(buildConnecting(), { nowMs: NOW_MS + DAY });
    expect(result.decision).toBe('settled');
    expect(after.connection).toMatchObject({ state: 'connect-failed', reason: 'request-token-rejected' });
    expect(changes.sessions).toMatchObject([
      { status: 'failed', failure: 'request-token-rejected', requestToken: null },
    ]);
  });

  it('gives up when a revoke has taken its request token', () => {
    const inState = (state: 'revoking' | 'revoked') =>
      begin(
        buildConnecting({
          connection: buildConnection({ state }),
          sessions: [buildSession({ requestToken: null })],
        }),
      ).changes;
    for (const state of ['revoking', 'revoked'] as const) {
      expect(inState(state).sessions).toMatchObject([{ failure: 'connection-revoked', requestToken: null }]);
      expect(inState(state).connection?.state).toBe(state);
    }
  });

  it('that was asked for after a revoke waits for its end, and then begins a new life', () => {
    const revoking = buildConnection({ state: 'revoking', nextActionAtMs: NOW_MS + MINUTE });
    expect(begin(buildConnecting({ connection: revoking }))).toMatchObject({
      result: { decision: 'wait', untilMs: NOW_MS + MINUTE },
      changes: {},
    });
    const { result, changes } = begin(buildConnecting({ connection: buildConnection({ state: 'revoked' }) }));
    expect(result).toMatchObject({ decision: 'call', connection: { state: 'connecting' } });
    expect(changes).toMatchObject({ connection: { state: 'connecting' }, sessions: [{ uses: 1 }] });
    expect(changes.events).toMatchObject([{ type: 'connect.accepted', stateFrom: 'revoked', stateTo: 'connecting' }]);
  });
});

describe('an answer that came', () => {
  it('is on file before anything is done with it', () => {
    const decision = receiveExchange(called(), { attemptId: 'a1', answer: 'sealed:answer' });
    expect(decision.result).toBe(true);
    expect(decision.changes.attempts).toMatchObject([{ id: 'a1', status: 'received', answer: 'sealed:answer' }]);
  });

  it('for an attempt that is over is not wanted', () => {
    expect(receiveExchange(buildConnecting(), { attemptId: 'a1', answer: 'x' })).toEqual({
      result: false,
      changes: {},
    });
  });
});

describe('finishing an exchange with tokens', () => {
  it('makes the connection active and shreds the request token', () => {
    const { result, after, changes } = finish(called(), tokens);
    expect(result).toBe('connected');
    expect(after.connection).toMatchObject({ state: 'active', version: 1 });
    expect(after.grant).toEqual({
      current: { sealed: 'sealed:refresh', attemptId: 'a1', refused: false },
      previous: null,
    });
    expect(changes.sessions).toMatchObject([{ status: 'connected', failure: null, requestToken: null }]);
    expect(after.attempts).toEqual([]);
  });

  it('twice changes nothing the second time', () => {
    expect(finish(finish(called(), tokens).after, tokens)).toMatchObject({ result: 'duplicate', changes: {} });
  });

  it('overwrites a living connection in place and keeps the old grant as previous', () => {
    const { after } = finish(called(buildAggregate({ sessions: [buildSession()] })), tokens);
    expect(after.connection).toMatchObject({ id: 'c1', version: 2, state: 'active' });
    expect(after.grant).toMatchObject({ current: { attemptId: 'a1' }, previous: buildToken('a0') });
  });

  it('overtakes other connects, so that none of them undoes a later disconnect', () => {
    const two = buildConnecting({ sessions: [buildSession({ id: 's0', nextTryAtMs: NOW_MS + HOUR }), buildSession()] });
    const { after, changes } = finish(called(two), tokens);
    expect(after.sessions).toEqual([]);
    expect(changes.sessions?.map(({ requestToken }) => requestToken)).toEqual([null, null]);
  });

  it('leaves another connect that has its answer on file to be looked at', () => {
    const received = buildAttempt({
      id: 'a0',
      kind: 'exchange',
      status: 'received',
      sessionId: 's0',
      answer: 'sealed:answer',
    });
    const two = buildConnecting({ attempts: [received], sessions: [buildSession({ id: 's0' }), buildSession()] });
    const { after } = finish(called(two), tokens);
    expect(after.sessions.map(({ id }) => id)).toEqual(['s0']);
    expect(after.attempts.map(({ id }) => id)).toEqual(['a0']);
  });
});

describe('finishing an exchange without a connection', () => {
  it('that Concur refused for good fails the connect', () => {
    const { after, changes } = finish(called(), dead);
    expect(after.connection).toMatchObject({ state: 'connect-failed', reason: 'request-token-rejected' });
    expect(changes.sessions).toMatchObject([
      { status: 'failed', failure: 'request-token-rejected', requestToken: null },
    ]);
  });

  it('is tried again later when the trouble may pass, no earlier than Concur asked for', () => {
    const { after } = finish(called(), failed(['transient']));
    expect(after.connection?.state).toBe('connecting');
    expect(after.sessions).toMatchObject([{ uses: 1, nextTryAtMs: NOW_MS + 5 * MINUTE }]);
    expect(finish(called(), failed(['transient', { pauseMs: HOUR }])).after.sessions).toMatchObject([
      { nextTryAtMs: NOW_MS + SECOND + HOUR },
    ]);
  });

  it('costs no use when the request never left', () => {
    expect(finish(called(), failed(['transient'], false)).after.sessions).toMatchObject([
      { uses: 0, nextTryAtMs: NOW_MS + 16 * SECOND },
    ]);
  });

  it('after the fifth use is final', () => {
    const last = called(buildConnecting({ sessions: [buildSession({ uses: 4 })] }));
    expect(finish(last, failed(['transient', { reason: 'provider-unavailable' }])).after.connection).toMatchObject({
      state: 'connect-failed',
      reason: 'provider-unavailable',
    });
  });

  it('of unknown outcome stays open for a late answer, even after the fifth use', () => {
    const last = called(buildConnecting({ sessions: [buildSession({ uses: 4 })] }));
    const { after } = finish(last, failed(['uncertain']));
    expect(after.connection?.state).toBe('connecting');
    expect(after.attempts).toMatchObject([{ status: 'uncertain' }]);
    expect(finish(after, tokens).after.connection?.state).toBe('active');
  });

  it('of unknown outcome is counted once, however often it is told', () => {
    const once = finish(called(), failed(['uncertain'])).after;
    expect(finish(once, failed(['uncertain']))).toMatchObject({ result: 'duplicate', changes: {} });
  });

  it('says what became of tokens that could not be used', () => {
    const { after, changes } = finish(called(), refused);
    expect(after.connection).toMatchObject({ state: 'connect-failed', reason: 'identity-mismatch' });
    expect(changes.events).toMatchObject([{ type: 'connect.failed', reason: 'identity-mismatch:revoked' }]);
    expect(changes.sessions).toMatchObject([{ failure: 'identity-mismatch' }]);
  });

  it.each([
    ['dead', dead],
    ['refused', refused],
  ] as const)('for a living connection, %s, touches nothing but its session', (_, outcome) => {
    const living = called(buildAggregate({ sessions: [buildSession()] }));
    const { after } = finish(living, outcome);
    expect(after.connection).toEqual(buildConnection());
    expect(after.grant).toEqual(living.grant);
    expect(after.sessions).toEqual([]);
  });

  it('leaves the connection connecting while another connect waits its turn', () => {
    const two = buildConnecting({ sessions: [buildSession(), buildSession({ id: 's2' })] });
    const first = finish(called(two), dead).after;
    expect(first.connection?.state).toBe('connecting');
    const second = finish(begin(first, { attemptId: 'a2', sessionId: 's2' }).after, tokens, { attemptId: 'a2' });
    expect(second.after.connection?.state).toBe('active');
  });

  it('gives up one of two connects without giving up the other', () => {
    const two = buildConnecting({ sessions: [buildSession({ expiresAtMs: NOW_MS }), buildSession({ id: 's2' })] });
    expect(begin(two).after.connection?.state).toBe('connecting');
  });

  it('that cannot leave the machine is not recorded every time beside a living connection', () => {
    const living = called(buildAggregate({ sessions: [buildSession()] }));
    expect(finish(living, failed(['transient'], false)).changes.events).toEqual([]);
    const late = called(buildAggregate({ sessions: [buildSession({ expiresAtMs: NOW_MS + 10 * SECOND })] }));
    expect(finish(late, failed(['transient'], false)).changes.events).toMatchObject([{ type: 'connect.failed' }]);
  });

  it('when a revoke has come meanwhile is not tried again', () => {
    const session = buildSession({ requestToken: null, nextTryAtMs: NOW_MS });
    const revoking = buildAggregate({
      connection: buildNewConnection({ state: 'revoking' }),
      grant: { current: null, previous: null },
      attempts: [buildAttempt({ kind: 'exchange', sessionId: 's1', tokenAttemptId: null })],
      sessions: [session],
    });
    expect(finish(revoking, failed(['transient'])).after.sessions).toEqual([]);
  });
});
