/** The exchange as an activity. Longer than 300 lines: each answer of Concur in each situation has its case. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ExchangeInput } from '../../activities/exchange.ts';
import type { Aggregate } from '../../core/aggregate.ts';
import {
  type ActivityWorld,
  createActivityWorld,
  refreshTokenOnFile,
  sealAnswer,
} from '../simulation/activity-world.ts';
import {
  buildAggregate,
  buildApp,
  buildAttempt,
  buildConnecting,
  buildConnection,
  buildSession,
  eu2,
  HOUR,
  KEY,
  MINUTE,
  NOW_MS,
  OTHER_PRINCIPAL,
  PRINCIPAL,
  SECOND,
  us2,
} from '../simulation/builders.ts';
import { failure, refusal, silence, success, tokens, unreachable } from '../simulation/scripted-concur.ts';

let world: ActivityWorld;

beforeEach(() => {
  world = createActivityWorld();
});

const company = (id = PRINCIPAL) =>
  success({ id, type: 'company' as const, name: 'Muster AG', domain: 'muster.example' });

function connect(aggregate: Aggregate = buildConnecting()): void {
  world.connect(aggregate);
}

function start(input: Partial<ExchangeInput> = {}) {
  return world.activities.exchangeRequestToken({ ...KEY, attemptId: 'a1', sessionId: 's1', ...input });
}

const exchange = (input?: Partial<ExchangeInput>) => world.clock.run(start(input));
const row = () => world.store.one(KEY);
const trail = () => world.store.trail(KEY).map(({ type, reason }) => `${type}: ${reason}`);

/** A living connection of another company, which a revoke with its own token would end. */
function connectOther(): void {
  world.store.put(buildAggregate({ connection: buildConnection({ id: 'c2', principal: OTHER_PRINCIPAL }) }));
}

describe('an exchange', () => {
  it('sends the request token, and makes the connection active with all that Concur tells', async () => {
    connect();
    world.concur.script(
      'exchangeRequestToken',
      tokens({ refreshToken: 'refresh-1', geolocation: eu2 }, { correlationId: 'corr-1' }),
    );
    world.concur.script('fetchPrincipal', company());
    const snapshot = await exchange();
    expect(world.concur.calls).toMatchObject([
      { token: 'request-token' },
      { operation: 'fetchPrincipal', dataCentre: 'eu2', token: 'access-1' },
    ]);
    expect(snapshot?.connection).toMatchObject({
      state: 'active',
      version: 1,
      dataCentre: 'eu2',
      identity: 'proven',
      company: { name: 'Muster AG', domain: 'muster.example' },
    });
    expect(snapshot?.pendingConnects).toEqual([]);
    expect(refreshTokenOnFile(world)).toBe('refresh-1');
    expect(world.store.session('s1')).toMatchObject({ status: 'connected', requestToken: null });
    expect(world.store.trail(KEY)).toMatchObject([
      { type: 'connection.connected', userId: 'user-1', correlationId: 'corr-1' },
    ]);
    expect(world.observer.seen.connected.flat()).toEqual([{ app: 'demo', outcome: 'ok' }]);
  });

  it('records missing scopes', async () => {
    world = createActivityWorld({ app: buildApp({ requiredScopes: ['EXPRPT'] }) });
    connect();
    world.concur.script('exchangeRequestToken', tokens());
    world.concur.script('fetchPrincipal', company());
    expect((await exchange())?.connection.missingScopes).toEqual(['EXPRPT']);
  });

  it('has its answer on file before it asks whose it is', async () => {
    connect();
    world.concur.script('exchangeRequestToken', tokens());
    world.concur.script('fetchPrincipal', { ...company(), afterMs: SECOND });
    const work = start();
    await world.clock.advance(500);
    expect(row()).toMatchObject({ connection: { state: 'connecting' }, attempts: [{ status: 'received' }] });
    await world.clock.run(work);
    expect(row()).toMatchObject({ connection: { state: 'active' }, attempts: [] });
  });

  it('has counted the use and spread the next before it calls', async () => {
    connect();
    world.concur.script('exchangeRequestToken', { give: 'never' });
    void start();
    await world.clock.advance(1);
    expect(world.store.session('s1')).toMatchObject({ uses: 1, nextTryAtMs: NOW_MS + 5 * MINUTE });
  });

  it('is not begun without a data key, twice, or for a session that is over', async () => {
    connect();
    world.vault.isReady = false;
    await expect(exchange()).rejects.toThrow('no data key');
    world.vault.isReady = true;
    expect(await exchange({ sessionId: 'unknown' })).toMatchObject({ connection: { state: 'connecting' } });
    expect(world.concur.calls).toEqual([]);
  });

  it('that takes too long is uncertain, and its late answer connects all the same', async () => {
    connect();
    world.concur.script('exchangeRequestToken', tokens({}, { afterMs: 100 * SECOND }));
    world.concur.script('fetchPrincipal', company());
    const work = start();
    await world.clock.advance(80 * SECOND);
    expect(row()).toMatchObject({ connection: { state: 'connecting' }, attempts: [{ status: 'uncertain' }] });
    expect((await world.clock.run(work))?.connection.state).toBe('active');
  });

  it('of unknown outcome is tried again after the horizon, as the next use', async () => {
    connect();
    world.concur.script('exchangeRequestToken', silence(180 * SECOND));
    const snapshot = await exchange();
    expect(snapshot?.openUntilMs).toBe(NOW_MS + 190 * SECOND);
    expect(snapshot?.connection).toMatchObject({ state: 'connecting', failureCount: 1 });
  });

  it('that never left costs no use', async () => {
    connect();
    world.concur.script('exchangeRequestToken', unreachable());
    await exchange();
    expect(world.store.session('s1')).toMatchObject({ uses: 0, nextTryAtMs: NOW_MS + 15 * SECOND });
  });

  it('with a request token that Concur rejects ends the connect', async () => {
    connect();
    world.concur.script('exchangeRequestToken', refusal({ code: 136 }));
    expect((await exchange())?.connection).toMatchObject({ state: 'connect-failed', reason: 'request-token-rejected' });
    expect(world.store.session('s1')).toMatchObject({ failure: 'request-token-rejected', requestToken: null });
  });

  it('that cannot open the request token does not spend its uses', async () => {
    connect();
    world.store.put({ ...row(), sessions: [buildSession({ requestToken: world.vault.sealed('x', 'elsewhere') })] });
    expect((await exchange())?.connection.lastError?.code).toBe('vault-failed');
    expect(world.concur.calls).toEqual([]);
    expect(world.store.session('s1')).toMatchObject({ uses: 0, nextTryAtMs: NOW_MS + 15 * SECOND });
    expect(row().attempts).toEqual([]);
  });

  it('of a process that was frozen before sending is not sent', async () => {
    connect();
    const opened = world.vault.open;
    world.vault.open = async (...args) => {
      await world.clock.sleep(11 * SECOND);
      return await opened(...args);
    };
    await exchange();
    expect(world.concur.calls).toEqual([]);
    expect(world.store.session('s1')?.uses).toBe(0);
  });

  it('leaves no secret in the log', async () => {
    connect();
    world.concur.script('exchangeRequestToken', tokens({ idToken: 'id-token-1' }));
    world.concur.script('fetchPrincipal', company(OTHER_PRINCIPAL));
    world.concur.always('revokeConnection', () => refusal({ status: 500 }));
    await exchange();
    expect(world.logged.length).toBeGreaterThan(1);
    expect(world.logged.join()).not.toMatch(/request-token"|refresh-1|access-1|id-token-1|hunter2/);
  });
});

describe('whose token it is', () => {
  const withIdToken = (verdict: Parameters<typeof world.concur.idToken>[0]) => {
    connect();
    world.concur.script('exchangeRequestToken', tokens({ idToken: 'id-token-1' }));
    world.concur.idToken(verdict);
  };
  const valid = (subject: string) => ({ verdict: 'valid', subject, principalType: 'company' }) as const;

  it.each([PRINCIPAL, PRINCIPAL.toUpperCase(), `https://us2.example/companies/${PRINCIPAL}`])(
    'is proven by an id_token for %s',
    async (subject) => {
      withIdToken(valid(subject));
      world.concur.always('fetchPrincipal', () => refusal({ status: 500 }));
      expect((await exchange())?.connection).toMatchObject({ state: 'active', identity: 'proven', company: null });
    },
  );

  it('is proven by the profile when there is no id_token, or no key to verify it with', async () => {
    withIdToken({ verdict: 'unavailable', why: 'JWKS' });
    world.concur.script('fetchPrincipal', refusal({ status: 503 }), company());
    expect((await exchange())?.connection).toMatchObject({
      state: 'active',
      identity: 'proven',
      company: { name: 'Muster AG' },
    });
  });

  it('is taken as asserted when Concur tells neither in three tries', async () => {
    connect();
    world.concur.script('exchangeRequestToken', tokens());
    world.concur.script('fetchPrincipal', ...Array.from({ length: 3 }, () => refusal({ status: 503 })));
    expect((await exchange())?.connection).toMatchObject({
      state: 'active',
      identity: 'asserted',
      principalType: 'company',
    });
  });

  it('says whether it is a user', async () => {
    connect();
    world.concur.script('exchangeRequestToken', tokens());
    world.concur.script('fetchPrincipal', success({ id: PRINCIPAL, type: 'user', name: null, domain: null }));
    expect((await exchange())?.connection.principalType).toBe('user');
  });

  it('when another by the id_token, is revoked at once', async () => {
    withIdToken(valid(OTHER_PRINCIPAL));
    world.concur.script('revokeConnection', success(null));
    expect((await exchange())?.connection).toMatchObject({
      state: 'connect-failed',
      reason: 'identity-mismatch',
      version: 0,
    });
    expect(world.concur.calls.at(-1)).toMatchObject({
      operation: 'revokeConnection',
      dataCentre: 'us2',
      token: 'access-1',
    });
    expect(trail()).toEqual(['connect.failed: identity-mismatch:revoked']);
    expect(world.store.session('s1')?.failure).toBe('identity-mismatch');
  });

  it('when another by the profile, is revoked although the id_token agreed', async () => {
    withIdToken(valid(PRINCIPAL));
    world.concur.script('fetchPrincipal', company(OTHER_PRINCIPAL));
    world.concur.script('revokeConnection', success(null));
    expect((await exchange())?.connection.reason).toBe('identity-mismatch');
  });

  it.each([OTHER_PRINCIPAL.toUpperCase(), `https://us2.example/companies/${OTHER_PRINCIPAL}`])(
    'when that of %s, which has a living connection, is discarded, for a revoke would end that too',
    async (subject) => {
      withIdToken(valid(subject));
      connectOther();
      await exchange();
      expect(world.concur.sent('revokeConnection')).toEqual([]);
      expect(trail()).toEqual(['connect.failed: identity-mismatch:discarded']);
    },
  );

  it('when the id_token does not verify, is asked of the profile before anything is revoked', async () => {
    withIdToken({ verdict: 'invalid', why: 'signature' });
    connectOther();
    world.concur.script('fetchPrincipal', company(OTHER_PRINCIPAL));
    expect((await exchange())?.connection.reason).toBe('identity-mismatch');
    expect(trail()).toEqual(['connect.failed: identity-mismatch:discarded']);
  });

  it('when the id_token does not verify, is not taken for the right one although the profile says so', async () => {
    withIdToken({ verdict: 'invalid', why: 'signature' });
    world.concur.script('fetchPrincipal', company());
    world.concur.script('revokeConnection', success(null));
    expect((await exchange())?.connection).toMatchObject({ state: 'connect-failed', reason: 'identity-mismatch' });
  });
});

describe('tokens that cannot be used', () => {
  const obtained = (facts: Parameters<typeof tokens>[0]) => {
    connect();
    world.concur.script('exchangeRequestToken', tokens(facts));
  };

  it('for want of a refresh token are revoked', async () => {
    obtained({ refreshToken: null });
    world.concur.script('revokeConnection', success(null));
    expect((await exchange())?.connection).toMatchObject({ state: 'connect-failed', reason: 'no-refresh-token' });
    expect(trail()).toEqual(['connect.failed: no-refresh-token:revoked']);
  });

  it('for a foreign geolocation are revoked at the global landing zone, and nothing is sent anywhere else', async () => {
    obtained({ geolocation: 'foreign', geolocationRaw: 'https://evil.example', idToken: 'id-token-1' });
    world.concur.script('revokeConnection', success(null));
    expect((await exchange())?.connection.reason).toBe('foreign-geolocation');
    expect(world.concur.calls.slice(1)).toMatchObject([{ operation: 'revokeConnection', dataCentre: 'glz' }]);
  });

  it('are on record as unrevoked when even that fails', async () => {
    obtained({ geolocation: 'foreign' });
    world.concur.always('revokeConnection', () => failure({ kind: 'transport', transport: 'reset', sent: true }));
    await exchange();
    expect(world.concur.sent('revokeConnection').length).toBe(3);
    expect(trail()).toEqual(['connect.failed: foreign-geolocation:unrevoked']);
    expect(world.logged.some((line) => line.includes('could not be revoked'))).toBe(true);
  });

  it('are revoked at the second try, and with a fresh access token when the first has gone stale', async () => {
    obtained({ refreshToken: null });
    world.concur.script('revokeConnection', refusal({ status: 503 }), success(null));
    await exchange();
    expect(trail()).toEqual(['connect.failed: no-refresh-token:revoked']);

    obtained({ geolocation: 'foreign', refreshToken: 'refresh-1' });
    world.concur.script('revokeConnection', refusal({ status: 401 }), success(null));
    world.concur.script('refreshTokens', tokens({ accessToken: 'access-2' }));
    await exchange({ attemptId: 'a2' });
    expect(world.concur.sent('revokeConnection').at(-1)).toBe('access-2');
  });

  it('are not taken for revoked because a rotation of our own has ended the refresh token that came with them', async () => {
    obtained({ geolocation: 'foreign', refreshToken: 'refresh-1' });
    world.concur.always('revokeConnection', () => refusal({ status: 401 }));
    world.concur.script('refreshTokens', tokens({ refreshToken: 'refresh-2' }), tokens({ refreshToken: 'refresh-3' }));
    world.concur.always('refreshTokens', () => tokens({ refreshToken: 'refresh-4' }));
    await exchange();
    expect(world.concur.sent('refreshTokens')).toEqual(['refresh-1', 'refresh-2', 'refresh-3']);
    expect(trail()).toEqual(['connect.failed: foreign-geolocation:unrevoked']);
  });

  it('of the flow of before 2017 with a foreign instance are revoked where they came from', async () => {
    const [session] = buildConnecting().sessions;
    if (session === undefined) throw new Error('no session');
    const received = tokens({ tokenType: 'OAuth', geolocation: 'foreign' });
    const answer = await sealAnswer(world, 'a0', received);
    const attempt = buildAttempt({ id: 'a0', kind: 'exchange', status: 'received', sessionId: 's1', answer });
    const legacy = { ...session, kind: 'legacy-code' as const, dataCentre: 'eu2' };
    connect(buildConnecting({ sessions: [legacy], attempts: [attempt] }));
    world.concur.script('revokeLegacyToken', success(null));
    await exchange();
    expect(world.concur.calls).toMatchObject([{ operation: 'revokeLegacyToken', dataCentre: 'eu2' }]);
    expect(trail()).toEqual(['connect.failed: foreign-geolocation:revoked']);
  });

  it('are revoked by nobody when nobody can tell whose they are', async () => {
    obtained({ idToken: 'id-token-1' });
    world.concur.idToken({ verdict: 'invalid', why: 'signature' });
    world.concur.always('fetchPrincipal', () => refusal({ status: 503 }));
    await exchange();
    expect(world.concur.sent('revokeConnection')).toEqual([]);
    expect(trail()).toEqual(['connect.failed: identity-mismatch:unrevoked']);
  });

  it('are discarded beside a living connection of the same principal, which stays as it is', async () => {
    connect(buildAggregate({ sessions: [buildSession()] }));
    world.concur.script('exchangeRequestToken', tokens({ refreshToken: null }));
    await exchange();
    expect(world.concur.sent('revokeConnection')).toEqual([]);
    expect(row().connection).toEqual(buildConnection());
    expect(refreshTokenOnFile(world)).toBe('refresh-0');
  });
});

describe('a reconnect', () => {
  beforeEach(() => connect(buildAggregate({ sessions: [buildSession()] })));

  it.each([
    ['rejected', refusal({ code: 136 })],
    ['garbled', failure({ kind: 'malformed', status: 200, what: 'no-access-token' })],
    ['lost', silence(180 * SECOND)],
  ])('whose exchange is %s leaves the living connection untouched', async (_, reply) => {
    world.concur.script('exchangeRequestToken', reply);
    await exchange();
    expect(row().connection).toEqual(buildConnection());
    expect(refreshTokenOnFile(world)).toBe('refresh-0');
  });

  it('that succeeds overwrites in place and revokes nothing', async () => {
    world.concur.script('exchangeRequestToken', tokens({ refreshToken: 'refresh-new' }));
    world.concur.script('fetchPrincipal', company());
    expect((await exchange())?.connection).toMatchObject({ id: 'c1', version: 2, state: 'active' });
    expect(refreshTokenOnFile(world)).toBe('refresh-new');
    expect(row().grant.previous).toMatchObject({ attemptId: 'a0' });
    expect(trail()).toEqual(['connection.reconnected: null']);
  });
});

describe('an exchange that crashed after its answer was on file', () => {
  const crashed = async (facts: Parameters<typeof tokens>[0] = {}) => {
    const answer = await sealAnswer(world, 'a1', tokens({ refreshToken: 'refresh-1', ...facts }));
    const attempts = [buildAttempt({ kind: 'exchange', status: 'received', sessionId: 's1', versionRead: 0, answer })];
    connect(buildConnecting({ attempts, sessions: [buildSession({ uses: 1, nextTryAtMs: NOW_MS + HOUR })] }));
  };

  it('goes on from there without another call, whatever attempt it is', async () => {
    await crashed();
    world.concur.script('fetchPrincipal', company());
    expect((await exchange({ attemptId: 'a2' }))?.connection).toMatchObject({ state: 'active', version: 1 });
    expect(world.concur.sent('exchangeRequestToken')).toEqual([]);
    expect(refreshTokenOnFile(world)).toBe('refresh-1');
    expect(row().grant.current?.attemptId).toBe('a1');
    expect(row().attempts).toEqual([]);
  });

  it('counts the life of the access token from the start of that attempt', async () => {
    await crashed({ expiresInSeconds: 3_600 });
    world.concur.script('fetchPrincipal', company());
    await world.clock.advance(30 * MINUTE);
    expect((await exchange({ attemptId: 'a2' }))?.connection.accessTokenExpiresAtMs).toBe(NOW_MS + HOUR);
  });

  it('still finds out that the token is another one’s', async () => {
    await crashed();
    world.concur.script('fetchPrincipal', company(OTHER_PRINCIPAL));
    world.concur.script('revokeConnection', success(null));
    expect((await exchange({ attemptId: 'a2' }))?.connection.reason).toBe('identity-mismatch');
  });
});

describe('saving what an exchange brought', () => {
  it('is repeated while the database is away, twice over', async () => {
    connect();
    world.concur.script('exchangeRequestToken', tokens({ refreshToken: 'refresh-1' }, { afterMs: SECOND }));
    world.concur.script('fetchPrincipal', { ...company(), afterMs: SECOND });
    const work = start();
    await world.clock.advance(SECOND / 2);
    world.databaseIsAway = true;
    await world.clock.advance(MINUTE);
    expect(world.concur.sent('fetchPrincipal')).toEqual([]);
    world.databaseIsAway = false;
    expect((await world.clock.run(work))?.connection.dataCentre).toBe(us2.name);
    expect(refreshTokenOnFile(world)).toBe('refresh-1');
  });
});
