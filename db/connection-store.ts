import type { Pool } from 'pg';
import type { Aggregate } from '../core/aggregate.ts';
import type { Act, AuditEntry } from '../core/audit-entry.ts';
import type { Connection, ConnectionKey } from '../core/connection.ts';
import type { ConnectionFilter, ConnectionStore, Page, StoredEvent } from '../core/stores.ts';
import { timeOf } from './columns.ts';
import { connectionLock, decideAndWrite, loadAggregate } from './aggregate.ts';
import { crowdLock } from './crowd.ts';
import { buildConnection, type ConnectionRow, connectionSelection } from './connection-row.ts';
import { assertLimit, buildCursor, parseCursor } from './cursor.ts';
import { buildEvent, type EventRow } from './event-row.ts';
import { query, transact } from './query.ts';
import { createTokenBatches } from './token-batches.ts';

/** {@link ConnectionStore} on PostgreSQL. Every method throws `database-unavailable` for an outage. */
export function createConnectionStore(pool: Pool): ConnectionStore {
  const store: ConnectionStore = {
    transact(key, decide, sight = {}) {
      const { crowd } = sight;
      // In this order always: who waits for the crowd holds nothing that a holder of the crowd waits for.
      const locks = [connectionLock(key), ...(crowd === undefined ? [] : [crowdLock(key.app, crowd.dataCentre)])];
      return transact(pool, { locks }, (send) => decideAndWrite(send, key, decide, sight));
    },

    async maybeOne(key) {
      const aggregate = await transact(pool, { isolation: 'REPEATABLE READ READ ONLY' }, async (send) => ({
        result: await loadAggregate(send, key, { forUpdate: false }),
        writes: [],
      }));
      return aggregate.connection === null ? null : aggregate;
    },

    many: (filter) => many(pool, filter),

    maybeAccessToken: createTokenBatches(pool),

    touchRead: (reads) => touchRead(pool, reads),

    setCustomerRef(key, customerRef, act) {
      return transact(pool, { locks: [connectionLock(key)] }, async (send) => {
        const [clock] = await send({ text: 'SELECT now() AS now' });
        const now: Date = clock?.rows[0].now;
        return decideAndWrite(send, key, (aggregate) => decideCustomerRef(aggregate, customerRef, act, now.getTime()));
      });
    },

    events: (key, page) => events(pool, key, page),
  };
  return store;
}

async function many(pool: Pool, filter: ConnectionFilter): Promise<Page<Connection>> {
  assertLimit(filter.limit);
  const after = filter.cursor === undefined ? null : parseCursor(filter.cursor, ['string'])[0];
  const { rows } = await query<ConnectionRow>(
    pool,
    `SELECT ${connectionSelection} FROM connections c
     WHERE c.app = $1
       AND ($2::text IS NULL OR c.principal > $2)
       AND ($3::text[] IS NULL OR c.principal = ANY ($3))
       AND ($4::text IS NULL OR c.state = $4)
       AND ($5::text IS NULL OR c.data_centre = $5)
       AND ($6::text IS NULL OR c.customer_ref = $6)
     ORDER BY c.principal LIMIT $7`,
    [
      filter.app,
      after,
      filter.principals ?? null,
      filter.state ?? null,
      filter.dataCentre ?? null,
      filter.customerRef ?? null,
      filter.limit + 1,
    ],
  );
  return buildPage(rows, filter.limit, buildConnection, (row) => buildCursor(row.principal));
}

async function events(
  pool: Pool,
  key: ConnectionKey,
  { cursor, limit }: { readonly cursor?: string; readonly limit: number },
): Promise<Page<StoredEvent>> {
  assertLimit(limit);
  const [beforeMs, beforeId] = cursor === undefined ? [null, null] : parseCursor(cursor, ['number', 'number']);
  const { rows } = await query<EventRow>(
    pool,
    `SELECT e.id, e.at, e.type, e.actor, e.reason, e.state_from, e.state_to, e.version, e.concur_code,
       e.correlation_id, e.user_id
     FROM connection_events e JOIN connections c ON c.id = e.connection_id
     WHERE c.app = $1 AND c.principal = $2
       AND ($3::timestamptz IS NULL OR (e.at, e.id) < ($3, $4::bigint))
     ORDER BY e.at DESC, e.id DESC LIMIT $5`,
    [key.app, key.principal, timeOf(beforeMs), beforeId, limit + 1],
  );
  return buildPage(rows, limit, buildEvent, (row) => buildCursor(row.at.getTime(), Number(row.id)));
}

/** One row more than the page was asked for, so that the last page knows that it is the last. */
function buildPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  build: (row: Row) => Item,
  cursorOf: (row: Row) => string,
): Page<Item> {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { items: page.map(build), nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}

async function touchRead(pool: Pool, reads: readonly (ConnectionKey & { readonly atMs: number })[]): Promise<void> {
  if (reads.length === 0) return;
  // Rows are locked in one order, so that two processes with overlapping batches can't block each other for good.
  const text = `WITH latest AS (
      SELECT app, principal, to_timestamp(max(at_ms) / 1000) AS at FROM unnest($1::text[], $2::text[], $3::float8[]) AS r (app, principal, at_ms)
      GROUP BY app, principal
    ), locked AS (
      SELECT c.id, l.at FROM connections c JOIN latest l ON l.app = c.app AND l.principal = c.principal
      WHERE c.last_read_at IS NULL OR c.last_read_at < l.at
      ORDER BY c.id FOR NO KEY UPDATE OF c
    )
    UPDATE connections c SET last_read_at = greatest(c.last_read_at, locked.at) FROM locked WHERE c.id = locked.id`;
  const values = [reads.map(({ app }) => app), reads.map(({ principal }) => principal), reads.map(({ atMs }) => atMs)];
  await transact(pool, {}, async () => ({ result: undefined, writes: [{ text, values }] }));
}

function decideCustomerRef(aggregate: Aggregate, customerRef: string | null, act: Act, nowMs: number) {
  const { connection: before } = aggregate;
  if (before === null || before.customerRef === customerRef) return { result: before, changes: {} };
  const connection: Connection = { ...before, customerRef };
  const entry: AuditEntry = {
    ...act,
    type: 'command.customer-ref-set',
    stateFrom: null,
    stateTo: null,
    version: before.version,
    concurCode: null,
    userId: null,
    atMs: nowMs,
  };
  return { result: connection, changes: { connection, events: [entry] } };
}
