/**
 * Every route against every wrong credential, with the exact answer; and what a caller can find out about what is not
 * its own: nothing. The routes are read from the route table, so that a new one without an entry fails here. Longer
 * than 300 lines: a table with an entry for every route.
 */
import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createExternalIssuer } from '../../api/auth/external-issuer.ts';
import { createIssuerHttp, type IssuerHttp } from '../../api/auth/issuer-http.ts';
import { createIssuerKeys } from '../../api/auth/issuer-keys.ts';
import { scopes } from '../../api/schemas/operation.ts';
import { systemClock } from '../../runtime/clock.ts';
import { silentLog } from './db-silent-log.ts';
import { type IdentityProvider, startIdentityProvider } from './identity-provider.ts';
import { type Door, doors, type Where } from './partner-doors.ts';
import { createPartnerRig, type PartnerRig, type Reply } from './partner-rig.ts';

const HOUR = 3_600;
const now = (): number => Math.floor(Date.now() / 1_000);

let provider: IdentityProvider;
let issuerHttp: IssuerHttp;
let rig: PartnerRig;
/** A living connection of `demo`, and a connect session of it that is under way. */
let own: Where;
let signer: Awaited<ReturnType<typeof createSigner>>;

beforeAll(async () => {
  provider = await startIdentityProvider();
  issuerHttp = createIssuerHttp();
  const keys = createIssuerKeys({
    issuer: provider.issuer,
    jwksUri: null,
    http: issuerHttp,
    clock: systemClock,
    log: silentLog,
  });
  const settings = {
    issuer: provider.issuer,
    audience: 'evergrant-api',
    algorithms: ['ES256'],
    typ: null,
    scopeClaim: 'scope',
    apps: ['demo'],
    scopes: [...scopes],
  };
  rig = await createPartnerRig({ issuers: [createExternalIssuer({ settings, keys, clock: systemClock })] });
  signer = await createSigner();
  const { connection } = await rig.addConnection({ version: 7 });
  own = { app: 'demo', principal: connection.principal, ref: await openSession(connection.principal) };
});
afterAll(async () => {
  await rig.close();
  await issuerHttp.close();
  await provider.close();
});
beforeEach(() => {
  rig.script.reset();
  rig.intake.reset();
});

async function openSession(principal: string): Promise<string> {
  const query = new URLSearchParams({ id: principal, requestToken: `rt-${randomUUID()}`, userId: 'u-1' });
  const response = await fetch(`${rig.url}/connect/demo?${query}`, { redirect: 'manual' });
  const id = response.headers.get('location')?.split('/').at(-1);
  const { rows } = await rig.pool.query<{ ref: string }>('SELECT ref FROM connect_sessions WHERE id = $1', [id]);
  return rows[0]?.ref ?? '';
}

/** A client with a key of its own, and its ways to sign, sound and unsound. */
async function createSigner() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const { id } = await rig.addClient({ jwk: { ...(await exportJWK(publicKey)) } });
  const sound = () => ({
    iss: id,
    sub: id,
    aud: 'evergrant',
    iat: now(),
    exp: now() + 300,
    jti: randomUUID(),
    scope: scopes.join(' '),
    app: '*',
  });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    id,
    sign: (over: Record<string, unknown> = {}) =>
      new SignJWT({ ...sound(), ...over }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey),
    unsigned: (alg = 'none') => `${part({ alg })}.${part(sound())}.`,
    symmetric: async () => {
      const text = `${part({ alg: 'HS256' })}.${part(sound())}`;
      return `${text}.${createHmac('sha256', await exportSPKI(publicKey))
        .update(text)
        .digest('base64url')}`;
    },
  };
}

/** What the provider's token says when it may do everything. */
const everything = { scope: scopes.join(' '), app: '*' };

/** The same token with other claims and the old signature. */
function forge(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  return `${header}.${Buffer.from(JSON.stringify({ ...claims, app: '*', jti: 'x' })).toString('base64url')}.${signature}`;
}

/** An `Authorization` header; null: none. */
type Credential = () => Promise<string | null> | string | null;
const bearer = (make: () => Promise<string> | string) => async () => `Bearer ${await make()}`;
const minted = (over: Parameters<PartnerRig['mint']>[0]) => bearer(async () => (await rig.mint(over)).token);

/** Nobody is known who brings one of these. `plain`: it is no bearer token at all. */
const unknown: Readonly<Record<string, readonly [Credential, 'plain'?]>> = {
  nothing: [() => null, 'plain'],
  'a password': [() => 'Basic YTpi', 'plain'],
  'an empty bearer token': [() => 'Bearer'],
  'a word': [() => 'Bearer abcdefgh'],
  'a broken JWT': [() => 'Bearer a.b.c'],
  'a JWT without claims': [() => `Bearer ${Buffer.from('{"alg":"ES256"}').toString('base64url')}.bnVsbA.AAAA`],
  'two tokens': [bearer(async () => `${await signer.sign()} ${await signer.sign()}`)],
  'a changed token of ours': [bearer(async () => forge((await rig.mint()).token))],
  'a changed token of a client': [bearer(async () => forge(await signer.sign()))],
  'a changed token of the provider': [bearer(async () => forge(await provider.sign(everything)))],
  'an expired token of ours': [minted({ ageMs: 2 * HOUR * 1_000 })],
  'an expired token of a client': [bearer(() => signer.sign({ iat: now() - 400, exp: now() - 100 }))],
  'an expired token of the provider': [
    bearer(() => provider.sign({ ...everything, iat: now() - 400, exp: now() - 100 })),
  ],
  'a client’s token for another audience': [bearer(() => signer.sign({ aud: 'other' }))],
  'the provider’s token for another audience': [bearer(() => provider.sign({ ...everything, aud: 'evergrant' }))],
  'a token of ours by another issuer': [minted({ issuer: 'https://other.example' })],
  'the provider’s token by another issuer': [
    bearer(() => provider.sign({ ...everything, iss: 'https://other.example' })),
  ],
  'the provider’s token in our name': [bearer(() => provider.sign({ ...everything, iss: 'http://localhost:8080' }))],
  'the provider’s token in a client’s name': [
    bearer(() => provider.sign({ ...everything, iss: signer.id, sub: signer.id, aud: 'evergrant' })),
  ],
  'a client’s token in our name': [bearer(() => signer.sign({ iss: 'http://localhost:8080' }))],
  'a client’s token about another client': [bearer(async () => signer.sign({ sub: (await rig.addClient()).id }))],
  'a client’s token for another client': [bearer(async () => signer.sign({ client_id: (await rig.addClient()).id }))],
  'an unsigned token': [bearer(() => signer.unsigned())],
  'an unsigned token, oddly spelt': [bearer(() => signer.unsigned('nOnE'))],
  'an unsigned token that names an algorithm': [bearer(() => signer.unsigned('ES256'))],
  'a token signed with the public key as a password': [bearer(() => signer.symmetric())],
  'a client’s token that lives six minutes': [bearer(() => signer.sign({ exp: now() + 360 }))],
  'the provider’s token that lives two days': [bearer(() => provider.sign({ ...everything, exp: now() + 48 * HOUR }))],
  'a client’s token that does not hold yet': [bearer(() => signer.sign({ nbf: now() + 60 }))],
  'a client’s token from the future': [bearer(() => signer.sign({ iat: now() + 60, exp: now() + 120 }))],
  'the provider’s token that does not hold yet': [bearer(() => provider.sign({ ...everything, nbf: now() + 60 }))],
  'a client’s token without an end': [bearer(() => signer.sign({ exp: undefined }))],
  'a revoked client': [minted({ revokedAtMs: Date.now() })],
  'a revoked client with a key': [
    bearer(async () => {
      const other = await createSigner();
      await rig.clients.revoke(other.id, Date.now(), { actor: 'cli:test', reason: null, correlationId: null });
      return await other.sign();
    }),
  ],
  'an expired client': [minted({ expiresAtMs: Date.now() - 1_000 })],
};

/** These are known, but may not use the app that is asked for. */
const foreignToApp: Readonly<Record<string, Credential>> = {
  'a client of another app': minted({ apps: ['other'] }),
  'a client of no app': minted({ apps: [] }),
  'a client’s token for another app': bearer(() => signer.sign({ app: 'other' })),
  'a client’s token for no app': bearer(() => signer.sign({ app: [] })),
  'a client’s token that names no app': bearer(() => signer.sign({ app: undefined })),
  'a client’s token for an app whose name goes on': bearer(() => signer.sign({ app: 'demo-2' })),
  'the provider’s token for another app': bearer(() => provider.sign({ ...everything, app: 'other' })),
  'the provider’s token that names no app': bearer(() => provider.sign({ scope: everything.scope })),
};

/** These may use the app, but not the principal that is asked for. */
const foreignToPrincipal: Readonly<Record<string, Credential>> = {
  'a client of another principal': minted({ principals: [randomUUID()] }),
  'a client of no principal': minted({ principals: [] }),
  'a client’s token for another principal': bearer(() => signer.sign({ principal: randomUUID() })),
  'a client’s token for no principal': bearer(() => signer.sign({ principal: [] })),
  'the provider’s token for another principal': bearer(() => provider.sign({ ...everything, principal: randomUUID() })),
};

async function knock(door: Door, credential: Credential, where: Where): Promise<Reply> {
  const authorization = await credential();
  return await rig.call(door.method, door.path(where), {
    ...(authorization === null ? {} : { headers: { authorization } }),
    body: door.body?.(where),
  });
}

/** All of an answer that a caller could learn something from. */
const shape = ({ status, headers, json }: Reply) => ({
  status,
  challenge: headers.get('www-authenticate'),
  type: headers.get('content-type'),
  ...json,
  request_id: '',
});

function expectProblem(reply: Reply, status: number, code: string, challenge: string | null): void {
  expect([reply.status, reply.json.code]).toEqual([status, code]);
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  expect(reply.headers.get('www-authenticate')).toBe(challenge);
  expect(rig.calls).toEqual([]);
  expect(rig.intake.requests).toEqual([]);
}

const REALM = 'Bearer realm="evergrant"';
const BEYOND = `${REALM}, error="insufficient_scope"`;
const nameless = (): Where => ({ app: 'demo', principal: randomUUID(), ref: randomUUID() });

it('this file knows every route of the partner API, and its scope', () => {
  const guarded = rig.routes.filter(({ path }) => path.startsWith('/v1/'));
  expect(guarded.length).toBeGreaterThan(12);
  expect(guarded.map(({ operation }) => [operation?.id, operation?.scope]).toSorted()).toEqual(
    doors.map(({ id, scope }) => [id, scope]).toSorted(),
  );
});

it('every other route is open on purpose, and takes no notice of credentials', async () => {
  const open = rig.routes.filter(({ path }) => !path.startsWith('/v1/'));
  expect(open.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual(
    [
      'get /.well-known/jwks.json',
      'get /assets/:version/:file',
      'get /connect/:app',
      'get /connect/:app/',
      'get /connect/:app/s/:sid',
      'get /connect/:app/s/:sid/progress',
      'get /connect/:app/s/:sid/return',
      'get /docs',
      'get /healthz',
      'get /metrics',
      'get /openapi.json',
      'get /readyz',
      'post /connect/:app/s/:sid',
    ].toSorted(),
  );
  for (const { method, path } of open) {
    const address = path.replace(':app', 'demo').replace(/:\w+/g, 'x');
    const statuses = [];
    for (const token of [null, 'a.b.c', (await rig.mint()).token]) {
      const reply = await rig.call(method.toUpperCase(), address, { token });
      statuses.push(reply.status);
      expect(reply.headers.has('www-authenticate')).toBe(false);
    }
    expect([path, new Set(statuses).size]).toEqual([path, 1]);
  }
});

describe.each(doors.map((door) => [door.id, door] as const))('%s', (_id, door) => {
  it('is open to who may', async () => {
    for (const token of [
      (await rig.mint()).token,
      (await rig.mint({ scopes: [door.scope], apps: ['demo'] })).token,
      await signer.sign({ app: 'demo' }),
      await provider.sign(everything),
    ]) {
      const { status } = await knock(door, () => `Bearer ${token}`, own);
      expect([401, 403]).not.toContain(status);
    }
  });

  it.each(Object.entries(unknown))('does not know who brings %s', async (_who, [credential, kind]) => {
    const challenge = kind === 'plain' ? REALM : `${REALM}, error="invalid_token"`;
    const reply = await knock(door, credential, own);
    expectProblem(reply, 401, 'unauthenticated', challenge);
    const elsewhere = await knock(door, credential, { ...nameless(), app: 'unheard-of' });
    expect(shape(elsewhere)).toEqual(shape(reply));
  });

  const others = scopes.filter((scope) => scope !== door.scope);
  it.each<readonly [string, Credential]>([
    ['a client', minted({ scopes: others })],
    ['a client’s token', bearer(() => signer.sign({ scope: others.join(' ') }))],
    ['a client’s token that names none', bearer(() => signer.sign({ scope: undefined }))],
    ['the provider’s token', bearer(() => provider.sign({ ...everything, scope: others.join(' ') }))],
  ])('needs its scope, which %s does not have', async (_who, credential) => {
    const reply = await knock(door, credential, own);
    expectProblem(reply, 403, 'forbidden', `${BEYOND}, scope="${door.scope}"`);
    expect(shape(await knock(door, credential, { ...nameless(), app: 'unheard-of' }))).toEqual(shape(reply));
  });

  it.each(Object.entries(foreignToApp))('tells nothing of the app to %s', async (_who, credential) => {
    const reply = await knock(door, credential, own);
    if (door.principal === 'session') expectProblem(reply, 404, 'not-found', null);
    else expectProblem(reply, 403, 'forbidden', BEYOND);
    for (const where of [nameless(), { ...nameless(), app: 'unheard-of' }, { ...own, app: 'DEMO' }]) {
      expect(shape(await knock(door, credential, where))).toEqual(shape(reply));
    }
  });

  it.each(Object.entries(foreignToPrincipal))('tells nothing of the principal to %s', async (_who, credential) => {
    const reply = await knock(door, credential, own);
    if (door.principal === 'list') {
      expect([reply.status, reply.json.items]).toEqual([200, []]);
      return;
    }
    if (door.principal === 'session') expectProblem(reply, 404, 'not-found', null);
    else expectProblem(reply, 403, 'forbidden', BEYOND);
    expect(shape(await knock(door, credential, nameless()))).toEqual(shape(reply));
  });

  it('lets in who is limited to the very principal, and to the very app', async () => {
    const limited = [
      minted({ principals: [own.principal] }),
      bearer(() => signer.sign({ app: ['demo'], principal: own.principal.toUpperCase() })),
      bearer(() => provider.sign({ ...everything, app: 'demo', principal: [own.principal] })),
    ];
    for (const credential of limited) {
      const { status } = await knock(door, credential, own);
      // Nobody knows yet whose connection it will be.
      if (door.principal === 'nowhere') expect(status).toBe(403);
      else expect([401, 403]).not.toContain(status);
    }
  });
});

describe('ceilings', () => {
  it('of a client hold whatever its token claims', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const { id } = await rig.addClient({
      jwk: { ...(await exportJWK(publicKey)) },
      scopes: ['connections:read'],
      apps: ['demo'],
      principals: [own.principal],
    });
    const claims = { iss: id, sub: id, aud: 'evergrant', iat: now(), exp: now() + 300, ...everything };
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
    const statusAt = async (path: string) => (await rig.call('GET', path, { token })).status;
    expect(await statusAt(`/v1/apps/demo/connections/${own.principal}`)).toBe(200);
    expect(await statusAt(`/v1/apps/demo/connections/${own.principal}/token`)).toBe(403);
    expect(await statusAt(`/v1/apps/demo/connections/${randomUUID()}`)).toBe(403);
    expect(await statusAt('/v1/apps/other/connections')).toBe(403);
  });

  it('of a provider hold whatever its token claims', async () => {
    const token = await provider.sign(everything);
    const statusAt = async (path: string) => (await rig.call('GET', path, { token })).status;
    expect(await statusAt('/v1/apps/demo/connections')).toBe(200);
    expect(await statusAt('/v1/apps/other/connections')).toBe(403);
  });
});
