/**
 * A backup of the database from before rotations is restored, Temporal knowing more than it. Where SAP Concur lets old
 * refresh tokens live, nobody notices; where it kills them at once, what was lost is found, held and listed.
 */
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createPool } from '../../db/pool.ts';
import { refreshUpdate } from '../../workflows/contract.ts';
import { copyTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { startArchivingPostgres } from './archiving-postgres.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';

const LAX = 2;
const STRICT = 7;
const UNTOUCHED = 2;

let backend: Backend;
const copies: TestDatabase[] = [];
const pools: Pool[] = [];
let lax: readonly ConnectionKey[];
let strict: readonly ConnectionKey[];
let untouched: readonly ConnectionKey[];

beforeAll(async () => {
  backend = await createBackend();
  const worker = await backend.startWorker();
  const keys: ConnectionKey[] = [];
  for (let n = 0; n < LAX + STRICT + UNTOUCHED; n += 1) keys.push((await backend.connect()).key);
  lax = keys.slice(0, LAX);
  strict = keys.slice(LAX, LAX + STRICT);
  untouched = keys.slice(LAX + STRICT);
  copies.push(await copyTestDatabase(backend.database), await copyTestDatabase(backend.database));

  backend.sandbox.setRotation(backend.concurApp.clientId, 'lax');
  await Promise.all(lax.map(refresh));
  backend.sandbox.setRotation(backend.concurApp.clientId, 'strict');
  await Promise.all(strict.map(refresh));
  for (const key of [...lax, ...strict]) expect(await backend.connection(key)).toMatchObject({ version: 2 });
  await worker.stop();
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await backend.close();
  await Promise.all(copies.map((copy) => copy.drop()));
});

const refresh = (key: ConnectionKey) => backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] });

/** The system on one of the copies, as an operator brings it up again. */
async function restore(index: number, env: Readonly<Record<string, string>> = {}) {
  const copy = copies[index];
  if (copy === undefined) throw new Error('there is no such copy');
  const environment = { ...backend.environment, DATABASE_URL: copy.url, EVERGRANT_HOME: '/nonexistent' };
  const worker = await backend.startWorker({ ...environment, ...env });
  const restarted = await evergrant(environment, ['reconcile', '--restart', '--json']);
  expect(restarted.json()).toEqual({
    seen: LAX + STRICT + UNTOUCHED,
    started: restarted.json().seen,
    running: 0,
    failed: 0,
  });
  const pool = createPool({ url: copy.url, log: silentLog });
  pools.push(pool);
  const store = createConnectionStore(pool);
  return {
    worker,
    connections: (keys: readonly ConnectionKey[]): Promise<(Connection | null | undefined)[]> =>
      Promise.all(keys.map(async (key) => (await store.maybeOne(key))?.connection)),
    async listed(state: string): Promise<{ readonly principal_id: string; readonly reason: string }[]> {
      const { items } = (
        await evergrant(environment, ['connections', 'list', 'demo', '--state', state, '--json'])
      ).json();
      return items as { principal_id: string; reason: string }[];
    },
  };
}

describe('a backup from before rotations', () => {
  it('costs nothing where old tokens live on, and no more connections than the brake lets through where they die', async () => {
    const { worker, connections, listed } = await restore(0);
    await Promise.all([...lax, ...untouched, ...strict].map(refresh));
    for (const connection of await connections([...lax, ...untouched])) {
      expect(connection).toMatchObject({ state: 'active', version: 2, lastError: null });
    }
    const dead = await listed('reauthorization-required');
    const held = await listed('suspended');
    expect([dead.length, held.length]).toEqual([5, STRICT - 5]);
    expect(held.map(({ reason }) => reason)).toEqual(held.map(() => 'held-by-brake'));
    const found = [...dead, ...held].map(({ principal_id: principal }) => principal);
    expect(found.toSorted()).toEqual(strict.map(({ principal }) => principal).toSorted());
    await worker.stop();
  });

  it('declares nobody disconnected when the brake is drawn beforehand', async () => {
    const { connections, listed } = await restore(1, { MASS_DEATH_LIMIT: '0,0' });
    await Promise.all(strict.map(refresh));
    for (const connection of await connections(strict)) {
      expect(connection).toMatchObject({ state: 'suspended', reason: 'held-by-brake', version: 1 });
    }
    expect(await listed('suspended')).toHaveLength(STRICT);
    expect(await listed('reauthorization-required')).toEqual([]);
  });
});

describe('a restore to the last moment, from a base backup and the archived log,', () => {
  it('loses nothing although SAP Concur kills old tokens at once: what was refreshed and connected since goes on', async () => {
    const postgres = await startArchivingPostgres();
    const { database } = postgres;
    const own = await createBackend({ settings: { rotation: 'strict' } }, { database });
    onTestFinished(async () => {
      await own.close();
      await postgres.close();
    });
    const before = await own.startWorker();
    const keys = [(await own.connect()).key, (await own.connect()).key];
    await postgres.backUp();
    for (const key of keys) await own.handle(key).executeUpdate(refreshUpdate, { args: [{}] });
    keys.push((await own.connect()).key);
    await postgres.lose();
    await before.kill();

    const environment = { ...own.environment, DATABASE_URL: await postgres.restore(), EVERGRANT_HOME: '/nonexistent' };
    await own.startWorker({ ...environment, MASS_DEATH_LIMIT: '0,0' });
    const restarted = await evergrant(environment, ['reconcile', '--restart', '--json']);
    expect(restarted.json()).toEqual({ seen: 3, started: 3, running: 0, failed: 0 });
    for (const key of keys) await own.handle(key).executeUpdate(refreshUpdate, { args: [{}] });
    const listed = await evergrant(environment, ['connections', 'list', 'demo', '--json']);
    const items = listed.json().items as { readonly principal_id: string; readonly state: string; version: number }[];
    const found = new Map(items.map(({ principal_id: principal, state, version }) => [principal, [state, version]]));
    expect(keys.map(({ principal }) => found.get(principal))).toEqual([
      ['active', 3],
      ['active', 3],
      ['active', 2],
    ]);
    const calls = own.sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' });
    expect(calls.filter(({ status }) => status !== 200)).toEqual([]);
  }, 240_000);
});
