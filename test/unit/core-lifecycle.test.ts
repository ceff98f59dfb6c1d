/** The loop of a connection. Longer than 300 lines: each step and each interruption has its case. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from '../../core/connection.ts';
import { createInbox, type Wish } from '../../core/inbox.ts';
import { decideStep, standstillPauseMs } from '../../core/lifecycle.ts';
import type { Aggregate } from '../../core/aggregate.ts';
import { type ActivityWorld, createActivityWorld, sealAnswer } from '../simulation/activity-world.ts';
import {
  buildAggregate,
  buildAttempt,
  buildConnecting,
  buildConnection,
  buildSession,
  DAY,
  HOUR,
  KEY,
  MINUTE,
  NOW_MS,
  SECOND,
  snapshotOf,
} from '../simulation/builders.ts';
import { refusal, silence, success, tokens } from '../simulation/scripted-concur.ts';
import { busiest, startLifecycle } from '../simulation/virtual-host.ts';

const soon = NOW_MS + MINUTE;
const pause: Wish = { kind: 'command', name: 'pause', actor: 'operator', reason: null };
const forced: Wish = { kind: 'forced' };

function step(
  connection: Partial<Connection>,
  more: { wishes?: Wish[]; pending?: Partial<Aggregate>; notBeforeMs?: number } = {},
) {
  const inbox = createInbox();
  for (const wish of more.wishes ?? []) inbox.push(wish).isLoaded = true;
  const snapshot = snapshotOf(
    buildAggregate({ connection: buildConnection({ nextActionAtMs: soon, ...connection }), ...more.pending }),
  );
  return decideStep(snapshot, inbox, NOW_MS, { notBeforeMs: more.notBeforeMs ?? 0 });
}

describe('the next step', () => {
  it('is sleep until the deadline when nothing is due', () => {
    expect(step({})).toEqual({ do: 'sleep', untilMs: soon });
    expect(step({ state: 'reauthorization-required', nextActionAtMs: null })).toEqual({ do: 'sleep', untilMs: null });
  });

  it('is the refresh that is due', () => {
    expect(step({ nextActionAtMs: NOW_MS })).toMatchObject({
      do: 'refresh',
      cause: 'due',
      expectedVersion: 1,
      entry: null,
    });
  });

  it('is a command before everything else', () => {
    expect(step({ nextActionAtMs: NOW_MS }, { wishes: [forced, pause] })).toMatchObject({
      do: 'command',
      order: { name: 'pause' },
    });
  });

  it('is the end for a connection that ended, unless a connect waits', () => {
    expect(step({ state: 'revoked' })).toEqual({ do: 'end' });
    expect(step({ state: 'connect-failed' }, { pending: { sessions: [buildSession()] } })).toMatchObject({
      do: 'exchange',
    });
  });

  it('is what is due before what somebody asked for, and that before a connect', () => {
    const pending = { sessions: [buildSession()] };
    expect(step({ nextActionAtMs: NOW_MS }, { wishes: [forced], pending })).toMatchObject({
      do: 'refresh',
      cause: 'due',
    });
    expect(step({}, { wishes: [forced], pending })).toMatchObject({ do: 'refresh', cause: 'forced' });
    expect(step({}, { pending })).toMatchObject({ do: 'exchange', sessionId: 's1' });
  });

  it('names the version that the reader found stale', () => {
    expect(step({ version: 3 }, { wishes: [{ kind: 'fresh', version: 3 }] })).toMatchObject({
      cause: 'fresh',
      expectedVersion: 3,
    });
    expect(step({ version: 3 }, { wishes: [{ kind: 'rejected', version: null }] })).toMatchObject({
      cause: 'rejected',
      expectedVersion: 3,
    });
  });

  it('is no call while one may still be answered, though forced', () => {
    const pending = { attempts: [buildAttempt({ horizonAtMs: NOW_MS + SECOND })], sessions: [buildSession()] };
    expect(step({ nextActionAtMs: NOW_MS }, { wishes: [forced], pending })).toEqual({
      do: 'sleep',
      untilMs: NOW_MS + SECOND,
    });
  });

  it('is no refresh while Concur asked for a pause, but an exchange may go', () => {
    const paused = { pausedUntilMs: NOW_MS + SECOND, nextActionAtMs: NOW_MS };
    expect(step(paused, { wishes: [forced] })).toEqual({ do: 'sleep', untilMs: NOW_MS + SECOND });
    expect(step(paused, { pending: { sessions: [buildSession()] } })).toMatchObject({ do: 'exchange' });
  });

  it('is no call before our own breakdown has had its pause', () => {
    const pending = { sessions: [buildSession()] };
    expect(step({ nextActionAtMs: NOW_MS }, { notBeforeMs: NOW_MS + SECOND, pending })).toEqual({
      do: 'sleep',
      untilMs: NOW_MS + SECOND,
    });
  });

  it('is the connect that is due, although an older one waits for hours', () => {
    const sessions = [buildSession({ id: 's1', nextTryAtMs: NOW_MS + HOUR }), buildSession({ id: 's2' })];
    expect(step({}, { pending: { sessions } })).toMatchObject({ do: 'exchange', sessionId: 's2' });
  });

  describe('of a revoke', () => {
    const revoking = { state: 'revoking', nextActionAtMs: NOW_MS } as const;

    it('is the DELETE with a live access token, a refresh without', () => {
      expect(step(revoking)).toMatchObject({ do: 'revoke' });
      expect(step({ ...revoking, accessTokenExpiresAtMs: NOW_MS + 2 * SECOND })).toMatchObject({
        do: 'refresh',
        cause: 'revoke',
      });
      expect(step({ ...revoking, accessTokenExpiresAtMs: null })).toMatchObject({ do: 'refresh', cause: 'revoke' });
    });

    it('waits for its time', () => {
      expect(step({ ...revoking, nextActionAtMs: soon })).toEqual({ do: 'sleep', untilMs: soon });
    });

    it('looks first at the answer of an exchange that is on file', () => {
      const attempts = [buildAttempt({ kind: 'exchange', status: 'received', sessionId: 's1', answer: 'x' })];
      const pending = { attempts, sessions: [buildSession({ nextTryAtMs: soon })] };
      expect(step(revoking, { pending })).toMatchObject({ do: 'exchange', sessionId: 's1' });
    });
  });
});

it('the pause after a standstill doubles up to five minutes', () => {
  expect([1, 2, 3, 8, 9, 10, 2_000].map(standstillPauseMs)).toEqual([
    1_000, 2_000, 4_000, 128_000, 256_000, 300_000, 300_000,
  ]);
});

describe('the life of a connection', () => {
  let world: ActivityWorld;
  beforeEach(() => {
    world = createActivityWorld();
  });
  const state = () => world.store.one(KEY).connection.state;

  it('begins with the exchange, and refreshes a warm token once an hour', async () => {
    world.connect(buildConnecting());
    world.concur.always('exchangeRequestToken', () => tokens());
    world.concur.always('fetchPrincipal', () =>
      success({ id: KEY.principal, type: 'company', name: 'Muster AG', domain: null }),
    );
    world.concur.always('refreshTokens', () => tokens());
    const run = startLifecycle(world);
    const entry = run.wish({ kind: 'connect', sessionId: 's1' });
    await world.clock.advance(SECOND);
    expect(entry.settled).toBe(true);
    expect(state()).toBe('active');
    await world.clock.advance(110 * MINUTE);
    expect(world.concur.sent('refreshTokens')).toHaveLength(2);
  });

  it('of a new connection reads the row in the exchange, and reads it again after a breakdown', async () => {
    world.connect(buildConnecting());
    world.concur.always('exchangeRequestToken', () => tokens());
    world.concur.always('fetchPrincipal', () =>
      success({ id: KEY.principal, type: 'company', name: 'Muster AG', domain: null }),
    );
    const whole = startLifecycle(world);
    const entry = whole.wish({ kind: 'connect', sessionId: 's1', isNew: true });
    await world.clock.advance(SECOND);
    expect(entry.settled).toBe(true);
    expect(state()).toBe('active');
    expect(whole.steps.map((one) => one.do)).toEqual(['exchange', 'sleep']);

    const broken = createActivityWorld();
    broken.connect(buildConnecting());
    broken.concur.always('exchangeRequestToken', () => tokens());
    vi.spyOn(broken.activities, 'exchangeRequestToken').mockRejectedValueOnce(new Error('a bug of ours'));
    broken.concur.always('fetchPrincipal', () =>
      success({ id: KEY.principal, type: 'company', name: 'Muster AG', domain: null }),
    );
    const run = startLifecycle(broken);
    const waiting = run.wish({ kind: 'connect', sessionId: 's1', isNew: true });
    await broken.clock.advance(5 * SECOND);
    expect(waiting.settled).toBe(true);
    expect(broken.store.one(KEY).connection.state).toBe('active');
    expect(run.steps.map((one) => one.do)).toEqual(['exchange', 'load', 'sleep', 'exchange', 'sleep']);
    expect(broken.concur.sent('exchangeRequestToken')).toHaveLength(1);
  });

  it('of nobody that exists is over at once', async () => {
    const run = startLifecycle(world);
    await world.clock.advance(1);
    expect(run.end()).toBe('unknown-connection');
  });

  it('that nobody reads costs thirteen refreshes a year, and lives', async () => {
    world.connect(buildAggregate());
    world.concur.always('refreshTokens', () => tokens({ refreshToken: null }));
    const run = startLifecycle(world);
    await world.clock.advance(365 * DAY);
    expect(state()).toBe('active');
    // The first was due before the two hours of warmth were over.
    expect(world.concur.sent('refreshTokens').length).toBeLessThanOrEqual(15);
    expect(busiest(run.steps, SECOND)).toBeLessThan(4);
  });

  it('ends with the revoke, confirmed', async () => {
    world.connect(buildAggregate());
    world.concur.script('revokeConnection', success(null));
    const run = startLifecycle(world);
    const entry = run.wish({ kind: 'command', name: 'revoke', actor: 'operator', reason: 'left' });
    await world.clock.advance(SECOND);
    expect(entry.settled).toBe(true);
    expect(state()).toBe('revoked');
    expect(run.end()).toBe('ended');
  });

  it('goes on after a time-out at the horizon at the earliest, and five minutes later as Concur asks', async () => {
    world.connect(buildAggregate({ connection: buildConnection({ nextActionAtMs: NOW_MS }) }));
    world.concur.script('refreshTokens', silence(180 * SECOND), tokens());
    startLifecycle(world);
    await world.clock.advance(80 * SECOND);
    expect(state()).toBe('retrying');
    await world.clock.advance(10 * MINUTE);
    expect(state()).toBe('active');
    const [first, second] = world.concur.calls;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(5 * MINUTE);
  });

  it('tries a second connect although the first waits for hours, and without going round', async () => {
    world.connect(
      buildConnecting({ sessions: [buildSession(), buildSession({ id: 's2', nextTryAtMs: NOW_MS + MINUTE })] }),
    );
    world.concur.script('exchangeRequestToken', refusal({ status: 500 }), tokens());
    world.concur.always('fetchPrincipal', () => refusal({ status: 500 }));
    const run = startLifecycle(world);
    await world.clock.advance(2 * MINUTE);
    expect(state()).toBe('active');
    expect(busiest(run.steps, SECOND)).toBeLessThan(6);
  });

  it('never lets a revoke that is refused again and again go round without a pause', async () => {
    world.connect(buildAggregate());
    world.concur.always('revokeConnection', () => refusal({ status: 403 }));
    world.concur.always('refreshTokens', () => tokens());
    const run = startLifecycle(world);
    run.wish({ kind: 'command', name: 'revoke', actor: 'operator', reason: null });
    await world.clock.advance(HOUR);
    expect(state()).toBe('revoking');
    expect(world.concur.sent('revokeConnection').length).toBeLessThan(12);
  });

  it('never lets a revoke go round when Concur gives tokens that are dead at once', async () => {
    world.connect(buildAggregate({ connection: buildConnection({ accessTokenExpiresAtMs: null }) }));
    world.concur.always('refreshTokens', () => tokens({ expiresInSeconds: 0 }));
    const run = startLifecycle(world);
    run.wish({ kind: 'command', name: 'revoke', actor: 'operator', reason: null });
    await world.clock.advance(MINUTE);
    expect(world.concur.sent('refreshTokens').length).toBeLessThan(15);
  });

  it('takes a breakdown of a call for a pause, not for an end', async () => {
    world.connect(buildAggregate({ connection: buildConnection({ nextActionAtMs: NOW_MS }) }));
    world.vault.isReady = false;
    world.concur.always('refreshTokens', () => tokens());
    const run = startLifecycle(world);
    await world.clock.advance(MINUTE);
    expect(run.breakdowns).toHaveLength(6);
    world.vault.isReady = true;
    await world.clock.advance(5 * MINUTE);
    expect(world.store.one(KEY).connection.version).toBe(2);
  });

  it('waits with a revoke for an exchange that died, then finds nothing to revoke', async () => {
    const exchange = buildAttempt({ kind: 'exchange', sessionId: 's1', versionRead: 0 });
    world.connect(buildConnecting({ attempts: [exchange] }));
    const run = startLifecycle(world);
    run.wish({ kind: 'command', name: 'revoke', actor: 'operator', reason: null });
    await world.clock.advance(3 * MINUTE);
    expect(state()).toBe('revoking');
    await world.clock.advance(MINUTE);
    expect(run.end()).toBe('ended');
    expect(state()).toBe('revoked');
  });

  it('finishes an exchange whose answer was on file when the revoke came, and revokes what it brought', async () => {
    const answer = await sealAnswer(world, 'a1', tokens({ accessToken: 'access-9' }));
    const received = buildAttempt({ kind: 'exchange', status: 'received', sessionId: 's1', versionRead: 0, answer });
    world.connect(buildConnecting({ attempts: [received] }));
    world.concur.always('fetchPrincipal', () => refusal({ status: 500 }));
    world.concur.script('revokeConnection', success(null));
    const run = startLifecycle(world);
    run.wish({ kind: 'command', name: 'revoke', actor: 'operator', reason: null });
    await world.clock.advance(MINUTE);
    expect(run.end()).toBe('ended');
    expect(world.concur.sent('revokeConnection')).toEqual(['access-9']);
  });

  it('revokes what a frozen process obtained after its session was over', async () => {
    const answer = await sealAnswer(world, 'a1', tokens({ accessToken: 'access-9', refreshToken: 'refresh-9' }));
    const orphan = buildAttempt({ kind: 'exchange', status: 'received', sessionId: 's9', versionRead: 0, answer });
    const connection = buildConnection({ nextActionAtMs: NOW_MS + HOUR });
    world.connect(buildAggregate({ connection, attempts: [orphan] }));
    world.concur.always('fetchPrincipal', () => refusal({ status: 500 }));
    world.concur.always('revokeConnection', () => success(null));
    const run = startLifecycle(world);
    await world.clock.advance(SECOND * 30);
    // Beside a living connection it overwrites nothing, and is kept in case it is the one that lives on.
    expect(world.store.one(KEY)).toMatchObject({
      connection: { version: 1, state: 'active' },
      attempts: [{ id: 'a1', candidate: { attemptId: 'a1' } }],
    });
    run.wish({ kind: 'command', name: 'revoke', actor: 'operator', reason: null });
    await world.clock.advance(MINUTE);
    expect(run.end()).toBe('ended');
    expect(state()).toBe('revoked');
  });

  it('pauses after a call that breaks down, however much it changed, and tells whoever waits for it', async () => {
    world.connect(buildAggregate({ connection: buildConnection({ nextActionAtMs: NOW_MS + HOUR }) }));
    let calls = 0;
    world.activities.refreshTokens = async () => {
      calls += 1;
      await world.store.transact(KEY, ({ connection }) => {
        if (connection === null) throw new Error('no connection');
        return {
          result: null,
          changes: { connection: { ...connection, failureCount: connection.failureCount + 1 } },
        };
      });
      throw new Error('a defect after the save');
    };
    const run = startLifecycle(world);
    const entry = run.wish(forced);
    await world.clock.advance(10 * MINUTE);
    expect(calls).toBeLessThan(12);
    expect(entry.settled).toBe(true);
    expect(busiest(run.steps, SECOND)).toBeLessThan(10);
  });
});
