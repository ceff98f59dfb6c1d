import { describe, expect, it } from 'vitest';
import { applyChanges, type AppTrouble } from '../../core/aggregate.ts';
import { applyCommand } from '../../core/command-transaction.ts';
import type { ConnectionState } from '../../core/connection.ts';
import { beginExchange } from '../../core/exchange-transaction.ts';
import { finishExchange } from '../../core/finish-exchange.ts';
import { beginRefresh, finishRefresh, type RefreshCause } from '../../core/refresh-transaction.ts';
import {
  buildAggregate,
  buildAttempt,
  buildConnecting,
  buildConnection,
  buildFacts,
  buildVerdict,
  HOUR,
  MINUTE,
  NOW_MS,
  SECOND,
  times,
} from '../simulation/builders.ts';

const refused = { reason: 'client-secret-wrong', concurCode: 64, scope: 'app', slow: true, alarm: true } as const;
const trouble = (overrides: Partial<AppTrouble> = {}): AppTrouble => ({
  dataCentre: 'us2',
  failures: 2,
  reason: 'client-secret-wrong',
  concurCode: 64,
  sinceMs: NOW_MS - MINUTE,
  ...overrides,
});
/** The long timer of a blocked connection, in case nobody wakes it. */
const inAQuarter = expect.closeTo(NOW_MS + 15 * MINUTE, -5);
const begin = (aggregate = buildAggregate(), cause: RefreshCause = 'due') =>
  beginRefresh(aggregate, { ...times, attemptId: 'a1', cause, expectedVersion: 1 });
const finish = (aggregate: ReturnType<typeof buildAggregate>, more: { readonly dataCentre?: string } = {}) =>
  finishRefresh(aggregate, {
    ...times,
    attemptId: 'a1',
    outcome: { kind: 'failure', verdict: buildVerdict('app-blocked', refused), correlationId: 'corr-1', ...more },
  });
const calling = (appTroubles: readonly AppTrouble[] = [], connection = buildConnection()) =>
  buildAggregate({ connection, attempts: [buildAttempt()], appTroubles });

describe("an answer about the app's own credentials", () => {
  it('blocks the connection that got it, which asks again within seconds when nobody else was told so', () => {
    const { changes } = finish(calling());
    expect(changes.connection).toMatchObject({ state: 'blocked', nextActionAtMs: NOW_MS + 2 * SECOND });
    expect(changes.appTrouble).toEqual({
      kind: 'refused',
      dataCentre: 'us2',
      reason: 'client-secret-wrong',
      concurCode: 64,
      atMs: NOW_MS,
      blocks: false,
    });
  });

  it('blocks the app in that data centre when it is the second', () => {
    const { changes } = finish(calling([trouble({ failures: 1 })]));
    expect(changes.appTrouble).toMatchObject({ kind: 'refused', blocks: true });
    expect(changes.connection).toMatchObject({ state: 'blocked', nextActionAtMs: inAQuarter });
  });

  it('is asked about in haste once only, however often the same connection hears it', () => {
    const { changes } = finish(calling([], buildConnection({ failureCount: 1 })));
    expect(changes.connection).toMatchObject({ state: 'blocked', nextActionAtMs: inAQuarter });
  });

  it('counts where it was given, which after a move is another data centre', () => {
    expect(finish(calling(), { dataCentre: 'eu2' }).changes.appTrouble).toMatchObject({ dataCentre: 'eu2' });
  });

  it('counts although somebody else has saved newer tokens meanwhile', () => {
    const { changes } = finish(calling([], buildConnection({ version: 2 })));
    expect(changes.appTrouble).toMatchObject({ kind: 'refused' });
    expect(changes.connection).toBeUndefined();
  });

  it('of any other kind is on no record of the app', () => {
    for (const outcome of ['malformed', 'suspended', 'transient', 'dead'] as const) {
      const { changes } = finishRefresh(calling(), {
        ...times,
        attemptId: 'a1',
        outcome: { kind: 'failure', verdict: buildVerdict(outcome, { scope: 'app' }), correlationId: null },
      });
      expect(changes.appTrouble).toBeUndefined();
    }
  });

  it('is forgotten with the next success there', () => {
    const saved = finishRefresh(calling([trouble({ failures: 1 })]), {
      ...times,
      attemptId: 'a1',
      outcome: {
        kind: 'tokens',
        facts: buildFacts(),
        accessToken: 'sealed:access',
        refreshToken: 'sealed:new',
        correlationId: null,
      },
    });
    expect(saved.changes.appTrouble).toEqual({ kind: 'cleared', dataCentre: 'us2' });
  });

  it('takes no use of a request token, which Concur has not looked at', () => {
    const aggregate = buildConnecting();
    const begun = beginExchange(aggregate, { ...times, attemptId: 'a1', sessionId: 's1' });
    const { changes } = finishExchange(applyChanges(aggregate, begun.changes), {
      ...times,
      attemptId: 'a1',
      outcome: {
        kind: 'failure',
        verdict: buildVerdict('app-blocked', refused),
        sent: true,
        correlationId: null,
        dataCentre: 'glz',
      },
    });
    expect(changes.sessions).toMatchObject([{ status: 'completed', uses: 0, nextTryAtMs: NOW_MS + 2 * SECOND }]);
    expect(changes.appTrouble).toMatchObject({ kind: 'refused', dataCentre: 'glz' });
  });
});

describe('somebody who says that the credentials work again', () => {
  const waiting = buildAggregate({
    connection: buildConnection({ state: 'blocked', resumeState: 'active' }),
    appTroubles: [trouble()],
  });
  const say = (actor: string) =>
    applyCommand(waiting, { ...times, name: 'app-restored', actor, reason: null }).changes.appTrouble;

  it('is taken at his word, so that this connection finds out', () => {
    expect(say('operator')).toEqual({ kind: 'cleared', dataCentre: 'us2' });
  });

  it('is not the guardian, which has found out before: what is on file by now is newer', () => {
    expect(say('app-guardian')).toBeUndefined();
  });
});

describe('while the app is blocked in a data centre', () => {
  const blocked = (state: ConnectionState = 'active', more = {}) =>
    buildAggregate({ connection: buildConnection({ state, ...more }), appTroubles: [trouble()] });

  it.each<RefreshCause>(['due', 'fresh', 'rejected'])('a refresh (%s) is blocked without a call', (cause) => {
    const { result, changes } = begin(
      blocked('active', { nextActionAtMs: NOW_MS, accessTokenSentAtMs: NOW_MS - HOUR }),
      cause,
    );
    expect(result).toEqual({ decision: 'app-blocked' });
    expect(changes.attempts).toBeUndefined();
    expect(changes.connection).toMatchObject({
      state: 'blocked',
      reason: 'client-secret-wrong',
      resumeState: 'active',
      nextActionAtMs: inAQuarter,
      lastError: { code: 'client-secret-wrong', concurCode: 64 },
    });
    expect(changes.events).toMatchObject([{ type: 'connection.blocked', stateFrom: 'active', stateTo: 'blocked' }]);
  });

  it('a connection that is blocked already leaves no further trace', () => {
    const lastError = { code: 'client-secret-wrong', concurCode: 64, atMs: NOW_MS, correlationId: null };
    const { result, changes } = begin(
      blocked('blocked', { nextActionAtMs: NOW_MS, reason: 'client-secret-wrong', lastError }),
    );
    expect(result).toEqual({ decision: 'app-blocked' });
    expect(changes.events).toEqual([]);
  });

  it('connections of another data centre call as ever, and so they do after a single answer', () => {
    const elsewhere = buildConnection({ dataCentre: 'eu2', nextActionAtMs: NOW_MS });
    expect(begin(buildAggregate({ connection: elsewhere, appTroubles: [trouble()] })).result.decision).toBe('call');
    const here = buildConnection({ nextActionAtMs: NOW_MS });
    const once = buildAggregate({ connection: here, appTroubles: [trouble({ failures: 1 })] });
    expect(begin(once).result.decision).toBe('call');
  });

  it('a Connect waits, without a use, until the app is not blocked any more', () => {
    const aggregate = buildConnecting({ appTroubles: [trouble({ dataCentre: 'glz' })] });
    const { result, changes } = beginExchange(aggregate, { ...times, attemptId: 'a1', sessionId: 's1' });
    expect(result).toEqual({ decision: 'app-blocked' });
    expect(changes).toEqual({ sessions: [{ ...aggregate.sessions[0], nextTryAtMs: NOW_MS + MINUTE }] });
  });

  it('a revoke that must refresh first waits, and goes on when the credentials work again', () => {
    const revoking = blocked('revoking', { nextActionAtMs: NOW_MS, accessTokenExpiresAtMs: null });
    const { changes } = begin(revoking, 'revoke');
    expect(changes.connection).toMatchObject({ state: 'revoking', nextActionAtMs: inAQuarter });
    const waiting = applyChanges(revoking, changes);
    const restored = applyCommand(waiting, { ...times, name: 'app-restored', actor: 'app-guardian', reason: null });
    expect(restored.changes.connection).toMatchObject({ state: 'revoking', nextActionAtMs: NOW_MS });
  });
});
