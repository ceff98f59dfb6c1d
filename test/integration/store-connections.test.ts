/** The connection store on PostgreSQL. Longer than 300 lines: each promise of the port has its case. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Changes } from '../../core/aggregate.ts';
import { type ConnectionKey, connectionStates } from '../../core/connection.ts';
import type { ConnectionStore } from '../../core/stores.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createPool } from '../../db/pool.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import {
  act,
  buildApp,
  buildAttempt,
  buildConnectSession,
  buildEntry,
  buildFullConnection,
  buildKey,
  buildNewConnection,
  NOW_MS,
  holderOf,
} from './store-fixtures.ts';

let database: TestDatabase;
let pool: Pool;
let store: ConnectionStore;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  store = createConnectionStore(pool);
  await createAppStore(pool).apply(buildApp());
  await createAppStore(pool).apply(buildApp({ app: 'other' }));
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Writes without looking. */
function write(key: ConnectionKey, changes: Changes): Promise<null> {
  return store.transact(key, () => ({ result: null, changes }));
}

/** What a transaction sees. */
function load(key: ConnectionKey) {
  return store.transact(key, (aggregate) => ({ result: aggregate, changes: {} }));
}

describe('a transaction on a connection', () => {
  it('sees nothing of a connection that does not exist yet, and keeps nothing when it changes nothing', async () => {
    const key = buildKey();
    const grant = { current: null, previous: null };
    const empty = { connection: null, grant, attempts: [], sessions: [], appTroubles: [] };
    expect(await load(key)).toEqual(empty);
    expect(await store.maybeOne(key)).toBeNull();
    expect(await store.maybeAccessToken(key)).toBeNull();
  });

  it('brings back every field as it was written, to the millisecond', async () => {
    const key = buildKey();
    const connection = buildFullConnection(key);
    const grant = {
      current: { sealed: 'sealed-1', attemptId: 'run:1', refused: false },
      previous: { sealed: 'sealed-0', attemptId: 'run:0', refused: true },
    };
    const candidate = { sealed: 'sealed-2', attemptId: 'run:2', refused: true };
    const attempt = buildAttempt({
      kind: 'exchange',
      status: 'received',
      versionRead: 6,
      tokenAttemptId: 'run:1',
      sessionId: 'session-1',
      answer: 'sealed-answer',
      candidate,
    });
    const session = buildConnectSession({ userId: 'user-1', customerRef: 'ref-1', uses: 2, failure: null });
    await write(key, { connection, grant, attempts: [attempt], sessions: [session] });
    const expected = { connection, grant, attempts: [attempt], sessions: [session], appTroubles: [] };
    expect(await load(key)).toEqual(expected);
    expect(await store.maybeOne(key)).toEqual(expected);

    const bare = buildNewConnection(key, { id: connection.id });
    await write(key, { connection: bare, grant: { current: null, previous: null } });
    // A later read never gets lost, whatever an older transaction believed.
    expect((await load(key)).connection).toEqual({ ...bare, lastReadAtMs: connection.lastReadAtMs });
  });

  it.each(connectionStates)('can write the state %s', async (state) => {
    const key = buildKey();
    await write(key, { connection: buildNewConnection(key, { state }) });
    expect((await store.maybeOne(key))?.connection?.state).toBe(state);
  });

  it('keeps the grant when only the connection changes, and the other way round', async () => {
    const key = buildKey();
    const connection = buildNewConnection(key);
    const grant = { current: { sealed: 's', attemptId: 'a', refused: false }, previous: null };
    await write(key, { connection, grant });
    await write(key, { connection: { ...connection, version: 1 } });
    expect((await load(key)).grant).toEqual(grant);
    await write(key, { grant: { current: null, previous: grant.current } });
    const { connection: after, grant: moved } = await load(key);
    expect(after?.version).toBe(1);
    expect(moved).toEqual({ current: null, previous: grant.current });
  });

  it('lets one of ten that find no row insert it', async () => {
    const key = buildKey();
    const results = await Promise.all(
      Array.from({ length: 10 }, () =>
        store.transact(key, ({ connection }) =>
          connection === null
            ? { result: 'inserted', changes: { connection: buildNewConnection(key) } }
            : { result: 'found', changes: {} },
        ),
      ),
    );
    expect(results.filter((result) => result === 'inserted')).toHaveLength(1);
  });

  it('is alone: fifty that count up at once lose none, and none misses what the one before it has attempted', async () => {
    const key = buildKey();
    const first = buildNewConnection(key);
    await write(key, { connection: first });
    const seen = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        store.transact(key, ({ connection, attempts }) => ({
          result: { version: connection?.version ?? -1, attempts: attempts.length },
          changes: {
            connection: { ...(connection ?? first), version: (connection?.version ?? 0) + 1 },
            attempts: [buildAttempt({ startedAtMs: NOW_MS + index })],
          },
        })),
      ),
    );
    expect((await load(key)).connection?.version).toBe(50);
    for (const { version, attempts } of seen) expect(attempts).toBe(version);
    expect(new Set(seen.map(({ version }) => version)).size).toBe(50);
  });

  it('writes nothing at all when the decision throws, and hands the error on as it is', async () => {
    const key = buildKey();
    await write(key, { connection: buildNewConnection(key) });
    const error = new Error('decided against');
    await expect(
      store.transact(key, () => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect((await load(key)).connection?.version).toBe(0);
  });

  it('writes nothing at all when one of its writes is refused', async () => {
    const key = buildKey();
    const connection = buildNewConnection(key);
    await write(key, { connection });
    const broken = buildAttempt({ kind: 'nonsense' as 'refresh' });
    const changes = { connection: { ...connection, version: 1 }, attempts: [broken], events: [buildEntry()] };
    await expect(write(key, changes)).rejects.toMatchObject({ code: '23514' });
    expect((await load(key)).connection?.version).toBe(0);
    expect((await store.events(key, { limit: 10 })).items).toEqual([]);
  });
});

describe('attempts', () => {
  it('are loaded newest first: all that are not done, and done ones that hold a candidate', async () => {
    const key = buildKey();
    const candidate = { sealed: 's', attemptId: 'a', refused: false };
    const attempts = [
      buildAttempt({ id: `${key.principal}:1`, startedAtMs: NOW_MS + 1, status: 'done' }),
      buildAttempt({ id: `${key.principal}:2`, startedAtMs: NOW_MS + 2, status: 'done', candidate }),
      buildAttempt({ id: `${key.principal}:3`, startedAtMs: NOW_MS + 3, status: 'lost' }),
      buildAttempt({ id: `${key.principal}:4`, startedAtMs: NOW_MS + 4, status: 'uncertain' }),
    ];
    await write(key, { connection: buildNewConnection(key), attempts });
    const numbers = (await load(key)).attempts.map(({ id }) => id.split(':')[1]);
    expect(numbers).toEqual(['4', '3', '2']);
  });

  it('are overwritten by id', async () => {
    const key = buildKey();
    const attempt = buildAttempt();
    await write(key, { connection: buildNewConnection(key), attempts: [attempt] });
    await write(key, { attempts: [{ ...attempt, status: 'received', answer: 'sealed' }] });
    expect((await load(key)).attempts).toEqual([{ ...attempt, status: 'received', answer: 'sealed' }]);
  });

  it('that are clean go with a later write, a day after they began', async () => {
    const key = buildKey();
    const old = Date.now() - 2 * 86_400_000;
    const candidate = { sealed: 's', attemptId: 'a', refused: false };
    const clean = buildAttempt({ status: 'done', startedAtMs: old });
    const held = buildAttempt({ status: 'done', startedAtMs: old, candidate });
    const open = buildAttempt({ status: 'open', startedAtMs: old });
    const recent = buildAttempt({ status: 'done', startedAtMs: Date.now() });
    await write(key, { connection: buildNewConnection(key), attempts: [clean, held, open, recent] });
    await write(key, { attempts: [{ ...open, status: 'lost' }] });
    const ids = [clean, held, open, recent].map(({ id }) => id);
    const { rows } = await pool.query<{ id: string }>('SELECT id FROM refresh_attempts WHERE id = ANY ($1)', [ids]);
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set([held.id, open.id, recent.id]));
  });
});

describe('connect sessions without a browser', () => {
  it('are inserted by a transaction, loaded oldest first while completed, and shredded by another', async () => {
    const key = buildKey();
    const first = buildConnectSession({ nextTryAtMs: NOW_MS });
    const second = buildConnectSession({ nextTryAtMs: NOW_MS + 1 });
    await write(key, { connection: buildNewConnection(key), sessions: [second, first] });
    expect((await load(key)).sessions).toEqual([first, second]);
    await write(key, { sessions: [{ ...first, status: 'failed', failure: 'connect-failed', requestToken: null }] });
    expect((await load(key)).sessions).toEqual([second]);
    const { rows } = await pool.query('SELECT request_token, failure FROM connect_sessions WHERE id = $1', [first.id]);
    expect(rows).toEqual([{ request_token: null, failure: 'connect-failed' }]);
  });

  it('can be written before there is a connection', async () => {
    const key = buildKey();
    const session = buildConnectSession();
    await write(key, { sessions: [session] });
    expect((await load(key)).sessions).toEqual([session]);
  });
});

describe('the access token', () => {
  it('is replaced, read with its connection, and deleted', async () => {
    const key = buildKey();
    const connection = buildFullConnection(key);
    const token = { sealed: 'sealed-1', attemptId: 'run:1', tokenType: 'Bearer' } as const;
    await write(key, { connection, accessToken: token });
    expect(await store.maybeAccessToken(key)).toEqual({ connection: holderOf(connection), token });
    const next = { sealed: 'sealed-2', attemptId: 'run:2', tokenType: 'OAuth' } as const;
    await write(key, { accessToken: next });
    expect(await store.maybeAccessToken(key)).toEqual({ connection: holderOf(connection), token: next });
    await write(key, { accessToken: null });
    expect(await store.maybeAccessToken(key)).toEqual({ connection: holderOf(connection), token: null });
  });

  it('is everybody’s own, however many are read at once, also beside a read that cannot be sent', async () => {
    const tokenOf = (key: ConnectionKey) =>
      ({ sealed: `sealed-${key.principal}`, attemptId: 'run:1', tokenType: 'Bearer' }) as const;
    const keys = Array.from({ length: 120 }, () => buildKey());
    const written = keys.filter((_, index) => index % 3 !== 0);
    for (const key of written) {
      await write(key, { connection: buildFullConnection(key), accessToken: tokenOf(key) });
    }
    const impossible = { app: 'demo', principal: 'a\u0000b' };
    // Twice: the statement is prepared by then, and so are its answers.
    for (let round = 0; round < 2; round += 1) {
      const asked = [...keys, ...keys].map((key) => store.maybeAccessToken(key));
      await expect(store.maybeAccessToken(impossible)).rejects.toMatchObject({ code: '22021' });
      const found = await Promise.all(asked);
      expect(found.slice(0, keys.length)).toEqual(found.slice(keys.length));
      for (const [index, key] of keys.entries()) {
        expect(found[index]?.token ?? null).toEqual(written.includes(key) ? tokenOf(key) : null);
      }
    }
  });
});

describe('notes of reads', () => {
  it('are taken in one batch, keep the latest, and skip what is unknown', async () => {
    const [one, two] = [buildKey(), buildKey()];
    for (const key of [one, two]) await write(key, { connection: buildNewConnection(key) });
    await store.touchRead([
      { ...one, atMs: NOW_MS + 50 },
      { ...one, atMs: NOW_MS + 90 },
      { ...two, atMs: NOW_MS + 10 },
      { ...buildKey(), atMs: NOW_MS },
    ]);
    await store.touchRead([{ ...one, atMs: NOW_MS + 60 }]);
    await store.touchRead([]);
    expect((await load(one)).connection?.lastReadAtMs).toBe(NOW_MS + 90);
    expect((await load(two)).connection?.lastReadAtMs).toBe(NOW_MS + 10);
  });

  it('do not block each other or the transactions for good', async () => {
    const keys = Array.from({ length: 20 }, () => buildKey());
    for (const key of keys) await write(key, { connection: buildNewConnection(key) });
    const batches = Array.from({ length: 10 }, (_, round) =>
      store.touchRead((round % 2 ? keys : keys.toReversed()).map((key) => ({ ...key, atMs: NOW_MS + round }))),
    );
    const writes = keys.map((key) =>
      store.transact(key, ({ connection }) => ({ result: null, changes: connection ? { connection } : {} })),
    );
    await Promise.all([...batches, ...writes]);
    for (const key of keys) expect((await load(key)).connection?.lastReadAtMs).toBe(NOW_MS + 9);
  });
});

describe('the customer reference', () => {
  it('is set with an audit row that says by whom, and only when it changes', async () => {
    const key = buildKey();
    await write(key, { connection: buildNewConnection(key) });
    expect((await store.setCustomerRef(key, 'ref-1', { ...act, actor: 'client:c1' }))?.customerRef).toBe('ref-1');
    expect((await store.setCustomerRef(key, 'ref-1', { ...act, actor: 'client:c1' }))?.customerRef).toBe('ref-1');
    expect((await store.setCustomerRef(key, null, { ...act, actor: 'client:c2' }))?.customerRef).toBeNull();
    expect(await store.setCustomerRef(buildKey(), 'ref-1', { ...act, actor: 'client:c1' })).toBeNull();
    const { items } = await store.events(key, { limit: 10 });
    expect(items.map(({ actor }) => actor)).toEqual(['client:c2', 'client:c1']);
  });
});

describe('lists', () => {
  const app = 'other';
  const keys = Array.from({ length: 7 }, () => buildKey(app)).sort((a, b) => (a.principal < b.principal ? -1 : 1));

  beforeAll(async () => {
    for (const [index, key] of keys.entries()) {
      const connection = buildNewConnection(key, {
        state: index % 2 ? 'active' : 'suspended',
        dataCentre: index < 3 ? 'us2' : 'eu2',
        customerRef: index === 4 ? 'ref-4' : null,
      });
      await write(key, { connection });
    }
    const elsewhere = buildKey();
    await write(elsewhere, { connection: buildNewConnection(elsewhere) });
  });

  it('go through all pages in the order of principals, each connection once', async () => {
    const found: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await store.many({ app, limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.items.map(({ principal }) => principal));
      cursor = page.nextCursor ?? undefined;
      pages += 1;
    } while (cursor !== undefined);
    expect(pages).toBe(3);
    expect(found).toEqual(keys.map(({ principal }) => principal));
  });

  it('end without a cursor when the last page is full', async () => {
    expect((await store.many({ app, limit: 7 })).nextCursor).toBeNull();
  });

  it.each([
    [{ state: 'active' as const }, [1, 3, 5]],
    [{ dataCentre: 'us2' }, [0, 1, 2]],
    [{ customerRef: 'ref-4' }, [4]],
    [{ state: 'active' as const, dataCentre: 'eu2' }, [3, 5]],
    [{ principals: [] }, []],
  ])('filter by %j', async (filter, indexes) => {
    const { items } = await store.many({ app, limit: 200, ...filter });
    expect(items.map(({ principal }) => principal)).toEqual(indexes.map((index) => keys[index]?.principal));
  });

  it('show a narrowed caller its own principals alone', async () => {
    const principals = [keys[5], keys[1]].map((key) => key?.principal ?? '');
    const { items } = await store.many({ app, principals: [...principals, randomUUID()], limit: 200 });
    expect(items.map(({ principal }) => principal)).toEqual(principals.toReversed());
  });

  it.each([
    'nonsense',
    '',
    'W10',
    Buffer.from('["a","b"]').toString('base64url'),
    Buffer.from('["\\u0000"]').toString('base64url'),
  ])('refuse the cursor %j', async (cursor) => {
    await expect(store.many({ app, cursor, limit: 5 })).rejects.toMatchObject({ code: 'bad-request' });
  });

  it.each([0, 201, 1.5, Number.NaN])('refuse a page size of %d', async (limit) => {
    await expect(store.many({ app, limit })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(store.events(buildKey(), { limit })).rejects.toMatchObject({ code: 'bad-request' });
  });
});

describe('the audit trail', () => {
  it('is read newest first, page by page, also where rows share a moment', async () => {
    const key = buildKey();
    const entries = Array.from({ length: 7 }, (_, index) =>
      buildEntry({
        version: index,
        atMs: NOW_MS + Math.floor(index / 3),
        reason: `n${index}`,
        concurCode: 108,
        userId: 'u',
      }),
    );
    await write(key, { connection: buildNewConnection(key), events: entries });
    const versions: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.events(key, { limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      versions.push(...page.items.map(({ version }) => version));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(versions).toEqual([6, 5, 4, 3, 2, 1, 0]);
    const [{ id, ...newest } = { id: '' }] = (await store.events(key, { limit: 1 })).items;
    expect(newest).toEqual(entries[6]);
    expect(id).toMatch(/^\d+$/);
  });

  it('shows nothing of other connections', async () => {
    const [key, other] = [buildKey(), buildKey()];
    await write(key, { connection: buildNewConnection(key), events: [buildEntry()] });
    await write(other, { connection: buildNewConnection(other) });
    expect((await store.events(other, { limit: 10 })).items).toEqual([]);
  });

  it.each([['["x","y"]'], ['[1]'], ['[-1,2]'], ['[1e300,2]'], ['[1,2.5]']])(
    'refuses the cursor of %s',
    async (text) => {
      const cursor = Buffer.from(text).toString('base64url');
      await expect(store.events(buildKey(), { cursor, limit: 5 })).rejects.toMatchObject({ code: 'bad-request' });
    },
  );
});
