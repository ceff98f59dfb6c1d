import type { Pool } from 'pg';
import type { ConnectionKey } from '../core/connection.ts';
import type { ReconcileStore } from '../core/reconcile.ts';
import type { Page } from '../core/stores.ts';
import { timeOf } from './columns.ts';
import { assertLimit, buildCursor, parseCursor } from './cursor.ts';
import { query } from './query.ts';

/** Before every connection there can be. */
const FROM_THE_BEGINNING = ['0', '', ''] as const;

/** {@link ReconcileStore} on PostgreSQL. Throws `database-unavailable` for an outage. */
export function createReconcileStore(pool: Pool): ReconcileStore {
  return {
    async manyOverdue({ dueByMs, cursor, limit }) {
      assertLimit(limit);
      const after = cursor === undefined ? FROM_THE_BEGINNING : parseCursor(cursor, ['string', 'string', 'string']);
      // Both halves are read in the order of an index of what is due; a cursor is exact to the microsecond.
      const half = (table: string, at: string, where: string): string => `
        (SELECT ${at} AS at, app, principal FROM ${table} WHERE ${where} AND ${at} <= $1
           AND (${at}, app, principal) > (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3, $4)
         ORDER BY ${at}, app, principal LIMIT $5)`;
      const { rows } = await query<ConnectionKey & { readonly micros: string }>(
        pool,
        `SELECT app, principal, round(extract(epoch FROM at) * 1000000)::bigint::text AS micros FROM (
          ${half('connections', 'next_action_at', "state NOT IN ('revoked', 'connect-failed')")}
          UNION ALL
          ${half('connect_sessions', 'next_try_at', "status = 'completed' AND principal IS NOT NULL")}
        ) AS due ORDER BY at, app, principal LIMIT $5`,
        [timeOf(dueByMs), ...after, limit + 1],
      );
      return buildPage(rows, limit, ({ micros, app, principal }) => buildCursor(micros, app, principal));
    },

    async manyOpen({ cursor, limit }) {
      assertLimit(limit);
      const [app, principal] = cursor === undefined ? ['', ''] : parseCursor(cursor, ['string', 'string']);
      const { rows } = await query<ConnectionKey>(
        pool,
        `SELECT c.app, c.principal FROM connections c
         WHERE (c.app, c.principal) > ($1, $2) AND (
           c.state NOT IN ('revoked', 'connect-failed') OR EXISTS (
             SELECT FROM connect_sessions s
             WHERE s.app = c.app AND s.principal = c.principal AND s.status = 'completed'))
         ORDER BY c.app, c.principal LIMIT $3`,
        [app, principal, limit + 1],
      );
      return buildPage(rows, limit, (row) => buildCursor(row.app, row.principal));
    },
  };
}

/** One row more than the page was asked for tells whether it is the last. */
function buildPage<Row extends ConnectionKey>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
): Page<ConnectionKey> {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ app, principal }) => ({ app, principal })),
    nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null,
  };
}
