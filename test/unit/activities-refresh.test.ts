/** The refresh as an activity. Longer than 300 lines: each answer of Concur in each situation has its case. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { RefreshInput } from '../../activities/refresh.ts';
import type { Aggregate } from '../../core/aggregate.ts';
import type { Connection } from '../../core/connection.ts';
import { AppError } from '../../core/errors.ts';
import { maybeCargo, ofConnection } from '../../core/lifeboat.ts';
import { Secret } from '../../core/secret.ts';
import { type ActivityWorld, createActivityWorld, refreshTokenOnFile } from '../simulation/activity-world.ts';
import {
  buildAggregate,
  buildApp,
  buildAttempt,
  buildConnection,
  buildToken,
  eu2,
  HOUR,
  KEY,
  MINUTE,
  NOW_MS,
  SECOND,
} from '../simulation/builders.ts';
import { failure, refusal, silence, tokens, unreachable } from '../simulation/scripted-concur.ts';

let world: ActivityWorld;

beforeEach(() => {
  world = createActivityWorld();
});

function connect(connection: Partial<Connection> = {}, more: Partial<Aggregate> = {}): void {
  world.connect(buildAggregate({ connection: buildConnection(connection), ...more }));
}

function start(input: Partial<RefreshInput> = {}) {
  return world.activities.refreshTokens({ ...KEY, attemptId: 'a1', cause: 'due', expectedVersion: 1, ...input });
}

const refresh = (input?: Partial<RefreshInput>) => world.clock.run(start(input));
const row = () => world.store.one(KEY);

describe('a refresh', () => {
  it('sends the token on file, saves what comes back, and tells what is due next', async () => {
    connect();
    world.concur.script(
      'refreshTokens',
      tokens({ refreshToken: 'refresh-1', accessToken: 'access-1' }, { afterMs: SECOND }),
    );
    const snapshot = await refresh();
    expect(world.concur.calls).toMatchObject([{ dataCentre: 'us2', token: 'refresh-0' }]);
    expect(refreshTokenOnFile(world)).toBe('refresh-1');
    expect(row()).toMatchObject({
      connection: { version: 2, state: 'active' },
      attempts: [],
      grant: { previous: { attemptId: 'a0' } },
    });
    expect(snapshot?.connection).toEqual(row().connection);
    expect(snapshot?.openUntilMs).toBeNull();
  });

  it('counts the life of the access token from the moment of sending', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({ expiresInSeconds: 600 }, { afterMs: 30 * SECOND }));
    await refresh();
    expect(row().connection).toMatchObject({
      accessTokenSentAtMs: NOW_MS,
      accessTokenExpiresAtMs: NOW_MS + 10 * MINUTE,
    });
  });

  it('puts the access token on file, sealed for this connection and attempt', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({ accessToken: 'access-1' }));
    await refresh();
    const stored = await world.store.maybeAccessToken(KEY);
    expect(stored?.token?.sealed).toBe(world.vault.sealed('access-1', 'access_tokens:c1:a1'));
  });

  it('keeps the stored token when Concur returns none, or the same', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({ refreshToken: null }), tokens({ refreshToken: 'refresh-0' }));
    await refresh();
    expect(refreshTokenOnFile(world)).toBe('refresh-0');
    await refresh({ attemptId: 'a2', cause: 'forced', expectedVersion: 2 });
    expect(refreshTokenOnFile(world)).toBe('refresh-0');
    expect(row().connection.version).toBe(3);
  });

  it('calls nobody when a newer version is on file', async () => {
    connect({ version: 2 });
    expect((await refresh())?.connection.version).toBe(2);
    expect(world.concur.calls).toEqual([]);
  });

  it('is postponed to the keep-alive when nobody reads any more', async () => {
    connect({ lastReadAtMs: NOW_MS - 3 * HOUR });
    const snapshot = await refresh();
    expect(world.concur.calls).toEqual([]);
    expect(snapshot?.upkeep).toBe('idle');
    expect(snapshot?.connection.nextActionAtMs).toBeGreaterThan(NOW_MS + 20 * 24 * HOUR);
  });

  it('waits for an attempt that may still answer, and says until when', async () => {
    connect({}, { attempts: [buildAttempt({ id: 'zombie' })] });
    expect((await refresh({ cause: 'forced' }))?.openUntilMs).toBe(NOW_MS + 190 * SECOND);
    expect(world.concur.calls).toEqual([]);
  });

  it('of an unknown connection is nothing', async () => {
    expect(await refresh()).toBeNull();
  });

  it('is not begun without a data key in memory', async () => {
    connect();
    world.vault.isReady = false;
    await expect(refresh()).rejects.toThrow('no data key');
    expect(row().attempts).toEqual([]);
  });

  it('records missing scopes, and the data centre that the tenant moved to', async () => {
    world = createActivityWorld({ app: buildApp({ requiredScopes: ['openid', 'EXPRPT'] }) });
    connect();
    world.concur.script('refreshTokens', tokens({ geolocation: eu2 }));
    await refresh();
    expect(row().connection).toMatchObject({ dataCentre: 'eu2', geolocation: eu2.baseUri, missingScopes: ['EXPRPT'] });
    expect(world.store.trail(KEY)).toMatchObject([{ type: 'connection.moved', reason: 'us2 to eu2' }]);
    world.concur.script('refreshTokens', tokens());
    await refresh({ attemptId: 'a2', cause: 'forced', expectedVersion: 2 });
    expect(world.concur.calls[1]?.dataCentre).toBe('eu2');
  });

  it.each([
    ['none', null],
    ['a foreign one', 'foreign' as const],
  ])('with %s as geolocation saves the tokens and stays where it was', async (_, geolocation) => {
    connect();
    world.concur.script('refreshTokens', tokens({ geolocation, geolocationRaw: 'https://evil.example' }));
    await refresh();
    expect(row().connection).toMatchObject({ version: 2, dataCentre: 'us2' });
    expect(world.logged.some((line) => line.includes('refused a geolocation'))).toBe(geolocation === 'foreign');
  });

  it('takes the end of the refresh token as Concur says, else six months from the answer', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({ refreshExpiresAtMs: NOW_MS + 5 }), tokens({}, { afterMs: SECOND }));
    await refresh();
    expect(row().connection.refreshTokenExpiresAtMs).toBe(NOW_MS + 5);
    await refresh({ attemptId: 'a2', cause: 'forced', expectedVersion: 2 });
    expect(row().connection.refreshTokenExpiresAtMs).toBe(NOW_MS + SECOND + 180 * 24 * HOUR);
  });

  it('is counted with outcome, duration and lateness', async () => {
    connect({ nextActionAtMs: NOW_MS - 7 * SECOND });
    world.concur.script('refreshTokens', tokens({}, { afterMs: 2 * SECOND }), refusal({ code: 53 }));
    await refresh();
    await refresh({ attemptId: 'a2', cause: 'forced', expectedVersion: 2 });
    expect(world.observer.seen.refreshed.flat()).toEqual([
      { app: 'demo', dataCentre: 'us2', outcome: 'ok', durationMs: 2 * SECOND, latenessMs: 7 * SECOND },
      { app: 'demo', dataCentre: 'us2', outcome: 'suspended', durationMs: 0, latenessMs: null },
    ]);
  });

  it('that has failed for a day, by a code that nobody knows, alarms an operator', async () => {
    const levels = async (sinceMs: number) => {
      connect({ state: 'retrying', stateSinceMs: sinceMs });
      world.logged.length = 0;
      world.concur.script('refreshTokens', refusal({ code: 9_999 }));
      await refresh({ attemptId: `at-${sinceMs}` });
      return world.logged.map((line) => JSON.parse(line).level);
    };
    expect(await levels(world.clock.now() - HOUR)).toEqual(['warn']);
    expect(await levels(world.clock.now() - 25 * HOUR)).toEqual(['error']);
  });

  it('leaves no secret in the log', async () => {
    connect();
    world.concur.script('refreshTokens', refusal({ code: 64 }), tokens({ accessToken: 'access-1' }));
    await refresh();
    await refresh({ attemptId: 'a2', cause: 'forced' });
    expect(world.logged.length).toBeGreaterThan(1);
    expect(world.logged.join()).not.toMatch(/refresh-[01]|access-[01]|hunter2/);
  });
});

describe('a refresh that is refused', () => {
  it('for the whole app blocks the connection and ends nothing', async () => {
    connect();
    world.concur.script('refreshTokens', refusal({ code: 64 }, { correlationId: 'corr-9' }));
    expect((await refresh())?.connection).toMatchObject({
      state: 'blocked',
      resumeState: 'active',
      lastError: { code: 'client-secret-wrong', concurCode: 64, correlationId: 'corr-9' },
    });
  });

  it('as a bad token tries the previous one, each once, and only then is death', async () => {
    connect({}, { grant: { current: buildToken('a0'), previous: buildToken('before') } });
    world.concur.always('refreshTokens', () => refusal({ code: 108 }));
    expect((await refresh())?.connection.state).toBe('retrying');
    expect((await refresh({ attemptId: 'a2' }))?.connection.state).toBe('reauthorization-required');
    await refresh({ attemptId: 'a3', cause: 'forced' });
    expect(world.concur.sent('refreshTokens')).toEqual(['refresh-0', 'refresh-before']);
  });

  it('that never left may be tried again in seconds', async () => {
    connect();
    world.concur.script('refreshTokens', unreachable());
    const snapshot = await refresh();
    expect(snapshot?.openUntilMs).toBeNull();
    expect(snapshot?.connection.nextActionAtMs).toBeLessThan(NOW_MS + 3 * SECOND);
  });
});

describe('a refresh that takes too long', () => {
  it('is called uncertain at the time-out, and its late answer is saved all the same', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({ refreshToken: 'late' }, { afterMs: 120 * SECOND }));
    const work = start();
    await world.clock.advance(75 * SECOND);
    expect(row()).toMatchObject({ connection: { state: 'retrying', version: 1 }, attempts: [{ status: 'uncertain' }] });
    expect(world.observer.seen.uncertain).toHaveLength(1);
    const snapshot = await world.clock.run(work);
    expect(snapshot?.connection).toMatchObject({ state: 'active', version: 2, failureCount: 0 });
    expect(refreshTokenOnFile(world)).toBe('late');
  });

  it('is counted as one failure when no answer comes at all', async () => {
    connect();
    world.concur.script('refreshTokens', silence(180 * SECOND));
    const snapshot = await refresh();
    expect(snapshot?.connection).toMatchObject({ state: 'retrying', failureCount: 1 });
    expect(snapshot?.openUntilMs).toBe(NOW_MS + 190 * SECOND);
  });

  it('keeps what came although the version moved on, as a candidate', async () => {
    connect();
    world.concur.script(
      'refreshTokens',
      tokens({ refreshToken: 'slow' }, { afterMs: 500 * SECOND }),
      tokens({ refreshToken: 'quick' }),
    );
    const frozen = start();
    // Past the horizon, and past the five minutes that Concur asks for after a time-out.
    await world.clock.advance(400 * SECOND);
    await refresh({ attemptId: 'a2', cause: 'forced' });
    await world.clock.run(frozen);
    expect(refreshTokenOnFile(world)).toBe('quick');
    expect(row().attempts).toMatchObject([{ id: 'a1', status: 'done', candidate: { attemptId: 'a1' } }]);
  });

  it('leaves no timer behind', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({}, { afterMs: SECOND }));
    await refresh();
    expect(world.clock.sleepers()).toBe(0);
  });
});

it('an answer without an access token keeps its refresh token, which may be the only one alive', async () => {
  connect();
  const half = {
    kind: 'malformed',
    status: 200,
    what: 'no-access-token',
    refreshToken: new Secret('refresh-1'),
  } as const;
  world.concur.script('refreshTokens', failure(half), refusal({ code: 108 }), tokens({ refreshToken: 'refresh-2' }));
  expect((await refresh())?.connection.state).toBe('retrying');
  expect(JSON.stringify(row().attempts)).not.toContain('refresh-1');
  await world.clock.advance(10 * MINUTE);
  await refresh({ attemptId: 'a2' });
  await world.clock.advance(10 * MINUTE);
  expect((await refresh({ attemptId: 'a3' }))?.connection).toMatchObject({ state: 'active', version: 2 });
  expect(world.concur.sent('refreshTokens')).toEqual(['refresh-0', 'refresh-0', 'refresh-1']);
  expect(refreshTokenOnFile(world)).toBe('refresh-2');
});

describe('saving what came back', () => {
  it('is repeated while the database is away', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({ refreshToken: 'refresh-1' }, { afterMs: SECOND }));
    const work = start();
    await world.clock.advance(500);
    world.databaseIsAway = true;
    await world.clock.advance(5 * MINUTE);
    expect(world.observer.seen.saveFailed.length).toBeGreaterThan(50);
    world.databaseIsAway = false;
    expect((await world.clock.run(work))?.connection.version).toBe(2);
    expect(refreshTokenOnFile(world)).toBe('refresh-1');
  });

  it('is left to whoever finds the sealed answer, when this process never gets to it', async () => {
    connect();
    world.concur.script('refreshTokens', tokens({ refreshToken: 'refresh-1' }, { afterMs: SECOND }));
    const zombie = start();
    await world.clock.advance(500);
    world.databaseIsAway = true;
    await world.clock.advance(5 * MINUTE);
    const cargo = ofConnection(maybeCargo(JSON.parse(JSON.stringify(world.carried[0]))));
    if (cargo === null) throw new Error('nothing was brought to safety');
    expect(JSON.stringify(cargo)).not.toMatch(/refresh-1|access-1/);

    world.databaseIsAway = false;
    await world.activities.saveTokens({ ...KEY, cargo });
    expect(row().connection).toMatchObject({ version: 2, state: 'active' });
    expect(refreshTokenOnFile(world)).toBe('refresh-1');
    // The process was not dead after all: it finds its work done.
    expect((await world.clock.run(zombie))?.connection.version).toBe(2);
    await world.activities.saveTokens({ ...KEY, cargo });
    expect(row().connection.version).toBe(2);
  });

  it('is done once, though the first commit was not heard of', async () => {
    let unheard = 0;
    world = createActivityWorld({ hooks: { committed: () => failAt(2) } });
    const failAt = (commit: number): void => {
      unheard += 1;
      if (unheard === commit) throw new AppError('database-unavailable', 'the line was cut after the commit');
    };
    connect();
    world.concur.script('refreshTokens', tokens());
    expect((await refresh())?.connection.version).toBe(2);
    expect(unheard).toBe(3);
  });

  it('comes before a failure to note that it took long', async () => {
    let transactions = 0;
    world = createActivityWorld({
      hooks: {
        before: () => {
          transactions += 1;
          if (transactions === 2) throw new Error('a defect');
        },
      },
    });
    connect();
    world.concur.script('refreshTokens', tokens({ refreshToken: 'late' }, { afterMs: 100 * SECOND }));
    await refresh();
    expect(refreshTokenOnFile(world)).toBe('late');
  });
});

describe('a process', () => {
  it('that was frozen before sending does not send', async () => {
    world = createActivityWorld({ hooks: { committed: () => world.clock.sleep(11 * SECOND) } });
    connect();
    const opened = world.vault.open;
    world.vault.open = async (...args) => {
      await world.clock.sleep(11 * SECOND);
      return await opened(...args);
    };
    expect((await refresh())?.connection.lastError?.code).toBe('frozen-before-sending');
    expect(world.concur.calls).toEqual([]);
  });

  it('that cannot open the token says so, and leaves no attempt open', async () => {
    connect({ id: 'another' });
    world.store.put({ ...row(), connection: buildConnection() });
    await refresh();
    expect(world.concur.calls).toEqual([]);
    expect(row()).toMatchObject({
      connection: { state: 'retrying', lastError: { code: 'vault-failed' } },
      attempts: [],
    });
  });
});

describe('a grant of the flow of before 2017 that Concur refuses', () => {
  const legacyError = failure({
    ...{ kind: 'answer', status: 200, concurCode: null, oauthError: null, retryAfterMs: null, geolocation: null },
    providerCode: 'LEGACY_ERROR',
  });
  const grantEnds = (atMs: number, accessAtMs = atMs) =>
    connect({
      principalType: 'legacy-user',
      accessTokenExpiresAtMs: accessAtMs,
      refreshTokenExpiresAtMs: atMs,
    });
  const refused = async (attemptId: string) => {
    world.concur.script('refreshLegacyToken', legacyError);
    await refresh({ attemptId, cause: 'forced', expectedVersion: null });
    return row().connection;
  };

  it('is dead when its year is over and Concur says the same an hour later', async () => {
    grantEnds(NOW_MS - MINUTE);
    expect(await refused('a1')).toMatchObject({ state: 'suspended', reason: 'grant-expired' });
    await world.clock.advance(HOUR - 2);
    expect(await refused('a2')).toMatchObject({ state: 'suspended' });
    await world.clock.advance(2);
    expect(await refused('a3')).toMatchObject({ state: 'reauthorization-required', reason: 'grant-expired' });
  });

  it.each([
    ['while its year is not over', NOW_MS + 3 * HOUR, NOW_MS + 3 * HOUR],
    ['where Concur has named no end', NOW_MS - MINUTE, NOW_MS - 90 * 24 * HOUR],
  ])('is not dead %s', async (_, refreshEndsAtMs, accessEndsAtMs) => {
    grantEnds(refreshEndsAtMs, accessEndsAtMs);
    await refused('a1');
    await world.clock.advance(2 * HOUR);
    expect(await refused('a2')).toMatchObject({ state: 'suspended', reason: 'grant-refused' });
  });
});
