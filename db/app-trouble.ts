/** Trouble with an app's own credentials on file, and the connections that wait for its end. */
import type { Pool } from 'pg';
import type { Changes } from '../core/aggregate.ts';
import { APP_TROUBLE_PREFIX } from '../core/app-trouble.ts';
import type { AppTrouble } from '../core/aggregate.ts';
import { HELD_BY_BRAKE } from '../core/brake.ts';
import type { AppTroubleStore, Waiting } from '../core/stores.ts';
import { msOf, timeOf } from './columns.ts';
import { assertLimit, buildCursor, parseCursor } from './cursor.ts';
import { query, type Statement } from './query.ts';

/** A row of `app_trouble`, as `pg` reads it. */
export interface TroubleRow {
  readonly data_centre: string;
  readonly failures: number;
  readonly reason: string;
  readonly concur_code: number | null;
  readonly since: Date;
}

export const troubleSelection = 'SELECT data_centre, failures, reason, concur_code, since FROM app_trouble';

export function buildTrouble(row: TroubleRow): AppTrouble {
  return {
    dataCentre: row.data_centre,
    failures: row.failures,
    reason: row.reason,
    concurCode: row.concur_code,
    sinceMs: msOf(row.since),
  };
}

/** Counts on top of what is on file by then: nobody holds a lock on it between reading and writing. */
export function writeTrouble(app: string, trouble: NonNullable<Changes['appTrouble']>): Statement {
  const { dataCentre } = trouble;
  if (trouble.kind === 'cleared') {
    return { text: 'DELETE FROM app_trouble WHERE app = $1 AND data_centre = $2', values: [app, dataCentre] };
  }
  return {
    text: `INSERT INTO app_trouble AS t (app, data_centre, failures, reason, concur_code, since)
      VALUES ($1, $2, 1, $3, $4, $5)
      ON CONFLICT (app, data_centre) DO UPDATE SET failures = t.failures + 1, reason = excluded.reason,
        concur_code = excluded.concur_code`,
    values: [app, dataCentre, trouble.reason, trouble.concurCode, timeOf(trouble.atMs)],
  };
}

/** Whether an app is blocked somewhere, for every app. Throws `database-unavailable`. */
export async function manyBlockedApps(pool: Pool): Promise<readonly { app: string; blocked: boolean }[]> {
  const { rows } = await query<{ app: string; blocked: boolean }>(
    pool,
    `SELECT app, EXISTS (SELECT FROM app_trouble t WHERE t.app = a.app AND t.failures >= 2) AS blocked
     FROM apps a ORDER BY app`,
  );
  return rows;
}

/** Connections that wait, by what they wait for. A revoke that must refresh first waits as well. */
const waitingFor: Record<Waiting['waitsFor'], string> = {
  credentials: `(c.state = 'blocked' OR (c.state = 'revoking' AND c.last_error_code LIKE '${APP_TROUBLE_PREFIX}%'))`,
  brake: `c.state = 'suspended' AND c.reason = '${HELD_BY_BRAKE}'`,
};

/** {@link AppTroubleStore} on PostgreSQL. Every method throws `database-unavailable` for an outage. */
export function createAppTroubleStore(pool: Pool): AppTroubleStore {
  return {
    async many(app) {
      const { rows } = await query<TroubleRow>(pool, `${troubleSelection} WHERE app = $1 ORDER BY data_centre`, [app]);
      return rows.map(buildTrouble);
    },

    async clear(app, dataCentre) {
      await query(pool, 'DELETE FROM app_trouble WHERE app = $1 AND data_centre = $2', [app, dataCentre]);
    },

    async countWaiting(app) {
      const { rows } = await query<{ data_centre: string; waits_for: Waiting['waitsFor']; count: number }>(
        pool,
        `SELECT c.data_centre, w.waits_for, count(*)::int AS count FROM connections c CROSS JOIN LATERAL (
           SELECT CASE WHEN ${waitingFor.credentials} THEN 'credentials' WHEN ${waitingFor.brake} THEN 'brake' END
         ) AS w (waits_for)
         WHERE c.app = $1 AND c.state IN ('blocked', 'revoking', 'suspended') AND c.data_centre IS NOT NULL
           AND w.waits_for IS NOT NULL
         GROUP BY 1, 2 ORDER BY 1, 2`,
        [app],
      );
      return rows.map((row) => ({ dataCentre: row.data_centre, waitsFor: row.waits_for, count: row.count }));
    },

    async manyWaiting({ app, dataCentre, waitsFor, sinceByMs, cursor, limit }) {
      assertLimit(limit);
      const after = cursor === undefined ? '' : parseCursor(cursor, ['string'])[0];
      const { rows } = await query<{ principal: string }>(
        pool,
        `SELECT c.principal FROM connections c
         WHERE c.app = $1 AND c.data_centre = $2 AND c.principal > $3 AND c.state_since <= $4
           AND ${waitingFor[waitsFor]}
         ORDER BY c.principal LIMIT $5`,
        [app, dataCentre, after, timeOf(sinceByMs), limit + 1],
      );
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page.map(({ principal }) => ({ app, principal })),
        nextCursor: rows.length > limit && last !== undefined ? buildCursor(last.principal) : null,
      };
    },
  };
}
