import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../core/connection.ts';
import { type ActivityWorld, createActivityWorld } from '../simulation/activity-world.ts';
import {
  buildAggregate,
  buildAttempt,
  buildConnection,
  eu2,
  HOUR,
  KEY,
  NOW_MS,
  SECOND,
} from '../simulation/builders.ts';
import { refusal, silence, success, tokens } from '../simulation/scripted-concur.ts';

let world: ActivityWorld;

beforeEach(() => {
  world = createActivityWorld();
});

function connect(connection: Partial<Connection> = {}, attempts: Parameters<typeof buildAttempt>[0][] = []): void {
  const revoking = buildConnection({ state: 'revoking', reason: 'left', ...connection });
  world.connect(buildAggregate({ connection: revoking, attempts: attempts.map(buildAttempt) }));
}

const start = (attemptId = 'r1') => world.activities.revokeConnection({ ...KEY, attemptId });
const revoke = (attemptId?: string) => world.clock.run(start(attemptId));
const refresh = (attemptId: string) =>
  world.clock.run(world.activities.refreshTokens({ ...KEY, attemptId, cause: 'revoke', expectedVersion: null }));

describe('a revoke', () => {
  it('uses the access token on file, and leaves no token behind', async () => {
    connect({ dataCentre: eu2.name });
    world.concur.script('revokeConnection', success(null, { correlationId: 'corr-1' }));
    expect((await revoke())?.connection).toMatchObject({ state: 'revoked', reason: 'left' });
    expect(world.concur.calls).toMatchObject([{ dataCentre: 'eu2', token: 'access-0' }]);
    expect(world.store.one(KEY)).toMatchObject({ grant: { current: null, previous: null }, attempts: [] });
    expect((await world.store.maybeAccessToken(KEY))?.token).toBeNull();
    expect(world.store.trail(KEY)).toMatchObject([{ type: 'connection.revoked', correlationId: 'corr-1' }]);
  });

  it('with a stale access token calls nobody: a refresh comes first', async () => {
    connect({ accessTokenExpiresAtMs: NOW_MS + SECOND });
    expect((await revoke())?.connection).toMatchObject({ state: 'revoking', accessTokenExpiresAtMs: null });
    world.concur.script('refreshTokens', tokens({ accessToken: 'access-new' }));
    expect((await refresh('a1'))?.connection).toMatchObject({ state: 'revoking', nextActionAtMs: NOW_MS });
    world.concur.script('revokeConnection', success(null));
    expect((await revoke('r2'))?.connection.state).toBe('revoked');
    expect(world.concur.sent('revokeConnection')).toEqual(['access-new']);
  });

  it.each([401, 403, 404])('that Concur answers with %i is verified by a refresh: 108 is success', async (status) => {
    connect();
    world.concur.script('revokeConnection', refusal({ status }));
    expect((await revoke())?.connection).toMatchObject({ state: 'revoking', nextActionAtMs: NOW_MS });
    world.concur.script('refreshTokens', refusal({ code: 108 }));
    expect((await refresh('a1'))?.connection.state).toBe('revoked');
    expect(world.store.one(KEY).grant.current).toBeNull();
  });

  it('that Concur answers with 108 itself is confirmed', async () => {
    connect();
    world.concur.script('revokeConnection', refusal({ code: 108 }));
    expect((await revoke())?.connection.state).toBe('revoked');
  });

  it('is tried again later when Concur is away', async () => {
    connect();
    world.concur.script('revokeConnection', refusal({ status: 503, retryAfterMs: HOUR }));
    expect((await revoke())?.connection).toMatchObject({
      state: 'revoking',
      nextActionAtMs: NOW_MS + HOUR,
      failureCount: 1,
    });
  });

  it('that takes too long says so, and is tried again', async () => {
    connect();
    world.concur.script('revokeConnection', silence(180 * SECOND));
    const work = start();
    await world.clock.advance(76 * SECOND);
    expect(world.store.one(KEY).connection.lastError?.code).toBe('provider-timeout');
    expect((await world.clock.run(work))?.connection.failureCount).toBe(1);
  });

  it('that is answered late is confirmed all the same', async () => {
    connect();
    world.concur.script('revokeConnection', success(null, { afterMs: 100 * SECOND }));
    expect((await revoke())?.connection.state).toBe('revoked');
  });

  it('waits for a call that may still bring tokens', async () => {
    connect({}, [{ id: 'zombie' }]);
    expect((await revoke())?.openUntilMs).toBe(NOW_MS + 190 * SECOND);
    expect(world.concur.calls).toEqual([]);
  });

  it('does nothing when none is asked for', async () => {
    connect({ state: 'active' });
    expect((await revoke())?.connection.state).toBe('active');
    expect(world.concur.calls).toEqual([]);
  });

  it('of a process that was frozen before sending is not sent: a new connection may have been made since', async () => {
    connect();
    const opened = world.vault.open;
    world.vault.open = async (...args) => {
      await world.clock.sleep(11 * SECOND);
      return await opened(...args);
    };
    expect((await revoke())?.connection.lastError?.code).toBe('frozen-before-sending');
    expect(world.concur.calls).toEqual([]);
  });
});
