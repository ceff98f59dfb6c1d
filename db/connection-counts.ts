import type { Pool } from 'pg';
import { query } from './query.ts';

export interface ConnectionCount {
  readonly app: string;
  readonly state: string;
  readonly count: number;
}

/** How many connections each app has in each state; states without one are left out. */
export async function countConnections(pool: Pool): Promise<readonly ConnectionCount[]> {
  const { rows } = await query<{ app: string; state: string; count: string }>(
    pool,
    'SELECT app, state, count(*) AS count FROM connections GROUP BY app, state ORDER BY app, state',
  );
  return rows.map(({ app, state, count }) => ({ app, state, count: Number(count) }));
}
