import { describe, expect, it } from 'vitest';
import { type Aggregate, applyChanges } from '../../core/aggregate.ts';
import {
  applyCommand,
  beginRevoke,
  type CommandName,
  finishRevoke,
  type FinishRevoke,
} from '../../core/command-transaction.ts';
import {
  buildAggregate,
  buildAttempt,
  buildConnecting,
  buildConnection,
  buildNewConnection,
  buildSession,
  buildToken,
  buildVerdict,
  HOUR,
  MINUTE,
  NOW_MS,
  SECOND,
  times,
} from '../simulation/builders.ts';

function command(aggregate: Aggregate, name: CommandName) {
  const decision = applyCommand(aggregate, { ...times, name, actor: 'operator', reason: 'asked for' });
  return { ...decision, after: applyChanges(aggregate, decision.changes) };
}

function begin(aggregate: Aggregate, { hasAccessToken = true, nowMs = NOW_MS } = {}) {
  const decision = beginRevoke(aggregate, { ...times, nowMs, attemptId: 'r1', hasAccessToken });
  return { ...decision, after: applyChanges(aggregate, decision.changes) };
}

function finish(aggregate: Aggregate, outcome: FinishRevoke['outcome']) {
  const decision = finishRevoke(aggregate, { ...times, attemptId: 'r1', outcome });
  return { ...decision, after: applyChanges(aggregate, decision.changes) };
}

const confirmed = { kind: 'confirmed', correlationId: 'corr-1' } as const;
const failed = (...verdict: Parameters<typeof buildVerdict>) =>
  ({ kind: 'failure', verdict: buildVerdict(...verdict), correlationId: null }) as const;
const revoking = (overrides: Partial<Aggregate> = {}) =>
  buildAggregate({ connection: buildConnection({ state: 'revoking' }), ...overrides });

describe('a command', () => {
  it('for an unknown connection does nothing', () => {
    expect(command({ ...buildConnecting(), connection: null }, 'revoke')).toMatchObject({ result: null, changes: {} });
  });

  it.each(['pause', 'revoke'] as const)('%s given twice changes nothing the second time', (name) => {
    const once = command(buildAggregate(), name);
    expect(once.changes.events).toHaveLength(1);
    const twice = command(once.after, name);
    expect(twice.after).toEqual(once.after);
    expect(twice.changes.events ?? []).toEqual([]);
  });
});

describe('a revoke that is asked for', () => {
  it('stops reads at once and shreds request tokens and candidates', () => {
    const before = buildAggregate({
      attempts: [buildAttempt({ status: 'done', candidate: buildToken('a1') })],
      sessions: [buildSession()],
    });
    const { after, changes } = command(before, 'revoke');
    expect(after.connection?.state).toBe('revoking');
    expect(after.attempts).toEqual([]);
    expect(changes.sessions).toMatchObject([{ status: 'failed', failure: 'connection-revoked', requestToken: null }]);
  });

  it('is done when there is nothing to revoke', () => {
    const { after } = command(buildConnecting(), 'revoke');
    expect(after.connection).toMatchObject({ state: 'revoked', nextActionAtMs: null });
    expect(after.sessions).toEqual([]);
  });

  it.each(['open', 'received'] as const)(
    'waits for an exchange that is %s, whose tokens are to be revoked, and for no other',
    (status) => {
      const exchange = buildAttempt({ kind: 'exchange', status, sessionId: 's1', tokenAttemptId: null, answer: null });
      const before = buildConnecting({
        attempts: [exchange],
        sessions: [buildSession({ nextTryAtMs: NOW_MS + HOUR }), buildSession({ id: 's2' })],
      });
      const { after, changes } = command(before, 'revoke');
      expect(after.connection?.state).toBe('revoking');
      expect(after.sessions).toMatchObject([{ id: 's1', requestToken: null, nextTryAtMs: exchange.horizonAtMs }]);
      expect(changes.sessions).toMatchObject([{ id: 's1' }, { id: 's2', status: 'failed', requestToken: null }]);
    },
  );

  it('during a refresh gives up every connect that waits', () => {
    const { after } = command(buildAggregate({ attempts: [buildAttempt()], sessions: [buildSession()] }), 'revoke');
    expect(after.sessions).toEqual([]);
  });
});

describe('beginning the revoke at Concur', () => {
  it('puts the intent on file', () => {
    const { result, after } = begin(revoking());
    expect(result).toMatchObject({ decision: 'call', withinMs: HOUR });
    expect(after.attempts).toMatchObject([{ id: 'r1', kind: 'revoke', status: 'open' }]);
  });

  it('wants a live access token', () => {
    expect(begin(revoking(), { nowMs: NOW_MS + HOUR - SECOND }).result.decision).toBe('refresh-first');
    const missing = begin(revoking(), { hasAccessToken: false });
    expect(missing.result.decision).toBe('refresh-first');
    // So that whoever decides by the row sees it too.
    expect(missing.after.connection?.accessTokenExpiresAtMs).toBeNull();
  });

  it('waits for a call that may still answer', () => {
    const { result } = begin(revoking({ attempts: [buildAttempt({ horizonAtMs: NOW_MS + MINUTE })] }));
    expect(result).toEqual({ decision: 'wait', untilMs: NOW_MS + MINUTE });
  });

  it('is confirmed without a call when no token was ever obtained', () => {
    const lost = buildAttempt({ kind: 'exchange', status: 'lost', sessionId: 's1' });
    const { result, after } = begin(
      revoking({
        connection: buildNewConnection({ state: 'revoking' }),
        grant: { current: null, previous: null },
        attempts: [lost],
      }),
    );
    expect(result.decision).toBe('settled');
    expect(after.connection?.state).toBe('revoked');
    expect(after.attempts).toEqual([]);
  });

  it('is not confirmed while the answer of an exchange waits on file with tokens in it', () => {
    const received = buildAttempt({ kind: 'exchange', status: 'received', sessionId: 's1', answer: 'sealed:answer' });
    const { result, after } = begin(
      revoking({
        connection: buildNewConnection({ state: 'revoking' }),
        grant: { current: null, previous: null },
        attempts: [received],
      }),
    );
    expect(result.decision).toBe('settled');
    expect(after.connection?.state).toBe('revoking');
  });

  it('is settled when nothing is to be revoked any more', () => {
    expect(begin(buildAggregate())).toMatchObject({ result: { decision: 'settled' }, changes: {} });
  });
});

describe('finishing the revoke', () => {
  const called = () => begin(revoking()).after;

  it('ends the connection and deletes every token', () => {
    const { after, changes } = finish(called(), confirmed);
    expect(after.connection).toMatchObject({ state: 'revoked', nextActionAtMs: null });
    expect(after).toMatchObject({ grant: { current: null, previous: null }, attempts: [] });
    expect(changes.accessToken).toBeNull();
    expect(changes.events).toMatchObject([{ type: 'connection.revoked', correlationId: 'corr-1' }]);
  });

  it('takes "bad refresh token" for a confirmation', () => {
    expect(finish(called(), failed('revoked', { concurCode: 108 })).after.connection?.state).toBe('revoked');
  });

  it('that was refused has no access token any more and is proven by a refresh', () => {
    const { after, changes } = finish(called(), failed('transient', { reason: 'revoke-unverified' }));
    expect(after.connection).toMatchObject({ state: 'revoking', accessTokenExpiresAtMs: null, nextActionAtMs: NOW_MS });
    expect(changes.accessToken).toBeNull();
    expect(begin(after).result.decision).toBe('refresh-first');
  });

  it('that met trouble keeps its access token for the next try', () => {
    const { after, changes } = finish(called(), failed('transient'));
    expect(after.connection).toMatchObject({ state: 'revoking', accessTokenExpiresAtMs: NOW_MS + HOUR });
    expect('accessToken' in changes).toBe(false);
    expect(after.attempts).toEqual([]);
  });

  it('twice changes nothing the second time', () => {
    const once = finish(called(), confirmed).after;
    expect(finish(once, confirmed)).toMatchObject({ changes: {} });
  });

  it.each([confirmed, failed('transient', { reason: 'revoke-unverified' })])(
    'that comes too late ($kind) does not touch the life after it',
    (outcome) => {
      const reconnected = buildAggregate({ attempts: [buildAttempt({ id: 'r1', kind: 'revoke', status: 'lost' })] });
      const { after, changes } = finish(reconnected, outcome);
      expect(after).toEqual({ ...reconnected, attempts: [] });
      expect('accessToken' in changes).toBe(false);
    },
  );
});
