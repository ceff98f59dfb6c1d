/**
 * Who may call the partner API: every route against everybody who may not, and every body that it must not take.
 * Longer than 300 lines: a table of doors and of those who stand before them.
 */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClientDirectory } from '../../api/auth/client-directory.ts';
import { scopes, type Scope } from '../../api/schemas/operation.ts';
import { createClientStore } from '../../db/client-store.ts';
import { createNotices } from '../../db/notices.ts';
import { createPool } from '../../db/pool.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { systemClock } from '../../runtime/clock.ts';
import { silentLog } from './db-silent-log.ts';
import { createPartnerRig, type PartnerRig, PUBLIC_URL } from './partner-rig.ts';

interface Door {
  readonly id: string;
  readonly method: string;
  /** After `/v1/apps/{app}`; `{principal}` stands for a principal. */
  readonly path: string;
  readonly scope: Scope;
  /** One that the route takes; undefined: it takes none. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly needsBody?: true;
}

const one = '/connections/{principal}';
const doors: readonly Door[] = [
  { id: 'listConnections', method: 'GET', path: '/connections', scope: 'connections:read' },
  { id: 'showConnection', method: 'GET', path: one, scope: 'connections:read' },
  {
    id: 'patchConnection',
    method: 'PATCH',
    path: one,
    scope: 'connections:write',
    body: { customer_ref: 'c-1' },
    needsBody: true,
  },
  { id: 'listEvents', method: 'GET', path: `${one}/events`, scope: 'connections:read' },
  { id: 'readToken', method: 'GET', path: `${one}/token`, scope: 'tokens:read' },
  {
    id: 'reportRejection',
    method: 'POST',
    path: `${one}/token-rejected`,
    scope: 'tokens:read',
    body: { version: 7 },
    needsBody: true,
  },
  { id: 'refreshConnection', method: 'POST', path: `${one}/refresh`, scope: 'connections:refresh', body: {} },
  { id: 'revokeConnection', method: 'POST', path: `${one}/revoke`, scope: 'connections:write', body: {} },
  { id: 'pauseConnection', method: 'POST', path: `${one}/pause`, scope: 'connections:write', body: {} },
  { id: 'resumeConnection', method: 'POST', path: `${one}/resume`, scope: 'connections:write', body: {} },
  { id: 'createVerificationCode', method: 'POST', path: '/verification-codes', scope: 'codes:write', body: {} },
];
const cases = doors.map((door) => [`${door.method} ${door.path}`, door] as const);
const withPrincipal = cases.filter(([, { path }]) => path.includes('{principal}'));
const withBody = cases.filter(([, { body }]) => body !== undefined);

let rig: PartnerRig;
let everything: string;
beforeAll(async () => {
  rig = await createPartnerRig();
  everything = (await rig.mint()).token;
});
afterAll(async () => {
  await rig.close();
});
beforeEach(() => rig.script.reset());

interface Where {
  readonly app?: string;
  readonly principal?: string;
}

function at(door: Door, { app = 'demo', principal = randomUUID() }: Where = {}): string {
  return `/v1/apps/${app}${door.path.replace('{principal}', principal)}`;
}

function knock(door: Door, token: string | null, where: Where = {}) {
  return rig.call(door.method, at(door, where), { token, body: door.body });
}

/** A client with a key of its own, and its way to sign. */
async function createSigner() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const { id } = await rig.addClient({ jwk: { ...(await exportJWK(publicKey)) } });
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: id,
    sub: id,
    aud: 'evergrant',
    iat: nowSeconds,
    exp: nowSeconds + 300,
    scope: scopes.join(' '),
    app: '*',
  };
  const sign = (over: Record<string, unknown> = {}) =>
    new SignJWT({ ...claims, ...over }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
  return { id, sign };
}

/** The same token with other claims and the old signature. */
function forge(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const changed = Buffer.from(JSON.stringify({ ...claims, jti: 'another' })).toString('base64url');
  return `${header}.${changed}.${signature}`;
}

describe.each(cases)('%s', (_name, door) => {
  it('is closed to callers without a token that holds', async () => {
    const signer = await createSigner();
    const revoked = await rig.mint({ revokedAtMs: Date.now() });
    const over = await rig.mint({ expiresAtMs: Date.now() - 1_000 });
    const strangers: Readonly<Record<string, string | null>> = {
      'no token': null,
      'no JWT': 'no-jwt',
      'a broken JWT': 'a.b.c',
      'a changed token': forge(everything),
      'an expired token': (await rig.mint({ ageMs: 7_200_000 })).token,
      'a token of another issuer': (await rig.mint({ issuer: 'https://other.example' })).token,
      'a token for another audience': await signer.sign({ aud: 'other' }),
      'a token that lives too long': await signer.sign({ exp: Math.floor(Date.now() / 1_000) + 3_600 }),
      'a token about somebody else': await signer.sign({ sub: revoked.id }),
      'a revoked client': revoked.token,
      'an expired client': over.token,
    };
    for (const [who, token] of Object.entries(strangers)) {
      const reply = await knock(door, token);
      expect.soft([who, reply.status, reply.json.code]).toEqual([who, 401, 'unauthenticated']);
      expect.soft(reply.headers.get('www-authenticate'), who).toMatch(/^Bearer\b/);
      if (token !== null) expect.soft(reply.text, who).not.toContain(token);
    }
    const basic = await rig.call(door.method, at(door), {
      body: door.body,
      headers: { authorization: `Basic ${everything}` },
    });
    expect(basic.status).toBe(401);
    expect(rig.calls).toEqual([]);
  });

  it('is closed to callers without its scope, wherever they got the others', async () => {
    const others = scopes.filter((scope) => scope !== door.scope);
    const narrowToken = await createSigner().then(({ sign }) => sign({ scope: others.join(' ') }));
    for (const token of [(await rig.mint({ scopes: others })).token, narrowToken]) {
      const reply = await knock(door, token, { app: 'unheard-of' });
      expect([reply.status, reply.json.code]).toEqual([403, 'forbidden']);
      expect(reply.json.detail).toContain(door.scope);
    }
  });

  it('tells nothing of apps that are not the caller’s, not even whether there are any', async () => {
    const signer = await createSigner();
    const tokens = [
      (await rig.mint({ apps: ['other'] })).token,
      await signer.sign({ app: 'other' }),
      await signer.sign({ app: undefined }),
      await signer.sign({ app: [] }),
    ];
    for (const token of tokens) {
      const answers = [];
      for (const app of ['demo', 'unheard-of', '%00', 'DEMO']) {
        const { status, json } = await knock(door, token, { app });
        answers.push({ status, ...json, request_id: '' });
      }
      expect(answers[0]).toMatchObject({ status: 403, code: 'forbidden' });
      for (const answer of answers) expect(answer).toEqual(answers[0]);
    }
  });

  it('answers 404 for an app that nobody knows, whatever is in its name', async () => {
    for (const app of ['unheard-of', '%00', 'DEMO', '%F0%9F%A6%84', "'%20or%201=1--", 'a'.repeat(41)]) {
      const reply = await knock(door, everything, { app });
      expect.soft([app, reply.status, reply.json.code]).toEqual([app, 404, 'not-found']);
    }
    expect(rig.calls).toEqual([]);
  });
});

describe.each(withPrincipal)('%s', (_name, door) => {
  it('tells nothing of principals that are not the caller’s', async () => {
    const { connection } = await rig.addConnection();
    const signer = await createSigner();
    const tokens = [
      (await rig.mint({ principals: [randomUUID()] })).token,
      (await rig.mint({ principals: [] })).token,
      await signer.sign({ principal: randomUUID() }),
    ];
    for (const token of tokens) {
      const known = await knock(door, token, { principal: connection.principal });
      const unknown = await knock(door, token);
      expect([known.status, known.json.code]).toEqual([403, 'forbidden']);
      expect({ ...known.json, request_id: '' }).toEqual({ ...unknown.json, request_id: '' });
    }
    expect(rig.calls).toEqual([]);
  });

  it('takes a principal in any case, and nothing but a UUID', async () => {
    for (const principal of ['1', 'x'.repeat(36), `${randomUUID()}0`, '%00', '../admin'.replace('/', '%2F')]) {
      const reply = await knock(door, everything, { principal });
      expect.soft([principal, reply.status, reply.json.code]).toEqual([principal, 400, 'bad-request']);
      expect.soft(reply.json.fields, principal).toEqual(['principal']);
    }
    const { connection } = await rig.addConnection({ version: 7 });
    const { token } = await rig.mint({ principals: [connection.principal] });
    const reply = await knock(door, token, { principal: connection.principal.toUpperCase() });
    expect(reply.status).toBeLessThan(300);
  });

  it('answers 404 for a connection that nobody knows', async () => {
    const reply = await knock(door, everything);
    expect([reply.status, reply.json.code]).toEqual([404, 'not-found']);
    expect(rig.calls).toEqual([]);
  });
});

describe.each(withBody)('the body of %s', (_name, door) => {
  const json = { 'content-type': 'application/json' };

  it('must be well-formed JSON with the fields that the route knows', async () => {
    const { connection } = await rig.addConnection();
    const path = at(door, connection);
    const wrong: readonly string[] = ['{', '[]', '"text"', 'null', '7', '{"unheard_of":1}', '{"__proto__":{"a":1}}'];
    for (const raw of [...wrong, ...(door.needsBody ? ['{}'] : [])]) {
      const reply = await rig.call(door.method, path, { token: everything, raw, headers: json });
      expect.soft([raw, reply.status, reply.json.code]).toEqual([raw, 400, 'bad-request']);
    }
    const latin = await rig.call(door.method, path, {
      token: everything,
      raw: new Uint8Array([0x22, 0xff, 0x22]),
      headers: json,
    });
    expect(latin.status).toBe(400);
    const none = await rig.call(door.method, path, { token: everything });
    expect(none.status === 400).toBe(door.needsBody ?? false);
  });

  it('must be JSON by its type, in UTF-8 and not encoded', async () => {
    const raw = JSON.stringify(door.body);
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'application/json; charset=latin1' },
      { ...json, 'content-encoding': 'gzip' },
    ]) {
      const reply = await rig.call(door.method, at(door), { token: everything, raw, headers });
      expect.soft([headers, reply.status, reply.json.code]).toEqual([headers, 415, 'unsupported-media-type']);
    }
  });

  it('may have 64 KiB, announced or not', async () => {
    const large = JSON.stringify({ reason: 'x'.repeat(70_000) });
    const announced = await rig.call(door.method, at(door), { token: everything, raw: large, headers: json });
    expect([announced.status, announced.json.code]).toEqual([413, 'payload-too-large']);
    const stream = new Blob([large]).stream();
    const chunked = await rig.call(door.method, at(door), { token: everything, raw: stream, headers: json });
    expect([chunked.status, chunked.json.code]).toEqual([413, 'payload-too-large']);
  });
});

describe('a refusal says what to bring (RFC 6750 section 3)', () => {
  const challengeOf = async (token: string | null, path: string, headers: Record<string, string> = {}) => {
    const reply = await rig.call('GET', path, { token, headers });
    return [reply.status, reply.headers.get('www-authenticate')];
  };

  it('names no error to who brought no bearer token at all', async () => {
    const path = '/v1/apps/demo/connections';
    expect(await challengeOf(null, path)).toEqual([401, 'Bearer realm="evergrant"']);
    const basic = await challengeOf(null, path, { authorization: 'Basic YTpi' });
    expect(basic).toEqual([401, 'Bearer realm="evergrant"']);
  });

  it('calls a token that does not hold invalid', async () => {
    const path = '/v1/apps/demo/connections';
    for (const authorization of ['Bearer x', 'Bearer', 'Bearer ä', `Bearer ${forge(everything)}`]) {
      const given = await challengeOf(null, path, { authorization: Buffer.from(authorization).toString('latin1') });
      expect(given, authorization).toEqual([401, 'Bearer realm="evergrant", error="invalid_token"']);
    }
  });

  it('names the scope that is missing, and none where the app or the principal is', async () => {
    const { token: reader } = await rig.mint({ scopes: ['tokens:read'], apps: ['demo'], principals: [randomUUID()] });
    const beyond = 'Bearer realm="evergrant", error="insufficient_scope"';
    const unscoped = await challengeOf(reader, '/v1/apps/demo/connections');
    expect(unscoped).toEqual([403, `${beyond}, scope="connections:read"`]);
    const app = await challengeOf(reader, `/v1/apps/other/connections/${randomUUID()}/token`);
    const principal = await challengeOf(reader, `/v1/apps/demo/connections/${randomUUID()}/token`);
    expect([app, principal]).toEqual([
      [403, beyond],
      [403, beyond],
    ]);
  });

  it('asks a browser for no token', async () => {
    const response = await fetch(`${rig.url}/connect/demo/s/nobody`);
    expect(response.headers.has('www-authenticate')).toBe(false);
  });
});

describe('a client', () => {
  it('is refused within five seconds of its revocation', async () => {
    const { id, token } = await rig.mint();
    const path = '/v1/apps/demo/connections';
    expect((await rig.call('GET', path, { token })).status).toBe(200);
    const revokedAt = performance.now();
    await rig.clients.revoke(id, Date.now(), { actor: 'cli:test', reason: null, correlationId: null });
    await expect.poll(async () => (await rig.call('GET', path, { token })).status, { timeout: 5_000 }).toBe(401);
    expect(performance.now() - revokedAt).toBeLessThan(5_000);
  });

  it('is refused within five seconds of its revocation also while no notice of it comes through', async () => {
    const pool = createPool({ url: rig.databaseUrl, log: silentLog });
    const unreachable = new URL(rig.databaseUrl);
    unreachable.port = String(await freePort());
    const notices = createNotices({ url: unreachable.href, pool, log: silentLog });
    const clients = createClientStore(pool);
    const directory = createClientDirectory({ clients, notices, clock: systemClock });
    try {
      const { id } = await rig.addClient();
      expect(await directory.maybeOne(id)).toMatchObject({ id });
      await clients.revoke(id, Date.now(), { actor: 'cli:test', reason: null, correlationId: null });
      const revokedAt = performance.now();
      expect(await directory.maybeOne(id), 'nobody has told it').toMatchObject({ id });
      await expect.poll(() => directory.maybeOne(id), { timeout: 6_000 }).toBeNull();
      expect(performance.now() - revokedAt).toBeLessThan(5_000);
      expect(notices.isProven()).toBe(false);
    } finally {
      directory.close();
      await notices.close();
      await pool.end();
    }
  });

  it('signs its own tokens, within what it was made for', async () => {
    const { sign } = await createSigner();
    const { connection, path } = await rig.addConnection();
    expect((await rig.call('GET', path, { token: await sign() })).status).toBe(200);
    const one = await sign({ app: 'demo', principal: connection.principal.toUpperCase() });
    expect((await rig.call('GET', path, { token: one })).status).toBe(200);
  });

  it('needs no more than the scheme’s name in any case', async () => {
    const reply = await rig.call('GET', '/v1/apps/demo/connections', {
      headers: { authorization: `bearer ${everything}` },
    });
    expect(reply.status).toBe(200);
  });

  it('finds the key that its token was signed with among the public ones', async () => {
    const reply = await rig.call('GET', '/.well-known/jwks.json');
    expect(reply.status).toBe(200);
    const { kid } = JSON.parse(Buffer.from(everything.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
    const keys = reply.json.keys as readonly Record<string, unknown>[];
    expect(keys).toContainEqual(expect.objectContaining({ kid, kty: 'OKP', alg: 'EdDSA' }));
    expect(reply.text).not.toMatch(/"d"/);
    const claims = JSON.parse(Buffer.from(everything.split('.')[1] ?? '', 'base64url').toString()) as unknown;
    expect(claims).toMatchObject({ iss: PUBLIC_URL, aud: 'evergrant' });
  });
});
