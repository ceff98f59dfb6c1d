import type { Pool } from 'pg';
import { query } from './query.ts';

export interface ConnectionCount {
  readonly app: string;
  readonly state: string;
  /** Days that the refresh token is forecast to live, in ranges that do not overlap. */
  readonly daysLeft: 'expired' | '0-7' | '7-30' | '30-60' | '60+' | 'unknown';
  readonly count: number;
}

/**
 * How many connections each app has in each state and range; those without one are left out. One look at the table for
 * both, as it may be a large one. Throws `database-unavailable`.
 */
export async function countConnections(pool: Pool): Promise<readonly ConnectionCount[]> {
  const { rows } = await query<{ app: string; state: string; days: ConnectionCount['daysLeft']; count: string }>(
    pool,
    `SELECT app, state, count(*) AS count,
       CASE
         WHEN refresh_token_expires_at IS NULL THEN 'unknown'
         WHEN refresh_token_expires_at <= now() THEN 'expired'
         WHEN refresh_token_expires_at <= now() + interval '7 days' THEN '0-7'
         WHEN refresh_token_expires_at <= now() + interval '30 days' THEN '7-30'
         WHEN refresh_token_expires_at <= now() + interval '60 days' THEN '30-60'
         ELSE '60+'
       END AS days
     FROM connections GROUP BY app, state, days ORDER BY app, state, days`,
  );
  return rows.map(({ app, state, days, count }) => ({ app, state, daysLeft: days, count: Number(count) }));
}
