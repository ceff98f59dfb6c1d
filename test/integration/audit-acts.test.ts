/** Who did what, when and in which request: every act of the partner API and of the command line, and where it is read. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAppStore } from '../../db/app-store.ts';
import { createAuditStore } from '../../db/audit-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createPool } from '../../db/pool.ts';
import { createTestDatabase } from '../rig/test-database.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';
import { createPartnerRig, type PartnerRig } from './partner-rig.ts';
import { buildApp, buildFullConnection, buildKey } from './store-fixtures.ts';

const UUID = /^[0-9a-f-]{36}$/;

describe('a request to the partner API', () => {
  let rig: PartnerRig;
  let client: { readonly id: string; readonly token: string };
  beforeAll(async () => {
    rig = await createPartnerRig();
    client = await rig.mint();
  });
  afterAll(() => rig.close());

  const call = (method: string, path: string, requestId: string, body?: unknown) =>
    rig.call(method, path, { token: client.token, body, headers: { 'x-request-id': requestId } });

  async function trailOf(path: string): Promise<readonly object[]> {
    const { json } = await rig.call('GET', `${path}/events`, { token: client.token });
    return (json.items as Record<string, unknown>[]).map(({ type, actor, reason, correlation_id }) => ({
      type,
      actor,
      reason,
      correlation_id,
    }));
  }

  it.each([
    ['POST', 'pause', { reason: 'holidays' }, 'command.paused', 'holidays'],
    ['POST', 'revoke', { reason: 'contract ended' }, 'command.revoked', 'contract ended'],
    ['PATCH', '', { customer_ref: 'ACME-7' }, 'command.customer-ref-set', null],
  ])('%s %s is on the trail of its connection, with its own id', async (method, verb, body, type, reason) => {
    const { path } = await rig.addConnection();
    const requestId = `audit-${verb || 'patch'}`;
    await call(method, verb === '' ? path : `${path}/${verb}`, requestId, body);
    const actor = `client:${client.id}`;
    expect((await trailOf(path))[0]).toEqual({ type, actor, reason, correlation_id: requestId });
  });

  it('for a token is on the trail at its first time, and at no other', async () => {
    const { path } = await rig.addConnection({ version: 4 });
    const other = await rig.mint();
    for (let n = 0; n < 5; n += 1) expect((await call('GET', `${path}/token`, `read-${n}`)).status).toBe(200);
    await rig.call('GET', `${path}/token`, { token: other.token, headers: { 'x-request-id': 'read-by-other' } });
    const reads = async () => (await trailOf(path)).filter((event) => 'type' in event && event.type === 'token.read');
    await expect.poll(async () => (await reads()).length, { timeout: 5_000 }).toBe(2);
    expect(await reads()).toEqual(
      expect.arrayContaining([
        { type: 'token.read', actor: `client:${client.id}`, reason: null, correlation_id: 'read-0' },
        { type: 'token.read', actor: `client:${other.id}`, reason: null, correlation_id: 'read-by-other' },
      ]),
    );
  });

  it('that is refused a token leaves no read behind', async () => {
    const { path } = await rig.addConnection({ state: 'paused' });
    expect((await call('GET', `${path}/token`, 'refused')).status).toBe(409);
    // A read that is noted after it is written with it or later.
    const later = await rig.addConnection();
    await call('GET', `${later.path}/token`, 'given');
    const wasRead = expect.objectContaining({ type: 'token.read' });
    await expect.poll(() => trailOf(later.path), { timeout: 5_000 }).toContainEqual(wasRead);
    expect(await trailOf(path)).not.toContainEqual(wasRead);
  });

  it('for a verification code is on the trail of the app', async () => {
    const made = await call('POST', '/v1/apps/demo/verification-codes', 'code-request', { label: 'for Acme' });
    expect(made.status).toBe(201);
    const [event] = await createAuditStore(rig.pool).manyOfApp('demo', 1);
    expect(event).toMatchObject({
      type: 'code.created',
      actor: `client:${client.id}`,
      correlationId: 'code-request',
      facts: { label: 'for Acme' },
    });
    expect(JSON.stringify(event)).not.toContain(String(made.json.code));
  });
});

describe('a call of the command line', () => {
  it('is on the trail with its user and an id of its own, which `apps show` and `connections events` show', async () => {
    const database = await createTestDatabase();
    const pool = createPool({ url: database.url, log: silentLog });
    try {
      await createAppStore(pool).apply(buildApp());
      const key = buildKey();
      const connection = buildFullConnection(key, { state: 'active' });
      await createConnectionStore(pool).transact(key, () => ({ result: null, changes: { connection } }));
      const environment = {
        DATABASE_URL: database.url,
        EVERGRANT_HOME: `/nonexistent/${randomUUID()}`,
        EVERGRANT_KEKS: `k1:${randomBytes(32).toString('base64url')}`,
        PUBLIC_URL: 'https://connect.example.com',
        TEMPORAL_ADDRESS: '127.0.0.1:1',
      };
      const run = (...argv: string[]) => evergrant(environment, argv);
      expect((await run('codes', 'create', 'demo', '--label', 'for Acme')).code).toBe(0);
      const client = await run('clients', 'create', '--name', 'n', '--app', 'demo', '--scope', 'tokens:read', '--json');
      const id = String(client.json().client_id);
      expect((await run('clients', 'revoke', id)).code).toBe(0);
      // Temporal is away: recorded, and to be tried again.
      expect((await run('connections', 'pause', 'demo', key.principal, '--reason', 'holidays')).code).toBe(75);

      const shown = await run('apps', 'show', 'demo', '--json');
      const events = shown.json().events as Record<string, string>[];
      expect(events.map(({ type }) => type)).toEqual(['client.revoked', 'client.created', 'code.created', 'app.added']);
      const [revoked, created, code] = events;
      expect(created).toMatchObject({ subject: id, actor: expect.stringMatching(/^cli:/) });
      for (const event of [revoked, created, code]) expect(event?.correlation_id).toMatch(UUID);
      expect(new Set([revoked, created, code].map((event) => event?.correlation_id)).size).toBe(3);
      const { out } = await run('apps', 'show', 'demo');
      for (const word of ['LAST EVENTS', 'client.revoked', id, 'apps-file']) expect(out).toContain(word);

      const trail = (await run('connections', 'events', 'demo', key.principal, '--json')).json();
      expect((trail.items as object[])[0]).toMatchObject({
        type: 'command.paused',
        actor: expect.stringMatching(/^cli:/),
        reason: 'holidays',
        correlation_id: expect.stringMatching(UUID),
      });
    } finally {
      await pool.end();
      await database.drop();
    }
  });
});
