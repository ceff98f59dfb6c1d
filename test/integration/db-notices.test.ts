import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Notice, Notices } from '../../core/stores.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createClientStore } from '../../db/client-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createNotices } from '../../db/notices.ts';
import { createPool } from '../../db/pool.ts';
import { createDatabaseProxy, type DatabaseProxy } from './db-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { act, buildApp, buildEntry, buildKey, buildNewConnection, NOW_MS } from './store-fixtures.ts';

let database: TestDatabase;
let pool: Pool;
let proxy: DatabaseProxy;
let notices: Notices;
let heard: Notice[];
let gaps: number;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  await createAppStore(pool).apply(buildApp());
});
beforeEach(async () => {
  heard = [];
  gaps = 0;
  proxy = await createDatabaseProxy(database.url);
  notices = createNotices({ url: proxy.url, pool, log: silentLog, proofEveryMs: 50, proofMaxAgeMs: 500 });
  notices.subscribe(
    (notice) => heard.push(notice),
    () => {
      gaps += 1;
    },
  );
  await expect.poll(() => notices.isProven()).toBe(true);
});
afterEach(async () => {
  await notices.close();
  await proxy.close();
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('the listener for notices', () => {
  it('hears of every change of a connection that a cache must know, after its commit, and of no other', async () => {
    const store = createConnectionStore(pool);
    const key = buildKey();
    const connection = buildNewConnection(key);
    await store.transact(key, () => ({ result: null, changes: { connection } }));
    await store.transact(key, () => ({
      result: null,
      changes: { connection: { ...connection, state: 'active', version: 1 } },
    }));
    const token = { sealed: 's', attemptId: 'a', tokenType: 'Bearer' } as const;
    await store.transact(key, () => ({ result: null, changes: { accessToken: token } }));
    await store.transact(key, () => ({ result: null, changes: { events: [buildEntry()] } }));
    await store.touchRead([{ ...key, atMs: NOW_MS }]);
    await store
      .transact(key, () => ({
        result: null,
        changes: { connection: { ...connection, version: 9 }, events: [buildEntry({ type: null as never })] },
      }))
      .catch(() => undefined);
    await createClientStore(pool).revoke('nobody', NOW_MS, act);
    await store.transact(key, () => ({ result: null, changes: { accessToken: null } }));
    const notice = (version: number): Notice => ({ kind: 'connection', ...key, version });
    await expect.poll(() => heard).toEqual([notice(0), notice(1), notice(1), notice(1)]);
  });

  it('hears of clients that are made and revoked', async () => {
    const clients = createClientStore(pool);
    const client = {
      id: 'client-1',
      name: 'n',
      scopes: [],
      apps: [],
      principals: null,
      jwk: null,
      createdAtMs: NOW_MS,
      expiresAtMs: null,
      revokedAtMs: null,
    };
    await clients.create(client, act);
    await clients.revoke('client-1', NOW_MS, act);
    await clients.revoke('client-1', NOW_MS, act);
    const notice: Notice = { kind: 'client', id: 'client-1' };
    await expect.poll(() => heard).toEqual([notice, notice]);
  });

  it('tells of the gap when its connection is lost, is proven again when it is back, and hears on', async () => {
    const before = gaps;
    proxy.cut();
    await expect.poll(() => notices.isProven()).toBe(false);
    expect(gaps).toBeGreaterThan(before);
    const whileAway = gaps;
    proxy.mend();
    await expect.poll(() => notices.isProven(), { timeout: 5_000 }).toBe(true);
    // Once more: what came between the loss and the new LISTEN was not heard.
    expect(gaps).toBeGreaterThan(whileAway);
    await pool.query(`SELECT pg_notify('evergrant_notices', '{"kind":"client","id":"c9"}')`);
    await expect.poll(() => heard).toEqual([{ kind: 'client', id: 'c9' }]);
  });

  it('does not trust a connection that lives but carries nothing, and makes a new one', async () => {
    const before = gaps;
    proxy.hang();
    await expect.poll(() => notices.isProven(), { timeout: 3_000 }).toBe(false);
    await expect.poll(() => gaps, { timeout: 3_000 }).toBeGreaterThan(before);
    proxy.mend();
    await expect.poll(() => notices.isProven(), { timeout: 15_000 }).toBe(true);
  }, 20_000);

  it('skips a notice that it does not understand', async () => {
    for (const payload of ['nonsense', '{"kind":"other"}', '{"kind":"connection","app":"a"}', 'null', '[]', '']) {
      await pool.query('SELECT pg_notify($1, $2)', ['evergrant_notices', payload]);
    }
    await pool.query(`SELECT pg_notify('evergrant_notices', '{"kind":"client","id":"c9"}')`);
    await expect.poll(() => heard).toEqual([{ kind: 'client', id: 'c9' }]);
  });

  it('calls nobody who has unsubscribed', async () => {
    let calls = 0;
    const count = (): void => {
      calls += 1;
    };
    notices.subscribe(count, count)();
    await pool.query(`SELECT pg_notify('evergrant_notices', '{"kind":"client","id":"c9"}')`);
    await expect.poll(() => heard).toHaveLength(1);
    expect(calls).toBe(0);
  });

  it('can be closed while its database is away', async () => {
    proxy.cut();
    await expect.poll(() => notices.isProven()).toBe(false);
    await notices.close();
    expect(notices.isProven()).toBe(false);
  });
});
