/**
 * Whose bearer tokens are accepted, and what a client may do: signatures are real, the stores are lists in memory.
 * Longer than 300 lines: each claim that must be refused has its case.
 */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildCaller } from '../../api/auth/caller.ts';
import { createClientDirectory } from '../../api/auth/client-directory.ts';
import { createClientKeyIssuer } from '../../api/auth/client-key-issuer.ts';
import { createLocalTokenIssuer } from '../../api/auth/local-issuer.ts';
import { AppError } from '../../core/errors.ts';
import type { ApiClient, Notice } from '../../core/stores.ts';

const ISSUER = 'https://evergrant.example';
const CLIENT = 'client-1';
const NOW_MS = Date.UTC(2026, 7, 1);
const NOW = NOW_MS / 1_000;

interface KeyPair {
  readonly publicJwk: JWK;
  readonly sign: (claims: Record<string, unknown>, header?: Record<string, unknown>) => Promise<string>;
}

async function makeKeys(alg: 'EdDSA' | 'ES256' | 'RS256', kid = 'k1'): Promise<KeyPair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, {
    extractable: true,
  });
  return {
    publicJwk: { ...(await exportJWK(publicKey)), kid },
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header }).sign(privateKey),
  };
}

function createClock() {
  const clock = {
    ms: NOW_MS,
    slept: [] as number[],
    now: () => clock.ms,
    monotonic: () => clock.ms - NOW_MS,
    sleep: async (ms: number) => {
      await new Promise((resolve) => setImmediate(resolve));
      clock.slept.push(ms);
    },
  };
  return clock;
}

function buildClient(over: Partial<ApiClient> = {}): ApiClient {
  return {
    id: CLIENT,
    name: 'Test',
    scopes: ['tokens:read', 'connections:read'],
    apps: '*',
    principals: null,
    jwk: null,
    createdAtMs: NOW_MS,
    expiresAtMs: null,
    revokedAtMs: null,
    ...over,
  };
}

/** A directory over one client, which can be changed, told of, and cut off. */
function createDirectory(first: ApiClient) {
  const world = { client: first as ApiClient | null, isAway: false, isSilent: false, reads: 0 };
  const clock = createClock();
  let hear: (notice: Notice) => void = () => undefined;
  const directory = createClientDirectory({
    clock,
    clients: {
      create: async () => undefined,
      many: async () => [],
      revoke: async () => false,
      maybeOne: async (id) => {
        world.reads += 1;
        if (world.isSilent) await new Promise(() => undefined);
        if (world.isAway) throw new AppError('database-unavailable', 'away');
        return world.client?.id === id ? world.client : null;
      },
    },
    notices: {
      isProven: () => true,
      close: async () => undefined,
      subscribe: (onNotice) => {
        hear = onNotice;
        return () => undefined;
      },
    },
  });
  return { world, clock, directory, notify: () => hear({ kind: 'client', id: CLIENT }) };
}

describe('the built-in issuer', () => {
  let keys: KeyPair;
  const claims = {
    iss: ISSUER,
    aud: 'evergrant',
    sub: CLIENT,
    client_id: CLIENT,
    jti: 'j',
    iat: NOW,
    exp: NOW + 600,
    scope: 'tokens:read',
    app: ['demo'],
  };
  beforeAll(async () => {
    keys = await makeKeys('EdDSA');
  });
  const issuerWith = (jwks: readonly JWK[]) =>
    createLocalTokenIssuer({ issuer: ISSUER, keys: { jwks: async () => ({ keys: jwks }) }, clock: createClock() });

  it('reads what its token grants', async () => {
    const issuer = issuerWith([keys.publicJwk]);
    const token = await keys.sign({ ...claims, principal: '0A1B2C3D-0000-4000-8000-00000000000A' });
    expect(await issuer.verify(token, ISSUER)).toEqual({
      clientId: CLIENT,
      scopes: new Set(['tokens:read']),
      apps: ['demo'],
      principals: ['0a1b2c3d-0000-4000-8000-00000000000a'],
      expiresAtMs: (NOW + 600) * 1_000,
    });
  });

  it.each([
    ['another audience', { aud: 'other' }],
    ['another issuer', { iss: 'https://other.example' }],
    ['an end in the past', { exp: NOW - 60 }],
    ['no end', { exp: undefined }],
    ['no client', { client_id: undefined }],
    ['no id', { jti: undefined }],
    ['a life longer than ninety days', { exp: NOW + 91 * 86_400 }],
    ['a beginning in the future', { iat: NOW + 60 }],
    ['a client that is no text', { client_id: 7 }],
    ['apps that are no texts', { app: [1] }],
  ])('refuses a token with %s', async (_what, over) => {
    await expect(
      issuerWith([keys.publicJwk]).verify(await keys.sign({ ...claims, ...over }), ISSUER),
    ).rejects.toThrow();
  });

  it('refuses what was signed for another purpose', async () => {
    const issuer = issuerWith([keys.publicJwk]);
    for (const typ of ['JWT', 'id+jwt', undefined]) {
      await expect(issuer.verify(await keys.sign(claims, { typ }), ISSUER), String(typ)).rejects.toThrow();
    }
    await issuer.verify(await keys.sign(claims, { typ: 'application/at+jwt' }), ISSUER);
  });

  it('refuses a token of another key, and one by another algorithm', async () => {
    const issuer = issuerWith([keys.publicJwk]);
    const [stranger, elliptic] = await Promise.all([makeKeys('EdDSA'), makeKeys('ES256')]);
    await expect(issuer.verify(await stranger.sign(claims), ISSUER)).rejects.toThrow();
    await expect(
      issuerWith([elliptic.publicJwk]).verify(await elliptic.sign(claims), ISSUER),
      'even if the key itself were on file',
    ).rejects.toThrow();
  });

  it('reads its keys again when a token names one that is new, but not for every such token', async () => {
    const clock = createClock();
    const next = await makeKeys('EdDSA', 'k2');
    let reads = 0;
    const issuer = createLocalTokenIssuer({
      issuer: ISSUER,
      clock,
      keys: {
        jwks: async () => {
          reads += 1;
          return { keys: reads === 1 ? [keys.publicJwk] : [keys.publicJwk, next.publicJwk] };
        },
      },
    });
    const [old, fresh] = await Promise.all([keys.sign(claims), next.sign(claims)]);
    await issuer.verify(old, ISSUER);
    await expect(issuer.verify(fresh, ISSUER)).rejects.toThrow();
    expect(reads).toBe(1);
    clock.ms += 6_000;
    await issuer.verify(fresh, ISSUER);
    expect(reads).toBe(2);
  });
});

describe('a client with a key of its own', () => {
  const claims = {
    iss: CLIENT,
    sub: CLIENT,
    aud: 'evergrant',
    iat: NOW,
    exp: NOW + 300,
    scope: 'tokens:read',
    app: '*',
  };

  async function setUp(alg: 'EdDSA' | 'ES256' | 'RS256' = 'EdDSA') {
    const keys = await makeKeys(alg);
    const { directory, clock, world } = createDirectory(buildClient({ jwk: { ...keys.publicJwk } }));
    return { keys, world, issuer: createClientKeyIssuer({ clients: directory, clock }) };
  }

  it.each(['EdDSA', 'ES256', 'RS256'] as const)('signs with %s', async (alg) => {
    const { keys, issuer } = await setUp(alg);
    expect(await issuer.accepts(CLIENT)).toBe(true);
    expect(await issuer.verify(await keys.sign(claims), CLIENT)).toMatchObject({ clientId: CLIENT, apps: '*' });
  });

  it.each([
    ['lives longer than five minutes', { exp: NOW + 301 }],
    ['was made in the future', { iat: NOW + 60, exp: NOW + 120 }],
    ['is about somebody else', { sub: 'client-2' }],
    ['names another client', { client_id: 'client-2' }],
    ['is for somebody else', { aud: 'other' }],
    ['does not say when it was made', { iat: undefined }],
  ])('may not send a token that %s', async (_what, over) => {
    const { keys, issuer } = await setUp();
    await expect(issuer.verify(await keys.sign({ ...claims, ...over }), CLIENT)).rejects.toThrow();
  });

  it('may not send an unsigned token, or one signed with its public key as a password', async () => {
    const { keys, issuer } = await setUp();
    const body = Buffer.from(JSON.stringify(claims)).toString('base64url');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
    const secret = new TextEncoder().encode(JSON.stringify(keys.publicJwk));
    const mixed = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret);
    for (const token of [none, mixed]) await expect(issuer.verify(token, CLIENT)).rejects.toThrow();
  });

  it('is not known any more once it is revoked', async () => {
    const { keys, issuer, world } = await setUp();
    world.client = { ...buildClient({ jwk: { ...keys.publicJwk } }), revokedAtMs: NOW_MS };
    expect(await issuer.accepts(CLIENT)).toBe(false);
  });
});

describe('the directory of clients', () => {
  it('asks the database once while a client is fresh in memory', async () => {
    const { directory, world } = createDirectory(buildClient());
    await Promise.all([directory.maybeOne(CLIENT), directory.maybeOne(CLIENT)]);
    await directory.maybeOne(CLIENT);
    expect(world.reads).toBe(1);
  });

  it('forgets a client at its notice, and without one within five seconds', async () => {
    const { directory, world, clock, notify } = createDirectory(buildClient());
    await directory.maybeOne(CLIENT);
    world.client = buildClient({ revokedAtMs: NOW_MS });
    expect(await directory.maybeOne(CLIENT)).not.toBeNull();
    notify();
    expect(await directory.maybeOne(CLIENT)).toBeNull();

    const second = createDirectory(buildClient());
    await second.directory.maybeOne(CLIENT);
    second.world.client = buildClient({ revokedAtMs: NOW_MS });
    second.clock.ms += 4_999;
    expect(await second.directory.maybeOne(CLIENT)).toBeNull();
    expect(clock.ms).toBe(NOW_MS);
  });

  it('does not keep a read that a notice overtook', async () => {
    const { directory, world, notify } = createDirectory(buildClient());
    const reading = directory.maybeOne(CLIENT);
    world.client = buildClient({ revokedAtMs: NOW_MS });
    notify();
    await reading;
    expect(await directory.maybeOne(CLIENT)).toBeNull();
  });

  it('believes what it knew for a quarter of an hour while the database is away, and no longer', async () => {
    const { directory, world, clock } = createDirectory(buildClient());
    await directory.maybeOne(CLIENT);
    world.isAway = true;
    clock.ms += 14 * 60_000;
    expect(await directory.maybeOne(CLIENT)).not.toBeNull();
    clock.ms += 2 * 60_000;
    await expect(directory.maybeOne(CLIENT)).rejects.toMatchObject({ code: 'database-unavailable' });
  });

  it('waits two seconds for a database that says nothing, where it knows the client, and not for each caller', async () => {
    const { directory, world, clock } = createDirectory(buildClient());
    await directory.maybeOne(CLIENT);
    world.isSilent = true;
    clock.ms += 10_000;
    expect(await directory.maybeOne(CLIENT)).not.toBeNull();
    expect(clock.slept).toEqual([2_000]);
    await directory.maybeOne(CLIENT);
    expect([world.reads, clock.slept]).toEqual([2, [2_000]]);
    clock.ms += 16 * 60_000;
    const stranger = Promise.race([directory.maybeOne(CLIENT), Promise.resolve('waits')]);
    expect(await stranger, 'too long ago to go by').toBe('waits');
  });

  it('looks nothing up for an id that nobody can have', async () => {
    const { directory, world } = createDirectory(buildClient());
    for (const id of ['', 'a b', 'x'.repeat(200), 'é']) expect(await directory.maybeOne(id)).toBeNull();
    expect(world.reads).toBe(0);
  });
});

describe('a caller', () => {
  const token = {
    clientId: CLIENT,
    scopes: new Set(['tokens:read', 'connections:write']),
    apps: '*' as const,
    principals: ['p1', 'p2'],
    expiresAtMs: NOW_MS,
  };

  it('may do what both the token and the client allow', () => {
    const caller = buildCaller(token, buildClient({ apps: ['demo'], principals: ['p2', 'p3'] }));
    expect([...caller.scopes]).toEqual(['tokens:read']);
    expect(caller.apps).toEqual(['demo']);
    expect(caller.principals).toEqual(['p2']);
  });

  it('may do nothing where token and client have nothing in common', () => {
    const caller = buildCaller(
      { ...token, apps: ['other'] },
      buildClient({ apps: ['demo'], scopes: [], principals: [] }),
    );
    expect([caller.scopes.size, caller.apps, caller.principals]).toEqual([0, [], []]);
  });
});
