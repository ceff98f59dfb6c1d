/**
 * Every route against whatever may come over the wire: there is always an answer, it is never an error of ours, and a
 * refusal has the shape and the headers that all have. The routes are read from the route table. A failure tells the
 * seed; the same run again: `FUZZ_SEED=<seed>`. Longer than 300 lines: every route is hit in the same ways, on one
 * rig.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { base64url, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scopes } from '../../api/schemas/operation.ts';
import { errorTable } from '../../core/errors.ts';
import { createAppStore } from '../../db/app-store.ts';
import { doors, type Where } from './partner-doors.ts';
import { createPartnerRig, type PartnerRig, PUBLIC_URL } from './partner-rig.ts';
import { type RawAnswer, type RawRequest, sendRaw } from './raw-http.ts';
import { bytes, encoded, form, jsonBody, junk, methods, oddHeaders, oddTargets, query } from './rubbish.ts';
import { buildApp } from './store-fixtures.ts';
import { createVisitor } from './visitor.ts';

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 0x7fffffff);
const RUNS = 30;
let properties = 0;
/** Each property has its own luck. */
const bound = (numRuns: number) => ({
  seed: seed + properties++,
  numRuns,
  interruptAfterTimeLimit: 20_000,
});

const FIELDS = [
  'principal_id',
  'request_token',
  'refresh_token',
  'geolocation',
  'replace',
  'username',
  'password',
  'data_center',
  'legacy_refresh_token',
  'legacy_client_id',
  'customer_ref',
  'version',
  'status',
  'reason',
  'label',
  'ttl',
];
const PARAMETERS = [
  'state',
  'data_center',
  'customer_ref',
  'cursor',
  'limit',
  'source',
  'min_ttl',
  'id',
  'requestToken',
];

interface Visit {
  readonly app: string;
  readonly sid: string;
  readonly cookie: string;
  readonly csrf: string;
}

let rig: PartnerRig;
let token: string;
let own: Where;
let visits: readonly Visit[];
const seen = new Map<number, number>();

beforeAll(async () => {
  rig = await createPartnerRig();
  const apps = createAppStore(rig.pool);
  const { landing } = buildApp();
  const signInUrl = 'https://erp.example/sign-in';
  await apps.apply(buildApp({ app: 'codes', landing: { ...landing, mode: 'verification-code' } }));
  await apps.apply(buildApp({ app: 'sign', landing: { ...landing, mode: 'sign-in', signInUrl } }));
  await apps.apply(buildApp({ app: 'before', flow: 'app-center-legacy' }));
  token = (await rig.mint()).token;
  const { connection } = await rig.addConnection();
  visits = await Promise.all(['demo', 'codes', 'sign', 'codes', 'sign'].map(arrive));
  const { rows } = await rig.pool.query<{ ref: string }>('SELECT ref FROM connect_sessions WHERE app = $1', ['sign']);
  own = { app: 'demo', principal: connection.principal, ref: rows[0]?.ref ?? '' };
});
afterAll(async () => {
  await rig.close();
});

async function arrive(app: string): Promise<Visit> {
  const visitor = createVisitor(rig.url, {});
  const parameters = { id: randomUUID(), requestToken: `rt-${randomUUID()}`, userId: 'u-1' };
  const { path, csrf } = await visitor.arrive(app, parameters);
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  return { app, sid: path.split('/').at(-1) ?? '', cookie, csrf };
}

/** Mostly what the route is for; `odd` the rest of the time. */
const mostly = <T>(sound: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: sound }, { weight: 1, arbitrary: odd });

const authorization = (): fc.Arbitrary<readonly (readonly [string, string])[]> =>
  mostly<readonly (readonly [string, string])[]>(
    fc.constant([['Authorization', `Bearer ${token}`]]),
    fc.constantFrom(
      [],
      [['Authorization', 'Bearer']],
      [['Authorization', 'Basic YTpi']],
      [['Authorization', `Bearer ${token}x`]],
      [
        ['Authorization', `Bearer ${token}`],
        ['Authorization', 'Bearer x'],
      ],
    ),
  );

const framing: fc.Arbitrary<'length' | 'chunked'> = fc.constantFrom('length', 'chunked');

/** Whatever was asked: an answer of ours, whole, and with all that goes with its status. */
function assertTidy({ method, target }: RawRequest, answer: RawAnswer, isPage: boolean | 'either'): void {
  const { status, headers, body } = answer;
  seen.set(status, (seen.get(status) ?? 0) + 1);
  const what = `${method} ${target.slice(0, 200)}: ${status} ${body.slice(0, 500)}`;
  expect(status, what).toBeGreaterThanOrEqual(200);
  expect(status, what).not.toBe(500);
  expect(headers.get('x-request-id'), what).toMatch(/^[A-Za-z0-9._-]{1,128}$/);
  expect(headers.has('www-authenticate') || status !== 401, what).toBe(true);
  expect(/^\d+$/.test(headers.get('retry-after') ?? '') || ![429, 503].includes(status), what).toBe(true);
  expect(headers.has('allow') || status !== 405, what).toBe(true);
  for (const secret of [token, ...visits.map(({ cookie }) => cookie.split('=')[1] ?? '')]) {
    expect(body.includes(secret), what).toBe(false);
  }
  expect(body, what).not.toMatch(/node_modules|\.ts:\d+|^\s+at /m);
  if (status < 400) return;
  const type = headers.get('content-type') ?? '';
  const isHtml = type === 'text/html; charset=utf-8';
  // What is no proper HTTP, or too much of it, never reaches a route; the policy tells that this did.
  if (isPage !== 'either' && headers.has('content-security-policy')) expect(isHtml, what).toBe(isPage);
  if (method === 'HEAD') return;
  if (isHtml) {
    expect(body, what).toMatch(/^<!doctype html>[\s\S]*<title>[^<]+<\/title>[\s\S]*<\/html>\s*$/);
    return;
  }
  expect(type, what).toBe('application/problem+json');
  const problem = JSON.parse(body) as { readonly code: keyof typeof errorTable };
  expect(problem).toMatchObject({ status, request_id: headers.get('x-request-id'), title: expect.any(String) });
  expect(errorTable[problem.code].status, what).toBe(status);
}

async function knock(request: RawRequest, isPage: boolean | 'either'): Promise<void> {
  assertTidy(request, await sendRaw(rig.url, request), isPage);
}

const build = (
  method: string,
  target: string,
  headers: RawRequest['headers'],
  body: Uint8Array | null = null,
  end: RawRequest['framing'] = 'length',
): RawRequest => {
  const hasHost = headers.some(([name]) => name === 'Host');
  return { method, target, headers: hasHost ? headers : [['Host', 'x'], ...headers], body, framing: end };
};

describe(`whatever comes over the wire (FUZZ_SEED=${seed})`, () => {
  it.each(doors.map((door) => [door.id, door] as const))('has a tidy answer from %s', async (_id, door) => {
    const sound = door.body?.(own) ?? {};
    const requests = fc
      .record({
        method: mostly(fc.constant<string>(door.method), methods),
        app: mostly(fc.constantFrom('demo', 'codes', 'sign', 'before'), encoded(junk)),
        principal: mostly(fc.constantFrom(own.principal, own.principal.toUpperCase(), randomUUID()), encoded(junk)),
        ref: mostly(fc.constant(own.ref), encoded(junk)),
        query: query(PARAMETERS),
        authorization: authorization(),
        type: mostly(fc.constant('application/json'), fc.constantFrom('text/plain', 'application/json;charset=x', '')),
        odd: oddHeaders,
        body: bytes(
          fc.oneof(
            jsonBody(sound, FIELDS),
            jsonBody({ ...sound, reason: 'because', customer_ref: 'c-1', label: 'x', ttl: '1h' }, FIELDS),
            jsonBody(
              { principal_id: own.principal, refresh_token: 'r', geolocation: 'https://us2.api.concursolutions.com' },
              FIELDS,
            ),
            jsonBody({ username: 'u', password: 'p', data_center: 'us2' }, FIELDS),
            jsonBody({ legacy_refresh_token: 'l', legacy_client_id: 'k' }, FIELDS),
          ),
        ),
        framing,
      })
      .map((given) =>
        build(
          given.method,
          `${door.path(given)}${given.query}`,
          [...given.authorization, ['Content-Type', given.type], ...given.odd],
          given.body,
          given.framing,
        ),
      );
    await fc.assert(
      fc.asyncProperty(requests, (request) => knock(request, false)),
      bound(RUNS),
    );
  });

  it.each([
    ['where Concur’s redirect arrives', (app: string) => `/connect/${app}`],
    ['where it arrives with a slash', (app: string) => `/connect/${app}/`],
    ['where the landing page is', (app: string, sid: string) => `/connect/${app}/s/${sid}`],
    ['where the partner’s page leads back', (app: string, sid: string) => `/connect/${app}/s/${sid}/return`],
    ['where the page waits', (app: string, sid: string) => `/connect/${app}/s/${sid}/progress`],
  ])('has a page for an answer %s', async (_where, pathOf) => {
    const requests = fc
      .record({
        visit: fc.constantFrom(...visits),
        method: fc.oneof(fc.constantFrom('GET', 'POST'), fc.constantFrom('GET', 'POST'), methods),
        app: mostly(fc.constant<string | null>(null), fc.oneof(encoded(junk), fc.constant('before'))),
        sid: mostly(fc.constant<string | null>(null), encoded(junk)),
        query: fc.oneof(
          query(['id', 'requestToken', 'userId', 'userID', 'code', 'error', 'error_description', 'ticket']),
          encoded(junk).map((text) => `?id=${randomUUID()}&requestToken=${text}&userId=u`),
          encoded(junk).map((text) => `?id=${randomUUID()}&requestToken=rt&userId=${text}`),
          encoded(junk).map((text) => `?code=${text}&error=${text}&error_description=${text}`),
        ),
        hasCookie: fc.boolean(),
        type: mostly(fc.constant('application/x-www-form-urlencoded'), fc.constantFrom('application/json', '')),
        odd: oddHeaders,
        framing,
      })
      .chain((given) =>
        bytes(form({ csrf: given.visit.csrf, code: 'ABCD-EFGH' })).map((body) => {
          const { visit } = given;
          const path = pathOf(given.app ?? visit.app, given.sid ?? visit.sid);
          const cookie: readonly (readonly [string, string])[] = given.hasCookie ? [['Cookie', visit.cookie]] : [];
          const headers = [...cookie, ['Content-Type', given.type] as const, ...given.odd];
          return build(given.method, `${path}${given.query}`, headers, body, given.framing);
        }),
      );
    await fc.assert(
      fc.asyncProperty(requests, (request) => knock(request, true)),
      bound(RUNS * 2),
    );
  });

  it('has a tidy answer from the routes that are open to everybody', async () => {
    const open = rig.routes.map(({ path }) => path).filter((path) => !/^\/(v1|connect)\//.test(path));
    expect(open.length).toBeGreaterThan(5);
    const requests = fc
      .record({
        path: fc.constantFrom(...open),
        method: mostly(fc.constant('GET'), methods),
        part: fc.oneof(encoded(junk), fc.constantFrom('base.css', 'x')),
        query: query(PARAMETERS),
        odd: oddHeaders,
        body: bytes(fc.constant('{}')),
        framing,
      })
      .map(({ path, part, method, query: asked, odd, body, framing: end }) =>
        build(method, `${path.replaceAll(/:\w+/g, () => part)}${asked}`, odd, body, end),
      );
    await fc.assert(
      fc.asyncProperty(requests, (request) => knock(request, false)),
      bound(RUNS * 4),
    );
  });

  it('has a tidy answer where there is no route at all', async () => {
    const requests = fc
      .tuple(
        fc.oneof(methods, fc.constantFrom('CONNECT', 'M-SEARCH', 'FOO', 'get', '')),
        oddTargets,
        authorization(),
        oddHeaders,
      )
      .map(([method, target, who, odd]) => build(method, target, [...who, ...odd]));
    await fc.assert(
      fc.asyncProperty(requests, (request) => knock(request, 'either')),
      bound(RUNS * 6),
    );
  });

  it('has a tidy answer when nobody can tell where the body ends', async () => {
    const lengths = fc.constantFrom(
      '-1',
      '+2',
      '0x2',
      '2, 2',
      '2,3',
      '1e0',
      '',
      ' 2',
      '2 ',
      '99999999999999999999999',
      'NaN',
    );
    const encodings = fc.constantFrom(
      'chunked',
      'gzip',
      'gzip, chunked',
      'chunked, chunked',
      'chunked, gzip',
      'identity',
      'x',
      '',
    );
    const chunks = fc.constantFrom(
      '2\r\n{}\r\n0\r\n\r\n',
      'ZZ\r\n',
      '-2\r\n{}',
      '2;x="\r\n{}\r\n0\r\n\r\n',
      'ffffffffffffffffff\r\n',
      '0\r\nX: 1\r\n\r\n',
    );
    const requests = fc
      .record({
        lengths: fc.array(lengths, { maxLength: 2 }),
        encodings: fc.array(encodings, { maxLength: 2 }),
        body: chunks,
      })
      .filter((given) => given.lengths.length + given.encodings.length > 1)
      .map((given) =>
        build(
          'POST',
          '/v1/apps/demo/verification-codes',
          [
            ['Authorization', `Bearer ${token}`],
            ['Content-Type', 'application/json'],
            ...given.lengths.map((value) => ['Content-Length', value] as const),
            ...given.encodings.map((value) => ['Transfer-Encoding', value] as const),
          ],
          Buffer.from(given.body),
          'none',
        ),
      );
    await fc.assert(
      fc.asyncProperty(requests, (request) => knock(request, 'either')),
      bound(RUNS * 3),
    );
  });
});

describe(`whatever is brought as a token (FUZZ_SEED=${seed})`, () => {
  const path = () => `/v1/apps/demo/connections/${own.principal}`;
  const ask = (bearer: string): RawRequest => build('GET', path(), [['Authorization', `Bearer ${bearer}`]]);

  it('is refused unless somebody who may has signed it', async () => {
    const { id } = await rig.addClient({ jwk: { ...(await exportJWK((await generateKeyPair('ES256')).publicKey)) } });
    const [head = '', claims = '', signature = ''] = token.split('.');
    const value = fc.oneof(junk, fc.constantFrom<unknown>(null, true, [], {}, 1e308, -1, ['EdDSA'], { kty: 'OKP' }));
    const header = fc.record(
      {
        alg: fc.oneof(fc.constantFrom<unknown>('EdDSA', 'ES256', 'none', 'HS256', 'dir'), value),
        kid: value,
        typ: value,
        crit: value,
        jwk: value,
        b64: value,
        enc: value,
        zip: value,
      },
      { requiredKeys: [] },
    );
    const payload = fc.record(
      {
        iss: fc.oneof(fc.constantFrom<unknown>(PUBLIC_URL, id), value),
        sub: value,
        aud: value,
        exp: value,
        iat: value,
        client_id: value,
        app: value,
        scope: value,
      },
      { requiredKeys: [] },
    );
    const part = (odd: fc.Arbitrary<unknown>) =>
      fc.oneof(
        odd.map((given) => base64url.encode(JSON.stringify(given))),
        junk.map((text) => base64url.encode(text)),
        fc.constantFrom('', 'x', '====', 'a'.repeat(4_000)),
      );
    const tokens = fc.oneof(
      fc.tuple(fc.oneof(fc.constant(head), part(header)), part(payload), fc.constantFrom(signature, '', 'x')),
      fc.tuple(part(header), fc.constant(claims), fc.constantFrom(signature, '', 'x')),
      fc.array(part(value), { maxLength: 6 }),
    );
    await fc.assert(
      fc.asyncProperty(tokens, async (parts) => {
        const request = ask(parts.join('.'));
        const answer = await sendRaw(rig.url, request);
        assertTidy(request, answer, false);
        expect([401, 429]).toContain(answer.status);
      }),
      bound(RUNS * 6),
    );
  });

  it('gives no more than it says, whatever a client has signed', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const { id } = await rig.addClient({ jwk: { ...(await exportJWK(publicKey)) }, apps: ['demo'] });
    const now = Math.floor(Date.now() / 1_000);
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      junk,
      fc.constantFrom(1e308, -1, 0.5, now, now + 300, '*', ['*']),
    );
    const over = fc.dictionary(
      fc.constantFrom('iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'client_id', 'scope', 'app', 'principal'),
      odd,
      { maxKeys: 2 },
    );
    await fc.assert(
      fc.asyncProperty(over, async (claims) => {
        const sound = {
          iss: id,
          sub: id,
          aud: 'evergrant',
          iat: now,
          exp: now + 300,
          scope: scopes.join(' '),
          app: '*',
        };
        const signer = new SignJWT({ ...sound, ...claims }).setProtectedHeader({ alg: 'ES256' });
        const request = ask(await signer.sign(privateKey));
        assertTidy(request, await sendRaw(rig.url, request), false);
      }),
      bound(RUNS * 3),
    );
  });
});

it('the rubbish was of many kinds, and the process has outlived it', async () => {
  for (const status of [200, 303, 400, 401, 403, 404, 405, 413, 415]) {
    expect.soft(seen.get(status) ?? 0, String(status)).toBeGreaterThan(0);
  }
  expect((await rig.call('GET', '/healthz')).status).toBe(200);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
