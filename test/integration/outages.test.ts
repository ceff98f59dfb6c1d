/**
 * One half of the system is away, or lost for good: what readers are told meanwhile, and that every connection goes on
 * afterwards.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { connectionWorkflowId, refreshUpdate } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type OwnTemporal, startOwnTemporal } from '../rig/own-temporal.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';
import { createDatabaseProxy, type DatabaseProxy } from './db-proxy.ts';

const HOUR_MS = 3_600_000;

let backend: Backend;
let second: OwnTemporal;
let proxy: DatabaseProxy;
/** Of the world after Temporal's loss. */
let environment: Readonly<Record<string, string>>;
let overdue: ConnectionKey;
let read: ConnectionKey;
let stale: ConnectionKey;

beforeAll(async () => {
  [backend, second] = await Promise.all([createBackend({ settings: { rotation: 'strict' } }), startOwnTemporal()]);
  proxy = await createDatabaseProxy(backend.environment.DATABASE_URL);
  environment = {
    ...backend.environment,
    TEMPORAL_ADDRESS: second.address,
    TEMPORAL_NAMESPACE: second.namespace,
    PORT: String(await freePort()),
    EVERGRANT_HOME: '/nonexistent',
  };
  const before = await backend.startWorker();
  [overdue, read, stale] = await Promise.all([connected(), connected(), connected()]);
  await before.kill();
});
afterAll(async () => {
  // A session that hangs in the proxy is one on the database.
  await proxy.close();
  await backend.close();
  await second.close();
});

async function connected(): Promise<ConnectionKey> {
  const { key, result } = await backend.connect();
  expect(result).toMatchObject({ settled: true, state: 'active' });
  return key;
}

async function change(key: ConnectionKey, over: Partial<Connection>): Promise<void> {
  await backend.connections.transact(key, ({ connection }) => {
    if (connection === null) throw new Error('there is no such connection');
    return { result: null, changes: { connection: { ...connection, ...over } } };
  });
}

describe("after the loss of Temporal's whole database", () => {
  beforeAll(async () => {
    await change(overdue, { nextActionAtMs: Date.now() - 2 * HOUR_MS });
    await backend.startWorker(environment);
  });

  it('the first worker brings the Schedule along, which brings back what is overdue', async () => {
    const healed = await waitFor('the overdue refresh', 15_000, async () => {
      const connection = await backend.connection(overdue);
      return connection.version > 1 ? connection : null;
    });
    expect(healed).toMatchObject({ state: 'active', version: 2 });
    await expect(second.client.workflow.getHandle(connectionWorkflowId(read)).describe()).rejects.toThrow();
  });

  it('`evergrant reconcile` brings back all others at once, and all go on with the tokens they had', async () => {
    const reconciled = await evergrant(environment, ['reconcile', '--json']);
    expect(reconciled.json()).toEqual({ seen: 3, started: 2, running: 1, failed: 0 });
    for (const key of [overdue, read, stale]) {
      const { version } = await backend.connection(key);
      const handle = second.client.workflow.getHandle(connectionWorkflowId(key));
      const result = await handle.executeUpdate(refreshUpdate, { args: [{}] });
      expect(result).toEqual({ settled: true, state: 'active', version: version + 1 });
    }
  });
});

describe('an API whose other half is away', () => {
  let bearer: string;

  beforeAll(async () => {
    await backend.startApi({ ...environment, DATABASE_URL: proxy.url });
    const scopes = ['tokens:read', 'connections:read'].flatMap((scope) => ['--scope', scope]);
    const created = await evergrant(environment, [
      'clients',
      'create',
      '--name',
      't',
      '--app',
      'demo',
      ...scopes,
      '--json',
    ]);
    bearer = String(created.json().token);
  });

  /** The token has had its hour but for a second. */
  const makeStale = () =>
    change(stale, { accessTokenSentAtMs: Date.now() - HOUR_MS, accessTokenExpiresAtMs: Date.now() + 1_000 });

  async function get(key: ConnectionKey) {
    const startedAt = performance.now();
    const url = `http://127.0.0.1:${environment.PORT}/v1/apps/${key.app}/connections/${key.principal}/token`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${bearer}` } });
    const json = (await response.json()) as Record<string, unknown>;
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      json,
      ms: performance.now() - startedAt,
    };
  }

  it('serves fresh tokens without Temporal, says within five seconds that stale ones must wait, and loses nothing', async () => {
    await makeStale();
    const { version } = await backend.connection(stale);
    second.freeze();
    try {
      const fresh = await get(read);
      expect(fresh.status).toBe(200);
      expect(fresh.ms).toBeLessThan(1_000);
      const refused = await get(stale);
      expect([refused.status, refused.json.code]).toEqual([503, 'temporal-unavailable']);
      expect(refused.ms).toBeLessThan(5_000);
      expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    } finally {
      second.thaw();
    }
    const served = await waitFor('Temporal to be of use again', 20_000, async () => {
      const reply = await get(stale);
      return reply.status === 200 ? reply : null;
    });
    expect(served.json.version).toBe(version + 1);
  });

  it('says within five seconds that a stale token must wait when no Temporal listens at all', async () => {
    await makeStale();
    await second.lose();
    const refused = await get(stale);
    expect([refused.status, refused.json.code]).toEqual([503, 'temporal-unavailable']);
    expect(refused.ms).toBeLessThan(5_000);
    expect((await get(read)).status).toBe(200);
    expect(await backend.connection(stale)).toMatchObject({ state: 'active', lastError: null });
  });

  it.each(['cut', 'hang'] as const)('serves the fresh tokens it has in memory without a database (%s)', async (how) => {
    const before = await get(read);
    expect(before.status).toBe(200);
    proxy[how]();
    try {
      const during = await get(read);
      expect([during.status, during.json.access_token]).toEqual([200, before.json.access_token]);
      expect(during.ms).toBeLessThan(3_000);
      if (how === 'cut') expect((await get(overdue)).json.code).toBe('database-unavailable');
    } finally {
      proxy.mend();
    }
    if (how === 'hang') return;
    await waitFor('the database to be of use again', 20_000, async () =>
      (await get(overdue)).status === 200 ? true : null,
    );
  });
});
