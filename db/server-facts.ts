import { createPool } from './pool.ts';
import { query } from './query.ts';

/** What the database server says of itself and of the role that asks. */
export interface ServerFacts {
  readonly version: string;
  readonly major: number;
  readonly nowMs: number;
  readonly role: string;
  /** The role owns the tables, so that nothing keeps it from changing the audit trail. */
  readonly isOwner: boolean;
}

/** Throws `database-unavailable`. */
export async function examineServer(url: string): Promise<ServerFacts> {
  const pool = createPool({ url, max: 1, log: quiet, applicationName: 'evergrant doctor' });
  try {
    const { rows } = await query<{ version: string; number: string; now: Date; role: string; owner: boolean | null }>(
      pool,
      `SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
         clock_timestamp() AS now, current_user AS role,
         (SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class
          WHERE oid = to_regclass('public.connection_events')) AS owner`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error('the server answered nothing');
    return {
      version: row.version,
      major: Math.floor(Number(row.number) / 10_000),
      nowMs: row.now.getTime(),
      role: row.role,
      isOwner: row.owner === true,
    };
  } finally {
    await pool.end();
  }
}

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
