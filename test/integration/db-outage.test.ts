import { inspect } from 'node:util';
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isAppError } from '../../core/errors.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createPool } from '../../db/pool.ts';
import { lockKey, query, transact } from '../../db/query.ts';
import { createDatabaseProxy, type DatabaseProxy } from './db-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { buildApp, buildKey, buildNewConnection } from './store-fixtures.ts';

let database: TestDatabase;
let direct: Pool;
/** May make tables. */
let owner: Pool;
let proxy: DatabaseProxy;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  direct = createPool({ url: database.url, log: silentLog });
  owner = createPool({ url: database.ownerUrl, log: silentLog });
  proxy = await createDatabaseProxy(database.url);
  pool = createPool({ url: proxy.url, log: silentLog });
  await createAppStore(direct).apply(buildApp());
});
afterEach(() => proxy.mend());
afterAll(async () => {
  await pool.end();
  await direct.end();
  await owner.end();
  await proxy.close();
  await database.drop();
});

const unavailable = { name: 'AppError', code: 'database-unavailable', retryAfterMs: 2_000 };

describe('a database that is away', () => {
  it('is reported as unavailable when nobody listens there, with what was tried', async () => {
    const nowhere = createPool({ url: 'postgres://nobody@127.0.0.1:1/none', log: silentLog });
    await expect(query(nowhere, 'SELECT 1')).rejects.toMatchObject({
      ...unavailable,
      message: 'No PostgreSQL answers at 127.0.0.1:1/none (ECONNREFUSED)',
      details: { reason: 'ECONNREFUSED', address: '127.0.0.1:1/none' },
    });
    await expect(createConnectionStore(nowhere).maybeOne(buildKey())).rejects.toMatchObject(unavailable);
    await nowhere.end();
  });

  it('is reported as unavailable when it refuses the login', async () => {
    const url = new URL(database.url);
    url.username = 'nobody';
    const locked = createPool({ url: url.href, log: silentLog });
    const error = await query(locked, 'SELECT 1').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ ...unavailable, details: { reason: '28P01' } });
    expect(inspect(error, { depth: 9 })).not.toContain(new URL(database.url).password);
    await locked.end();
  });

  it('fails what runs, not the process, and is used again when it is back', async () => {
    await query(pool, 'SELECT 1');
    const running = query(pool, 'SELECT pg_sleep(2)');
    const failed = expect(running).rejects.toMatchObject(unavailable);
    await expect.poll(() => pool.totalCount - pool.idleCount).toBeGreaterThan(0);
    proxy.cut();
    await failed;
    await expect(query(pool, 'SELECT 1')).rejects.toMatchObject(unavailable);
    proxy.mend();
    expect((await query<{ one: number }>(pool, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('writes nothing of a transaction that it was cut off from, and says so', async () => {
    const key = buildKey();
    const store = createConnectionStore(pool);
    const written = store.transact(key, () => {
      proxy.cut();
      return { result: null, changes: { connection: buildNewConnection(key) } };
    });
    await expect(written).rejects.toMatchObject(unavailable);
    expect(await createConnectionStore(direct).maybeOne(key)).toBeNull();
    proxy.mend();
    await store.transact(key, () => ({ result: null, changes: { connection: buildNewConnection(key) } }));
    expect((await store.maybeOne(key))?.connection).not.toBeNull();
  });

  it('is noticed when an administrator ends the session', async () => {
    const key = buildKey();
    const ended = transact(pool, {}, async (send) => {
      const [own] = await send({ text: 'SELECT pg_backend_pid() AS pid' });
      await query(direct, 'SELECT pg_terminate_backend($1)', [own?.rows[0].pid]);
      await send({ text: 'SELECT 1' });
      return { result: key, writes: [] };
    });
    await expect(ended).rejects.toMatchObject(unavailable);
    await query(pool, 'SELECT 1');
  });
});

describe('transactions that get in each other’s way', () => {
  it('are run again when PostgreSQL undoes one of them, and both come to their end', async () => {
    await query(owner, 'CREATE TABLE IF NOT EXISTS rows_to_lock AS SELECT generate_series(1, 2) AS id, 0 AS n');
    let runs = 0;
    let arrived = 0;
    const update = (id: number | undefined) => ({
      text: 'UPDATE rows_to_lock SET n = n + 1 WHERE id = $1',
      values: [id],
    });
    const both = [
      [1, 2],
      [2, 1],
    ].map(([first, second]) =>
      transact(owner, {}, async (send) => {
        runs += 1;
        await send(update(first));
        arrived += 1;
        // Both hold their first row before either asks for its second.
        await expect.poll(() => arrived).toBeGreaterThanOrEqual(2);
        await send(update(second));
        return { result: undefined, writes: [] };
      }),
    );
    await Promise.all(both);
    expect(runs).toBe(3);
    expect((await query(owner, 'SELECT n FROM rows_to_lock')).rows).toEqual([{ n: 2 }, { n: 2 }]);
    await query(owner, 'DROP TABLE rows_to_lock');
  });

  it('wait for a lock and see what its holder has committed', async () => {
    await query(owner, 'CREATE TABLE counted (n int)');
    const locks = [lockKey('a test')];
    await Promise.all(
      Array.from({ length: 30 }, () =>
        transact(owner, { locks }, async (send) => {
          const [count] = await send({ text: 'SELECT count(*)::int AS n FROM counted' });
          return {
            result: undefined,
            writes: [{ text: 'INSERT INTO counted VALUES ($1)', values: [count?.rows[0].n] }],
          };
        }),
      ),
    );
    const { rows } = await query<{ n: number }>(owner, 'SELECT n FROM counted ORDER BY n');
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 30 }, (_, index) => index));
    await query(owner, 'DROP TABLE counted');
  });
});

describe('an error that is nobody’s outage', () => {
  it('stays what it is, and the client stays in the pool', async () => {
    const before = direct.totalCount;
    const error = await query(direct, 'SELECT nonsense').catch((caught: unknown) => caught);
    expect(isAppError(error)).toBe(false);
    expect(error).toMatchObject({ code: '42703' });
    expect(direct.totalCount).toBe(before);
    expect(direct.idleCount).toBe(direct.totalCount);
  });

  it('is the cause that is told when later statements fail because of it', async () => {
    const failing = transact(direct, {}, async (send) => {
      await send({ text: 'SELECT 1' }, { text: 'SELECT nonsense' }, { text: 'SELECT 2' });
      return { result: undefined, writes: [] };
    });
    await expect(failing).rejects.toMatchObject({ code: '42703' });
    expect((await query(direct, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});
