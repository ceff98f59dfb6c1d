/** Several client secrets per app: which is tried, and what becomes of a call when none of them works. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type ActivityWorld, createActivityWorld } from '../simulation/activity-world.ts';
import { buildAggregate, buildConnecting, buildConnection, glz, KEY, NOW_MS, SECOND } from '../simulation/builders.ts';
import { failure, refusal, silence, success, tokens } from '../simulation/scripted-concur.ts';

let world: ActivityWorld;

beforeEach(() => {
  world = createActivityWorld();
  world.secrets = [
    ['new', 'new-value'],
    ['old', 'old-value'],
  ];
});

const refresh = (attemptId = 'a1', cause: 'forced' | 'rejected' = 'forced') =>
  world.clock.run(world.activities.refreshTokens({ ...KEY, attemptId, cause, expectedVersion: null }));
const exchange = () =>
  world.clock.run(world.activities.exchangeRequestToken({ ...KEY, attemptId: 'a1', sessionId: 's1' }));
const row = () => world.store.one(KEY);
const wrongSecret = (more = {}) => refusal({ code: 64, status: 401 }, more);

describe('a call with several client secrets on file', () => {
  it('is made with the next one in the same attempt when Concur refuses the first, and remembers which worked', async () => {
    world.connect(buildAggregate());
    world.concur.script('refreshTokens', wrongSecret(), tokens({ refreshToken: 'refresh-1' }));
    await refresh();
    expect(world.concur.clientSecrets).toEqual(['new-value', 'old-value']);
    expect(row()).toMatchObject({ connection: { state: 'active', version: 2, lastError: null }, attempts: [] });
    expect(world.worked).toEqual(['old']);
    expect(await world.store.troubles.many('demo')).toEqual([]);
    expect(world.woken).toEqual([]);
  });

  it('takes an answer about the connection as a proof of the secret', async () => {
    world.connect(buildAggregate());
    world.concur.script('refreshTokens', refusal({ code: 53 }));
    await refresh();
    expect([world.concur.clientSecrets, world.worked]).toEqual([['new-value'], ['new']]);
  });

  it('of before 2017 is made with the next one after an error that has no code, which may mean anything', async () => {
    const connection = buildConnection({ principalType: 'legacy-user' });
    const legacyError = failure({
      ...{ kind: 'answer', status: 200, concurCode: null, oauthError: null, retryAfterMs: null, geolocation: null },
      providerCode: 'LEGACY_ERROR',
    });
    world.connect(buildAggregate({ connection }));
    world.concur.script('refreshLegacyToken', legacyError, tokens({ tokenType: 'OAuth' }));
    await refresh();
    expect(world.concur.clientSecrets).toEqual(['new-value', 'old-value']);
    expect(row().connection).toMatchObject({ state: 'active', version: 2 });
    expect(world.worked).toEqual(['old']);
    world.concur.script('refreshLegacyToken', legacyError, legacyError);
    await refresh('a2');
    expect(row().connection).toMatchObject({ state: 'suspended', reason: 'grant-refused' });
    expect(await world.store.troubles.many('demo')).toEqual([]);
  });

  it('of before 2017 is made although its app is blocked there: nothing else tells when that is over', async () => {
    world.connect(buildAggregate({ connection: buildConnection({ principalType: 'legacy-user' }) }));
    world.concur.always('refreshLegacyToken', () => wrongSecret());
    for (const attemptId of ['a1', 'a2']) await refresh(attemptId);
    expect(await world.store.troubles.many('demo')).toMatchObject([{ failures: 2 }]);
    world.concur.always('refreshLegacyToken', () => tokens({ tokenType: 'OAuth' }));
    await world.clock.advance(60 * SECOND);
    await refresh('a3', 'rejected');
    expect(row().connection).toMatchObject({ state: 'active', version: 2 });
    expect(await world.store.troubles.many('demo')).toEqual([]);
  });

  it.each([
    ['silence', silence(SECOND)],
    ['a gateway', refusal({ status: 502 })],
    ['a rate limit', refusal({ status: 429 })],
  ])('does not ask again after %s, which says nothing about the secret', async (_, reply) => {
    world.connect(buildAggregate());
    world.concur.script('refreshTokens', reply);
    await refresh();
    expect([world.concur.clientSecrets, world.worked]).toEqual([['new-value'], []]);
  });

  it('sends nothing more once its time for sending is over', async () => {
    world.connect(buildAggregate());
    world.concur.script('refreshTokens', wrongSecret({ afterMs: 11 * SECOND }));
    await refresh();
    expect(world.concur.clientSecrets).toEqual(['new-value']);
    expect(row().connection).toMatchObject({ state: 'blocked', lastError: { concurCode: 64 } });
  });

  it('tries a secret that was added while it was asking', async () => {
    world.connect(buildAggregate());
    world.secrets = [['old', 'old-value']];
    const added = [
      ['added', 'added-value'],
      ['old', 'old-value'],
    ] as const;
    world.concur.always('refreshTokens', () => {
      if (world.concur.clientSecrets.at(-1) === 'added-value') return tokens();
      world.secrets = added;
      return wrongSecret();
    });
    await refresh();
    expect(world.concur.clientSecrets).toEqual(['old-value', 'added-value']);
    expect(row().connection.version).toBe(2);
  });

  it('exchanges a request token with the one that works', async () => {
    world.connect(buildConnecting());
    world.concur.script('exchangeRequestToken', wrongSecret({ dataCentre: glz }), tokens());
    world.concur.always('fetchPrincipal', () =>
      success({ id: KEY.principal, type: 'company' as const, name: 'Aurora', domain: null }),
    );
    await exchange();
    expect(world.concur.clientSecrets).toEqual(['new-value', 'old-value']);
    expect(row().connection).toMatchObject({ state: 'active', version: 1 });
  });
});

describe('when no client secret works', () => {
  it('the second answer blocks the app and wakes its guardian; who comes then calls nobody', async () => {
    world.connect(buildAggregate());
    world.concur.always('refreshTokens', () => wrongSecret());
    await refresh();
    expect(row().connection).toMatchObject({ state: 'blocked', nextActionAtMs: NOW_MS + 2 * SECOND });
    expect(world.woken).toEqual([]);
    await refresh('a2');
    expect(world.woken).toEqual([['demo', 'tripped']]);
    expect(await world.store.troubles.many('demo')).toMatchObject([{ dataCentre: 'us2', failures: 2 }]);
    expect(world.concur.clientSecrets).toHaveLength(4);

    await world.clock.advance(60 * SECOND);
    await refresh('a3', 'rejected');
    expect(world.concur.clientSecrets).toHaveLength(4);
    expect(world.woken).toEqual([
      ['demo', 'tripped'],
      ['demo', 'blocked'],
    ]);
    expect(row().attempts).toEqual([]);
  });

  it('a Connect keeps all its uses, and goes on when the app is not blocked any more', async () => {
    world.connect(buildConnecting());
    world.concur.always('exchangeRequestToken', () => wrongSecret({ dataCentre: glz }));
    await exchange();
    expect(world.store.session('s1')).toMatchObject({ status: 'completed', uses: 0 });
    expect(row().connection.state).toBe('connecting');
  });

  it('a connection of an app without any secret is blocked, not dead, and nobody is called', async () => {
    world.connect(buildAggregate({ connection: buildConnection() }));
    world.secrets = [];
    await refresh();
    expect(world.concur.calls).toEqual([]);
    expect(row().connection).toMatchObject({ state: 'blocked', reason: 'client-secret-missing' });
  });
});
