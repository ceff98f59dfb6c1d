/**
 * Connects that partner services ask for: what they may send, what they are told, and the same again. Longer than 300
 * lines: every kind of connect is asked for in the same ways.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseLegacyGrant } from '../../core/intake-credential.ts';
import type { IntakeRequest, IntakeResult } from '../../api/intake-port.ts';
import { AppError } from '../../core/errors.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createPartnerRig, LISTING_URL, type PartnerRig } from './partner-rig.ts';
import { buildApp } from './store-fixtures.ts';

let rig: PartnerRig;
let token: string;
beforeAll(async () => {
  rig = await createPartnerRig();
  await createAppStore(rig.pool).apply(buildApp({ app: 'open', allowPasswordLogin: true, legacyClientId: 'old-key' }));
  await createAppStore(rig.pool).apply(buildApp({ app: 'of-before-2017', flow: 'app-center-legacy' }));
  ({ token } = await rig.mint());
});
afterAll(async () => {
  await rig.close();
});
beforeEach(() => {
  rig.intake.reset();
  rig.script.reset();
});

const PATH = '/v1/apps/demo/connections';
const OPEN = '/v1/apps/open/connections';
const US2 = 'https://us2.api.concursolutions.com';
const PASSWORD = 'pass word "ü" 9';

function post(body: unknown, { path = PATH, key, as = token }: { path?: string; key?: string; as?: string } = {}) {
  return rig.call('POST', path, {
    token: as,
    body,
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  });
}

/** A connection is made, as the workflow would do it. */
async function connects(request: IntakeRequest): Promise<IntakeResult> {
  const principal = request.principal ?? randomUUID();
  await rig.addConnection({ app: request.app.app, principal, customerRef: request.customerRef });
  return { outcome: 'connected', principal, isNew: true };
}

describe('a connect without a landing page', () => {
  it('is new with 201 and the connection, and hands over what was given', async () => {
    rig.intake.script.connect = connects;
    const principal = randomUUID();
    const body = { principal_id: principal.toUpperCase(), request_token: 'request-token-1', customer_ref: 'c-1' };
    const reply = await post(body);
    expect([reply.status, reply.json.principal_id, reply.json.customer_ref]).toEqual([201, principal, 'c-1']);
    expect(reply.headers.get('location')).toBe(`${PATH}/${principal}`);
    const [request] = rig.intake.requests;
    expect(request).toMatchObject({
      kind: 'request-token',
      principal,
      dataCentre: null,
      customerRef: 'c-1',
      replace: false,
    });
    expect(request?.credential.reveal()).toBe('request-token-1');
    expect(request?.actor).toMatch(/^client:/);
    expect(request?.sessionId).toBeTruthy();
  });

  it('is 200 for one that was there', async () => {
    rig.intake.script.connect = async (request) => ({ ...(await connects(request)), isNew: false }) as IntakeResult;
    const body = {
      principal_id: randomUUID(),
      refresh_token: 'r',
      geolocation: `${US2.toUpperCase().replace('HTTPS', 'https')}/path`,
      replace: true,
    };
    const reply = await post(body);
    expect([reply.status, reply.headers.get('location')]).toEqual([200, null]);
    expect(rig.intake.requests[0]).toMatchObject({ kind: 'refresh-token', dataCentre: 'us2', replace: true });
  });

  it('by a request token is nothing for an app of before 2017, whose tokens are of another kind', async () => {
    const body = { principal_id: randomUUID(), request_token: 'request-token-1' };
    const reply = await post(body, { path: '/v1/apps/of-before-2017/connections' });
    expect([reply.status, reply.json.code]).toEqual([409, 'conflict']);
    expect(reply.json.detail).toContain('app-center-legacy');
    expect(rig.intake.requests).toEqual([]);
  });

  it('is 202 with the place of the connection when it takes longer', async () => {
    const { connection } = await rig.addConnection({ state: 'connecting' });
    const reply = await post({ principal_id: connection.principal, request_token: 'slow' });
    expect([reply.status, reply.json.state]).toEqual([202, 'connecting']);
    expect(reply.headers.get('location')).toBe(`${PATH}/${connection.principal}`);
  });

  it('is 202 with a place of its own while nobody knows whose it is, and that place tells what became of it', async () => {
    const login = { username: 'dev@example.com', password: PASSWORD, data_center: 'eu2' };
    const reply = await post(login, { path: OPEN });
    const { id } = reply.json as { id: string };
    expect(reply.json).toEqual({ id: expect.any(String), status: 'pending', principal_id: null, code: null });
    const location = reply.headers.get('location') ?? '';
    expect([reply.status, location]).toEqual([202, `/v1/apps/open/connects/${id}`]);
    expect(rig.intake.requests[0]).toMatchObject({ kind: 'password', principal: null, dataCentre: 'eu2' });
    const given = JSON.parse(rig.intake.requests[0]?.credential.reveal() ?? '') as object;
    expect(given).toEqual({ username: 'dev@example.com', password: PASSWORD });

    expect((await rig.call('GET', location, { token })).json).toEqual(reply.json);
    rig.intake.settle('open', id, { outcome: 'failed', code: 'connect-failed' });
    const failed = await rig.call('GET', location, { token });
    expect([failed.status, failed.json.status, failed.json.code]).toEqual([200, 'failed', 'connect-failed']);
    const principal = randomUUID();
    rig.intake.settle('open', id, { outcome: 'connected', principal, isNew: true });
    expect((await rig.call('GET', location, { token })).json).toMatchObject({
      status: 'connected',
      principal_id: principal,
    });
    expect((await rig.call('GET', `/v1/apps/demo/connects/${id}`, { token })).status).toBe(404);
    expect((await rig.call('GET', '/v1/apps/open/connects/none', { token })).status).toBe(404);
    expect((await rig.call('GET', '/v1/apps/open/connects/%20', { token })).status).toBe(400);
  });

  it('takes the old key of a migration from the body, else from the app', async () => {
    const legacy = { legacy_refresh_token: 'legacy-1' };
    await post(legacy, { path: OPEN });
    await post({ ...legacy, legacy_client_id: 'mine', data_center: 'eu2' }, { path: PATH });
    const given = rig.intake.requests.map(({ credential, dataCentre }) => {
      const { legacyRefreshToken, legacyClientId } = parseLegacyGrant(credential);
      return [legacyRefreshToken.reveal(), legacyClientId, dataCentre];
    });
    expect(given).toEqual([
      ['legacy-1', 'old-key', null],
      ['legacy-1', 'mine', 'eu2'],
    ]);
    const none = await post(legacy);
    expect([none.status, none.json.fields]).toEqual([400, ['legacy_client_id']]);
  });

  it.each([
    ['nothing', {}, ['body']],
    ['a list', [], ['body']],
    ['null', null, ['body']],
    ['a principal alone', { principal_id: randomUUID() }, ['body']],
    [
      'two secrets',
      { principal_id: randomUUID(), request_token: 'a', refresh_token: 'b', geolocation: US2 },
      ['request_token', 'refresh_token'],
    ],
    ['no principal', { request_token: 'a' }, ['principal_id']],
    ['a principal that is none', { principal_id: 'x', request_token: 'a' }, ['principal_id']],
    ['a token with a space', { principal_id: randomUUID(), request_token: 'a b' }, ['request_token']],
    ['a token too long', { principal_id: randomUUID(), request_token: 'a'.repeat(513) }, ['request_token']],
    ['a field of another body', { principal_id: randomUUID(), request_token: 'a', replace: true }, ['body']],
    ['no geolocation', { principal_id: randomUUID(), refresh_token: 'a' }, ['geolocation']],
    [
      'a foreign geolocation',
      { principal_id: randomUUID(), refresh_token: 'a', geolocation: 'https://evil.example' },
      ['geolocation'],
    ],
    [
      'a look-alike',
      { principal_id: randomUUID(), refresh_token: 'a', geolocation: `${US2}.evil.example` },
      ['geolocation'],
    ],
    [
      'an unknown data centre',
      { legacy_refresh_token: 'a', legacy_client_id: 'k', data_center: 'mars' },
      ['data_center'],
    ],
    ['a property of every object', { constructor: 'a', toString: 'b' }, ['body']],
  ])('is refused with 400 for %s, quoting no value', async (_what, body, fields) => {
    const reply = await post(body);
    expect([reply.status, reply.json.fields]).toEqual([400, fields]);
    expect(reply.text).not.toMatch(/evil|mars/);
    expect(rig.intake.requests).toEqual([]);
  });

  it('says which problem it failed of', async () => {
    const codes = [
      'request-token-rejected',
      'identity-mismatch',
      'connect-failed',
      'reauthorization-required',
    ] as const;
    for (const code of codes) {
      rig.intake.script.connect = async () => ({ outcome: 'failed', code });
      const reply = await post({ principal_id: randomUUID(), refresh_token: 'secret-refresh', geolocation: US2 });
      expect([reply.status, reply.json.code]).toEqual([409, code]);
      expect(reply.json.listing_url).toBe(code === 'reauthorization-required' ? LISTING_URL : undefined);
      expect(reply.text).not.toContain('secret-refresh');
    }
    rig.intake.script.connect = () => Promise.reject(new AppError('conflict', 'It lives.'));
    expect((await post({ principal_id: randomUUID(), refresh_token: 'r', geolocation: US2 })).status).toBe(409);
  });

  it('by login is for apps that allow it, before anybody is asked', async () => {
    const reply = await post({ username: 'dev', password: PASSWORD, data_center: 'us2' });
    expect([reply.status, reply.json.code]).toEqual([403, 'forbidden']);
    expect(reply.headers.get('www-authenticate')).toBeNull();
    expect(rig.intake.requests).toEqual([]);
  });

  it('needs the scope, the app and the principal, and a principal that is known where the caller is limited', async () => {
    const principal = randomUUID();
    const manual = { principal_id: principal, request_token: 'r' };
    const { token: reader } = await rig.mint({ scopes: ['connections:read', 'connections:write'] });
    expect((await post(manual, { as: reader })).status).toBe(403);
    const { token: elsewhere } = await rig.mint({ apps: ['other'] });
    expect((await post(manual, { as: elsewhere })).status).toBe(403);
    const { token: limited } = await rig.mint({ principals: [principal] });
    expect((await post({ ...manual, principal_id: randomUUID() }, { as: limited })).status).toBe(403);
    const login = { username: 'dev', password: PASSWORD, data_center: 'us2' };
    expect((await post(login, { as: limited, path: OPEN })).status).toBe(403);
    expect((await post({ legacy_refresh_token: 'a' }, { as: limited, path: OPEN })).status).toBe(403);
    expect((await rig.call('GET', '/v1/apps/open/connects/some', { token: limited })).status).toBe(403);
    expect(rig.intake.requests).toEqual([]);
    await rig.addConnection({ principal });
    expect((await post(manual, { as: limited })).status).toBe(202);
    expect((await post(manual, { path: '/v1/apps/nobody/connections' })).status).toBe(404);
  });
});

describe('an Idempotency-Key', () => {
  it('gets the first answer again, and connects once', async () => {
    rig.intake.script.connect = connects;
    const key = randomUUID();
    const principal = randomUUID();
    const body = { principal_id: principal, request_token: 'once', customer_ref: 'c' };
    const first = await post(body, { key });
    // The order of the fields and the case of the principal say nothing new.
    const again = await post(
      { customer_ref: 'c', request_token: 'once', principal_id: principal.toUpperCase() },
      { key },
    );
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.json).toEqual(first.json);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(rig.intake.requests).toHaveLength(1);
  });

  it('is refused with 409 for another body, and belongs to one client and one app', async () => {
    rig.intake.script.connect = connects;
    const key = randomUUID();
    const body = { principal_id: randomUUID(), request_token: 'a' };
    await post(body, { key });
    const other = await post({ ...body, request_token: 'b' }, { key });
    expect([other.status, other.json.code]).toEqual([409, 'conflict']);
    const { token: somebody } = await rig.mint();
    expect((await post({ principal_id: randomUUID(), request_token: 'c' }, { key, as: somebody })).status).toBe(201);
    expect((await post({ principal_id: randomUUID(), request_token: 'd' }, { key, path: OPEN })).status).toBe(201);
  });

  it('lets those that come at once have one answer of one connect', async () => {
    let settle = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      rig.intake.script.connect = async (request) => {
        resolve();
        await new Promise<void>((done) => (settle = done));
        return await connects(request);
      };
    });
    const key = randomUUID();
    const body = { principal_id: randomUUID(), request_token: 'a' };
    const replies = Promise.all(Array.from({ length: 5 }, () => post(body, { key })));
    await begun;
    settle();
    const [first, ...others] = await replies;
    expect(first?.status).toBe(201);
    for (const reply of others) expect([reply.status, reply.json]).toEqual([201, first?.json]);
    expect(rig.intake.requests).toHaveLength(1);
  });

  it('keeps a problem that another try does not change, and not one that it may', async () => {
    const body = { principal_id: randomUUID(), request_token: 'a' };
    const lasting = randomUUID();
    rig.intake.script.connect = async () => ({ outcome: 'failed', code: 'request-token-rejected' });
    const first = await post(body, { key: lasting });
    rig.intake.script.connect = connects;
    const again = await post(body, { key: lasting });
    expect([first.status, again.status, again.json.code]).toEqual([409, 409, 'request-token-rejected']);
    expect(again.json.request_id).not.toBe(first.json.request_id);

    const passing = randomUUID();
    rig.intake.reset();
    rig.intake.script.connect = () => Promise.reject(new AppError('temporal-unavailable', 'away'));
    expect((await post(body, { key: passing })).status).toBe(503);
    rig.intake.script.connect = connects;
    expect((await post(body, { key: passing })).status).toBe(201);
    const [session, ...sessions] = rig.intake.requests.map(({ sessionId }) => sessionId);
    expect(sessions).toEqual([session]);
  });

  it('is taken over from a process that died, on the same session', async () => {
    rig.intake.script.connect = () => Promise.reject(new AppError('internal', 'the process dies'));
    const key = randomUUID();
    const body = { principal_id: randomUUID(), request_token: 'a' };
    expect((await post(body, { key })).status).toBe(500);
    // As a process leaves it that was killed in the middle, a moment before its claim runs out.
    await rig.pool.query(
      `UPDATE idempotency_keys SET claim_id = 'dead', claimed_until = now() + interval '1 second' WHERE key = $1`,
      [key],
    );
    rig.intake.script.connect = connects;
    expect((await post(body, { key })).status).toBe(201);
    const [first, second] = rig.intake.requests;
    expect(second?.sessionId).toBe(first?.sessionId);
  });

  it('must be 1 to 255 visible ASCII characters', async () => {
    const body = { principal_id: randomUUID(), request_token: 'a' };
    for (const key of ['a'.repeat(256), 'a b', 'ä']) {
      const reply = await post(body, { key });
      expect([reply.status, reply.json.fields]).toEqual([400, ['idempotency-key']]);
    }
    rig.intake.script.connect = connects;
    expect((await post(body, { key: '!'.repeat(255) })).status).toBe(201);
  });

  it('leaves no secret in the database', async () => {
    rig.intake.script.connect = connects;
    await post({ principal_id: randomUUID(), request_token: 'findme-secret' }, { key: randomUUID() });
    const { rows } = await rig.pool.query<{ text: string }>('SELECT k::text AS text FROM idempotency_keys k');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(({ text }) => text).join()).not.toContain('findme-secret');
  });
});
