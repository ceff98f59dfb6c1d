/** What the partner API shows of connections, and the codes that it makes. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../core/secret.ts';
import { verificationCodeContext } from '../../core/verification-code.ts';
import { createPartnerRig, LISTING_URL, type PartnerRig } from './partner-rig.ts';

let rig: PartnerRig;
let client: { readonly id: string; readonly token: string };
beforeAll(async () => {
  rig = await createPartnerRig();
  client = await rig.mint();
});
afterAll(async () => {
  await rig.close();
});
beforeEach(() => rig.script.reset());

function call(method: string, path: string, body?: unknown) {
  return rig.call(method, path, { token: client.token, body });
}

async function eventsOf(path: string) {
  const { json } = await call('GET', `${path}/events`);
  return json.items as readonly Record<string, unknown>[];
}

describe('the list of connections', () => {
  it('is paged by principal and narrowed by state, data centre, customer and the caller’s principals', async () => {
    const customer = `customer-${randomUUID()}`;
    const added = [
      await rig.addConnection({ customerRef: customer }),
      await rig.addConnection({ customerRef: customer, dataCentre: 'eu2' }),
      await rig.addConnection({ customerRef: customer, state: 'suspended' }),
      await rig.addConnection({ customerRef: customer, state: 'revoked' }),
    ];
    const [first, second, third] = added.map(({ connection }) => connection.principal);
    await rig.addConnection({ app: 'other', customerRef: customer });
    const list = async (more: string, token = client.token): Promise<readonly unknown[]> => {
      const path = `/v1/apps/demo/connections?customer_ref=${customer}${more}`;
      const { status, json } = await rig.call('GET', path, { token });
      expect(status).toBe(200);
      return (json.items as { principal_id: string }[]).map(({ principal_id: principal }) => principal);
    };
    const principals = added.map(({ connection }) => connection.principal).toSorted();
    expect(await list('')).toEqual(principals);
    expect(await list('&state=suspended')).toEqual([third]);
    expect(await list('&data_center=eu2')).toEqual([second]);
    expect(await list('&unheard=of')).toHaveLength(4);
    const narrow = await rig.mint({ principals: [first ?? '', randomUUID()] });
    expect(await list('', narrow.token)).toEqual([first]);

    const seen: unknown[] = [];
    let cursor = '';
    do {
      const path = `/v1/apps/demo/connections?customer_ref=${customer}&limit=3${cursor}`;
      const { json } = await call('GET', path);
      seen.push(...(json.items as { principal_id: string }[]).map(({ principal_id: principal }) => principal));
      cursor = json.next_cursor === null ? '' : `&cursor=${String(json.next_cursor)}`;
    } while (cursor !== '');
    expect(seen).toEqual(principals);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=', 'limit'],
    ['state=gone', 'state'],
    ['state=active&state=active', 'state'],
    ['data_center=%00', 'data_center'],
    ['customer_ref=', 'customer_ref'],
    ['customer_ref=%00', 'customer_ref'],
    ['cursor=', 'cursor'],
    ['cursor=abc', 'cursor'],
  ])('refuses %s', async (query, field) => {
    const reply = await call('GET', `/v1/apps/demo/connections?${query}`);
    expect([reply.status, reply.json.code]).toEqual([400, 'bad-request']);
    expect(reply.json.detail).toContain(field);
  });
});

describe('a connection', () => {
  it('is shown from the database, whatever its state, without asking Temporal', async () => {
    for (const state of ['active', 'connect-failed', 'revoked', 'reauthorization-required'] as const) {
      const { path, connection } = await rig.addConnection({ state });
      const { status, json } = await call('GET', path);
      expect([status, json.state]).toEqual([200, state]);
      expect(json).toMatchObject({
        app: 'demo',
        principal_id: connection.principal,
        company: { name: 'Ünïcode & Söhne', domain: 'example.com' },
        workflow_id: `concur-connection:demo:${connection.principal}`,
        listing_url: LISTING_URL,
      });
    }
    expect(rig.calls).toEqual([]);
  });

  it('is shown as its workflow sees it on request, and from the row when none is running', async () => {
    const { path } = await rig.addConnection();
    const { json: row } = await call('GET', path);
    expect((await call('GET', `${path}?source=workflow`)).json).toEqual(row);
    rig.script.status = async () => ({ ...row, state: 'retrying' }) as never;
    expect((await call('GET', `${path}?source=workflow`)).json).toEqual({ ...row, state: 'retrying' });
    rig.temporal.isAway = true;
    const away = await call('GET', `${path}?source=workflow`);
    expect([away.status, away.json.code]).toEqual([503, 'temporal-unavailable']);
    expect(away.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await call('GET', `${path}?source=elsewhere`)).status).toBe(400);
  });

  it('takes the partner’s name for the customer, and its absence, and says in the trail who gave it', async () => {
    const { path } = await rig.addConnection({ customerRef: null });
    const named = await call('PATCH', path, { customer_ref: 'Größe 1' });
    expect([named.status, named.json.customer_ref]).toEqual([200, 'Größe 1']);
    const cleared = await call('PATCH', path, { customer_ref: null });
    expect([cleared.status, cleared.json.customer_ref]).toEqual([200, null]);
    expect((await eventsOf(path))[0]).toMatchObject({ actor: `client:${client.id}` });
    for (const customerRef of ['', 'x'.repeat(201), 'a\u0000b', 'a\nb', 7]) {
      expect((await call('PATCH', path, { customer_ref: customerRef })).status).toBe(400);
    }
  });

  it('has a trail, newest first and paged', async () => {
    const { path } = await rig.addConnection();
    for (const name of ['pause', 'resume', 'pause']) await call('POST', `${path}/${name}`, { reason: name });
    const types = (await eventsOf(path)).map(({ type }) => type);
    expect(types).toEqual(['command.paused', 'command.resumed', 'command.paused', 'connection.connected']);
    const first = await call('GET', `${path}/events?limit=3`);
    const second = await call('GET', `${path}/events?limit=3&cursor=${String(first.json.next_cursor)}`);
    expect((second.json.items as readonly unknown[]).length).toBe(1);
    expect(second.json.next_cursor).toBeNull();
    expect((await call('GET', `${path}/events?cursor=e30`)).status).toBe(400);
  });
});

describe('a verification code', () => {
  const path = '/v1/apps/demo/verification-codes';
  const DAY_MS = 86_400_000;

  it('is shown once, and stored as what the landing page looks for', async () => {
    const principal = randomUUID();
    const given = { label: 'letter to Aurora', customer_ref: 'c-1', principal_id: principal.toUpperCase(), ttl: '2d' };
    const reply = await call('POST', path, given);
    expect(reply.status).toBe(201);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    const code = String(reply.json.code);
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
    expect(Date.parse(String(reply.json.expires_at)) - Date.now()).toBeGreaterThan(2 * DAY_MS - 60_000);
    const fingerprint = await rig.vault.fingerprint(new Secret(code), verificationCodeContext('demo'));
    const { rows } = await rig.pool.query('SELECT * FROM verification_codes WHERE fingerprint = $1', [fingerprint]);
    expect(rows).toEqual([
      expect.objectContaining({ app: 'demo', principal, customer_ref: 'c-1', created_by: `client:${client.id}` }),
    ]);
    expect(JSON.stringify(rows)).not.toContain(code);
  });

  it('works for seven days unless told otherwise, and for thirty at most', async () => {
    const { json } = await call('POST', path);
    expect(Math.abs(Date.parse(String(json.expires_at)) - Date.now() - 7 * DAY_MS)).toBeLessThan(60_000);
    expect((await call('POST', path, { ttl: '30d' })).status).toBe(201);
    for (const ttl of ['31d', '721h', '0d', 'soon', '', 7, '-1d', '500ms']) {
      const reply = await call('POST', path, { ttl });
      expect.soft([ttl, reply.status]).toEqual([ttl, 400]);
      expect.soft(reply.json.fields).toEqual(['ttl']);
    }
  });

  it('takes no text that is half a character, which no database could keep', async () => {
    const { token } = await rig.mint();
    for (const body of [{ label: 'half \ud83d' }, { customer_ref: '\udc00' }]) {
      const reply = await rig.call('POST', '/v1/apps/demo/verification-codes', { token, body });
      expect([reply.status, reply.json.fields]).toEqual([400, Object.keys(body)]);
    }
    const whole = { label: 'whole \u{1f600}' };
    expect((await rig.call('POST', '/v1/apps/demo/verification-codes', { token, body: whole })).status).toBe(201);
  });

  it('lets nobody in whom its maker may not use', async () => {
    const principal = randomUUID();
    const { token } = await rig.mint({ principals: [principal] });
    const make = (body: unknown, app = 'demo') =>
      rig.call('POST', `/v1/apps/${app}/verification-codes`, { token, body });
    expect((await make({ principal_id: principal })).status).toBe(201);
    expect((await make({ principal_id: randomUUID() })).status).toBe(403);
    expect((await make({ principal_id: randomUUID() }, 'unheard-of')).status, 'before any look-up').toBe(403);
    expect((await make({})).status, 'a code for every company').toBe(403);
  });
});
