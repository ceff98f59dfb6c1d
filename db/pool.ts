import pg from 'pg';
import type { Log } from '../core/ports.ts';

export interface PoolOptions {
  readonly url: string;
  /** Most connections at once; 10 unless told otherwise. */
  readonly max?: number;
  readonly log: Log;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
}

/** Time-outs in milliseconds. Every wait for the database ends, and the server's end comes before the client's. */
const databaseTimeouts = {
  connectMs: 5_000,
  lockMs: 8_000,
  statementMs: 10_000,
  /** A process frozen in mid-transaction must not hold a row for longer. */
  idleInTransactionMs: 10_000,
  /** Client side, for a server that is gone without a word. */
  queryMs: 12_000,
} as const;

/**
 * The pool that all stores of a process share. Its clients pipeline: the statements of a transaction that do not
 * depend on each other travel together. `end()` closes it.
 */
export function createPool({ url, max = 10, log, applicationName = 'evergrant' }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: applicationName,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: databaseTimeouts.connectMs,
    idleTimeoutMillis: 30_000,
    lock_timeout: databaseTimeouts.lockMs,
    statement_timeout: databaseTimeouts.statementMs,
    idle_in_transaction_session_timeout: databaseTimeouts.idleInTransactionMs,
    query_timeout: databaseTimeouts.queryMs,
  });
  // A client in use that loses its server tells so by its failing statement; the event must not end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  // An idle client that loses its server: the pool drops it and the next caller gets a new one.
  pool.on('error', (error) =>
    log.warn({ code: 'code' in error ? error.code : null }, 'lost an idle database connection'),
  );
  return pool;
}
