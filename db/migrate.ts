/**
 * Plain numbered SQL, run by node-pg-migrate: each file in a transaction of its own, behind an advisory lock that
 * later callers wait for, so that any number of processes may start at once. A file that does not get a table's lock at
 * once lets everybody pass who queues behind it, and tries again: the application works on while it runs.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { AppError } from '../core/errors.ts';
import type { Log } from '../core/ports.ts';
import { hasSqlState, mapConnectError, mapQueryError } from './database-error.ts';

const MIGRATIONS_TABLE = 'schema_migrations';
/** Only has to differ from other programs' locks in the same database. */
const LOCK = 7_242_012_503_001;
const UNDEFINED_TABLE = '42P01';
const LOCK_NOT_AVAILABLE = '55P03';

/** Whoever wants a table's lock keeps everybody waiting who comes after: readers of tokens wait for so long at most. */
const LOCK_MS = 1_000;
/** Between two tries: what queued up behind the first gets done. */
const PAUSE_MS = 1_000;
/** Some five minutes: the application's own transactions end within seconds. */
const LOCK_TRIES = 150;

/**
 * Brings the schema of a database up to date, needs the owner's role. Throws `database-unavailable` when it can't be
 * reached, and PostgreSQL's own error, with nothing of that file applied, when a migration fails.
 */
export async function migrate(databaseUrl: string, log?: Log): Promise<{ readonly applied: readonly string[] }> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'evergrant migrate',
    connectionTimeoutMillis: 5_000,
  });
  let lost: unknown;
  client.on('error', (error) => {
    lost = error;
  });
  await client.connect().catch((error: unknown) => {
    throw mapConnectError(error, databaseUrl);
  });
  try {
    // The session's own, until its end; waiting for another run has no limit.
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await client.query(`SET lock_timeout = ${LOCK_MS}`);
    const before = await appliedNames(client);
    await untilLocked(client, log, () =>
      runner({
        dbClient: client,
        dir: sqlPath('migrations'),
        migrationsTable: MIGRATIONS_TABLE,
        direction: 'up',
        singleTransaction: false,
        noLock: true,
        logger: runnerLog(log),
      }),
    );
    await untilLocked(client, log, () => settle(client));
    const after = await appliedNames(client);
    return { applied: [...after].filter((name) => !before.has(name)) };
  } catch (error) {
    throw lost === undefined ? error : mapConnectError(lost, databaseUrl);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Runs it again, from the file that is not applied yet, while another transaction has the lock that it needs. */
async function untilLocked(client: pg.Client, log: Log | undefined, run: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await run();
      return;
    } catch (error) {
      if (!hasSqlState(error, LOCK_NOT_AVAILABLE)) throw error;
      await client.query('ROLLBACK');
      if (tries === LOCK_TRIES) {
        const title =
          'Another transaction has kept a table locked for minutes. End it (pg_stat_activity), then try again.';
        throw new AppError('database-unavailable', title, { cause: error });
      }
      log?.warn({ tries }, 'another transaction has the table: trying again');
      await pause(PAUSE_MS);
    }
  }
}

/** Rights of the application's role and partitions of the coming months: not history, but true after every run. */
async function settle(client: pg.Client): Promise<void> {
  const roles = await readFile(sqlPath('roles.sql'), 'utf8');
  await client.query('BEGIN');
  await client.query(roles);
  await client.query(`SELECT ensure_event_partitions(CAST(now() AT TIME ZONE 'UTC' AS date), 3)`);
  await client.query('COMMIT');
}

/** Names of the migrations that this code needs and the database has not seen. Throws `database-unavailable`. */
export async function pendingMigrations(database: pg.Pool | string): Promise<readonly string[]> {
  if (typeof database !== 'string') return pendingIn(database);
  const pool = new pg.Pool({ connectionString: database, max: 1, connectionTimeoutMillis: 5_000 });
  pool.on('error', () => undefined);
  try {
    return await pendingIn(pool);
  } finally {
    await pool.end();
  }
}

async function pendingIn(pool: pg.Pool): Promise<readonly string[]> {
  const [known, run] = await Promise.all([migrationNames(), appliedThrough(pool)]);
  return known.filter((name) => !run.has(name));
}

async function appliedThrough(pool: pg.Pool): Promise<ReadonlySet<string>> {
  const client = await pool.connect().catch((error: unknown) => {
    throw mapConnectError(error, pool.options.connectionString);
  });
  try {
    return await appliedNames(client);
  } catch (error) {
    throw mapQueryError(error);
  } finally {
    client.release();
  }
}

async function appliedNames(client: pg.ClientBase): Promise<ReadonlySet<string>> {
  try {
    const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY name`);
    return new Set(rows.map(({ name }) => name));
  } catch (error) {
    if (hasSqlState(error, UNDEFINED_TABLE)) return new Set();
    throw error;
  }
}

async function migrationNames(): Promise<readonly string[]> {
  const files = await readdir(sqlPath('migrations'));
  return files
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => file.slice(0, -'.sql'.length));
}

/** The SQL lies beside this file, and, when this file is the compiled one, beside its source too. */
function sqlPath(name: string): string {
  const paths = [`./${name}`, `../../db/${name}`].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new AppError('internal', `db/${name} was not shipped with this build`);
  return found;
}

function runnerLog(log: Log | undefined) {
  return {
    info: (message: string) => log?.info({}, message),
    warn: (message: string) => log?.warn({}, message),
    error: (message: string) => log?.error({}, message),
  };
}
