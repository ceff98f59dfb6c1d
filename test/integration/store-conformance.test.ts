/**
 * The store of the simulation is worth what it has in common with this one: whatever is done to both, in any order,
 * both tell the same. Longer than 300 lines: each command is written down for both stores.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Aggregate, Changes, SealedToken } from '../../core/aggregate.ts';
import { CROWD_WINDOW_MS, HELD_BY_BRAKE } from '../../core/brake.ts';
import { type ConnectionKey, connectionStates } from '../../core/connection.ts';
import type { ReconcileStore } from '../../core/reconcile.ts';
import type { AppTroubleStore, BrakeStore, ConnectionStore, StoredAccessToken } from '../../core/stores.ts';
import { createAppTroubleStore } from '../../db/app-trouble.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createBrakeStore } from '../../db/crowd.ts';
import { createPool } from '../../db/pool.ts';
import { createReconcileStore } from '../../db/reconcile-store.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { createMemoryConnectionStore } from '../simulation/memory-connection-store.ts';
import { silentLog } from './db-silent-log.ts';
import {
  act,
  buildApp,
  buildAttempt,
  buildConnectSession,
  buildEntry,
  buildFullConnection,
  NOW_MS,
  holderOf,
} from './store-fixtures.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Small ranges, so that sequences meet the same rows again. */
const slot = fc.nat({ max: 2 });
const atMs = fc.nat({ max: 5_000 }).map((ms) => NOW_MS + ms);
const token = fc.option(
  fc.record<SealedToken>({
    sealed: fc.constantFrom('sealed-1', 'sealed-2'),
    attemptId: fc.constantFrom('run:1', 'run:2'),
    refused: fc.boolean(),
  }),
);

/** What a transaction changes; keys and ids are put in when it runs. */
const change = fc.record(
  {
    connection: fc.record(
      {
        state: fc.constantFrom(...connectionStates),
        version: fc.nat({ max: 9 }),
        customerRef: fc.constantFrom(null, 'ref-1', 'ref-2'),
        dataCentre: fc.constantFrom(null, 'us2', 'eu2'),
        lastReadAtMs: fc.option(atMs),
        nextActionAtMs: fc.option(atMs),
        lastError: fc.constantFrom(
          null,
          ...['x', 'client-secret-wrong'].map((code) => ({
            code,
            concurCode: null,
            atMs: NOW_MS,
            correlationId: null,
          })),
        ),
        reason: fc.constantFrom(null, HELD_BY_BRAKE),
        stateSinceMs: atMs,
        company: fc.constantFrom(null, { name: 'Aurora', domain: null }),
      },
      { requiredKeys: [] },
    ),
    grant: fc.record({ current: token, previous: token }),
    accessToken: fc.option(
      fc.record({
        sealed: fc.string({ unit: 'grapheme-ascii', minLength: 1 }),
        attemptId: fc.constant('run:1'),
        tokenType: fc.constantFrom('Bearer' as const, 'OAuth' as const),
      }),
    ),
    attempts: fc.uniqueArray(
      fc.record({
        slot,
        status: fc.constantFrom(
          'open' as const,
          'uncertain' as const,
          'received' as const,
          'lost' as const,
          'done' as const,
        ),
        startedAtMs: atMs,
        candidate: token,
        answer: fc.constantFrom(null, 'sealed-answer'),
      }),
      { maxLength: 3, selector: (attempt) => attempt.slot },
    ),
    sessions: fc.uniqueArray(
      fc.record({
        slot,
        status: fc.constantFrom('completed' as const, 'connected' as const, 'failed' as const),
        uses: fc.nat({ max: 5 }),
        nextTryAtMs: atMs,
        requestToken: fc.constantFrom(null, 'sealed-request-token'),
      }),
      { maxLength: 2, selector: (session) => session.slot },
    ),
    appTrouble: fc.oneof(
      fc.record({
        kind: fc.constant('refused' as const),
        dataCentre: fc.constantFrom('us2', 'eu2'),
        reason: fc.constantFrom('client-secret-wrong', 'client-disabled'),
        concurCode: fc.constantFrom(null, 64),
        atMs,
        blocks: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('cleared' as const), dataCentre: fc.constantFrom('us2', 'eu2') }),
    ),
    terminalEvidence: fc.record({ dataCentre: fc.constantFrom('us2', 'eu2'), atMs, tripsBrake: fc.boolean() }),
    events: fc.array(fc.record({ version: fc.nat({ max: 9 }), reason: fc.constantFrom(null, 'why') }), {
      maxLength: 3,
    }),
  },
  { requiredKeys: [] },
);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('transact' as const),
      key: slot,
      change,
      fails: fc.boolean(),
      sessionAsked: fc.option(slot),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('touchRead' as const),
      reads: fc.array(fc.record({ key: slot, atMs }), { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), atMs }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('customerRef' as const),
      key: slot,
      ref: fc.constantFrom(null, 'ref-1', 'ref-2'),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The rows of one run: nothing is shared between runs. */
interface Rows {
  readonly app: string;
  readonly keys: readonly ConnectionKey[];
  readonly connectionIds: readonly string[];
  readonly prefix: string;
}

async function createRows(): Promise<Rows> {
  const prefix = randomUUID();
  const app = `app-${prefix.slice(0, 8)}`;
  await createAppStore(pool).apply(buildApp({ app }));
  const slots = [0, 1, 2];
  return {
    app,
    prefix,
    keys: slots.map(() => ({ app, principal: randomUUID() })),
    connectionIds: slots.map(() => randomUUID()),
  };
}

async function take(store: ConnectionStore, brakes: BrakeStore, rows: Rows, taken: Step): Promise<unknown> {
  if (taken.do === 'release') return [await brakes.release(rows.app, taken.atMs, act), await brakes.many(rows.app)];
  if (taken.do === 'touchRead') {
    // A read is noted of a connection that is there: the caches know no other.
    const known = await Promise.all(
      taken.reads.map(async (read) => ((await store.maybeOne(keyOf(rows, read.key))) === null ? [] : [read])),
    );
    await store.touchRead(known.flat().map((read) => ({ ...keyOf(rows, read.key), atMs: read.atMs })));
    return null;
  }
  const key = keyOf(rows, taken.key);
  if (taken.do === 'customerRef') return store.setCustomerRef(key, taken.ref, { ...act, actor: 'client:c1' });
  const error = new Error('decided against');
  const decide = (aggregate: Aggregate) => {
    if (taken.fails && taken.change.grant === undefined) throw error;
    return { result: seen(aggregate), changes: buildChanges(rows, taken.key, aggregate, taken.change) };
  };
  const { terminalEvidence: evidence } = taken.change;
  const crowd = evidence && { dataCentre: evidence.dataCentre, nowMs: NOW_MS + CROWD_WINDOW_MS + 1_000 };
  const sessionId = taken.sessionAsked === null ? undefined : idOf(rows, taken.key, 'session', taken.sessionAsked);
  const result = store.transact(key, decide, { ...(crowd && { crowd }), ...(sessionId && { sessionId }) });
  return result.catch((caught: unknown) => (caught === error ? 'failed' : Promise.reject(caught)));
}

function buildChanges(
  rows: Rows,
  at: number,
  before: Aggregate,
  {
    connection,
    attempts,
    sessions,
    events,
    grant,
    accessToken,
    terminalEvidence,
    appTrouble,
  }: Extract<Step, { do: 'transact' }>['change'],
): Changes {
  const key = keyOf(rows, at);
  const id = (kind: string, index: number): string => idOf(rows, at, kind, index);
  const base = before.connection ?? buildFullConnection(key, { id: rows.connectionIds[at] ?? '' });
  // Everything else hangs on a connection, so the first change makes one.
  const makes = connection !== undefined || before.connection === null;
  return {
    ...(makes && { connection: { ...base, ...connection } }),
    ...(grant && { grant }),
    ...(appTrouble && { appTrouble }),
    ...(terminalEvidence && before.connection !== null && { terminalEvidence }),
    ...(accessToken !== undefined && { accessToken }),
    ...(attempts && {
      attempts: attempts.map(({ slot: index, ...attempt }) => buildAttempt({ id: id('attempt', index), ...attempt })),
    }),
    ...(sessions && {
      sessions: sessions.map(({ slot: index, ...session }) =>
        buildConnectSession({ id: id('session', index), ...session }),
      ),
    }),
    ...(events && { events: events.map((entry) => buildEntry(entry)) }),
  };
}

function idOf({ prefix }: Rows, at: number, kind: string, index: number): string {
  return `${prefix}:${at}:${kind}:${index}`;
}

function keyOf(rows: Rows, at: number): ConnectionKey {
  return rows.keys[at] ?? { app: rows.app, principal: '' };
}

/** Sessions of one moment have no order. */
function seen(aggregate: Aggregate | null): Aggregate | null {
  if (aggregate === null) return null;
  return { ...aggregate, sessions: aggregate.sessions.toSorted((one, other) => (one.id < other.id ? -1 : 1)) };
}

async function allOf(store: ConnectionStore, { app, keys }: Rows): Promise<unknown> {
  const pages: unknown[] = [];
  for (const filter of [{}, { state: 'active' as const }, { dataCentre: 'us2' }, { customerRef: 'ref-1' }]) {
    let cursor: string | undefined;
    do {
      const page = await store.many({ app, limit: 2, ...filter, ...(cursor !== undefined && { cursor }) });
      pages.push(page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
  const each = keys.map(async (key) => ({
    aggregate: seen(await store.maybeOne(key)),
    token: held(await store.maybeAccessToken(key)),
    events: (await store.events(key, { limit: 200 })).items
      // Who names the customer has the database's clock there and a virtual one here.
      .filter(({ type }) => type !== 'command.customer-ref-set')
      .map(({ id: _, ...entry }) => entry),
  }));
  return { pages, each: await Promise.all(each) };
}

/** What readers of a token are told. */
function held(stored: StoredAccessToken | null): unknown {
  return stored && { token: stored.token, connection: holderOf(stored.connection) };
}

/** What the reconciler gets to see of these rows, at a time when some are due and others are not. */
async function openOf(store: ReconcileStore, { app }: Rows, limit: number) {
  const read = async (one: (cursor?: string) => ReturnType<ReconcileStore['manyOpen']>): Promise<ConnectionKey[]> => {
    const keys: ConnectionKey[] = [];
    for (let cursor: string | undefined | null; cursor !== null; ) {
      const page = await one(cursor);
      keys.push(...page.items);
      cursor = page.nextCursor;
    }
    return keys.filter((key) => key.app === app);
  };
  const from = (cursor?: string) => (cursor === undefined ? {} : { cursor });
  return {
    overdue: await read((cursor) => store.manyOverdue({ dueByMs: NOW_MS + 2_500, limit, ...from(cursor) })),
    open: await read((cursor) => store.manyOpen({ limit, ...from(cursor) })),
  };
}

/** What the guardian of these rows' app gets to see. */
async function troubleOf(store: AppTroubleStore, { app }: Rows) {
  const waiting = await store.countWaiting(app);
  const keys: ConnectionKey[] = [];
  for (const { dataCentre, waitsFor } of waiting) {
    for (let cursor: string | undefined | null; cursor !== null; ) {
      const page = await store.manyWaiting({
        app,
        dataCentre,
        waitsFor,
        sinceByMs: NOW_MS + 4_000,
        limit: 1,
        ...(cursor !== undefined && { cursor }),
      });
      keys.push(...page.items);
      cursor = page.nextCursor;
    }
  }
  return { troubles: await store.many(app), waiting, keys };
}

describe('the store of the simulation and the one of PostgreSQL', () => {
  it('tell the same of the same changes, transaction by transaction and in the end', async () => {
    let transactions = 0;
    let overdue = 0;
    let troubles = 0;
    let waiting = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
        const rows = await createRows();
        const real = createConnectionStore(pool);
        const twin = createMemoryConnectionStore({ now: () => NOW_MS });
        for (const taken of steps) {
          const expected = await take(real, createBrakeStore(pool), rows, taken);
          const found = await take(twin, twin.brakes, rows, taken);
          expect(found).toEqual(expected);
          transactions += 1;
        }
        expect(await allOf(twin, rows)).toEqual(await allOf(real, rows));
        const open = await openOf(createReconcileStore(pool), rows, 10);
        // The other one has the rows of all runs.
        expect(await openOf(twin, rows, 1)).toEqual(open);
        overdue += open.overdue.length;
        const trouble = await troubleOf(createAppTroubleStore(pool), rows);
        expect(await troubleOf(twin.troubles, rows)).toEqual(trouble);
        troubles += trouble.troubles.length;
        waiting += trouble.keys.length;
      }),
      { numRuns: 40, endOnFailure: true },
    );
    expect(transactions).toBeGreaterThan(100);
    expect(overdue).toBeGreaterThan(20);
    expect(troubles).toBeGreaterThan(10);
    expect(waiting).toBeGreaterThan(0);
  }, 60_000);
});
