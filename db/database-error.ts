/**
 * The border between PostgreSQL and Evergrant: what is known to be an outage becomes `database-unavailable`;
 * everything else stays what it was, a defect with its stack.
 */
import pg from 'pg';
import { AppError } from '../core/errors.ts';

/** How long callers are told to wait before they ask again. */
const RETRY_AFTER_MS = 2_000;

/** SQLSTATE of a transaction that PostgreSQL undid and that may simply be run again. */
const undone = new Set(['40001', '40P01']);

/**
 * SQLSTATE classes and codes that speak of the server or the way to it, not of the statement: connection trouble,
 * too many connections, shutdown, start-up, lock and statement time-outs, a session closed for idling in a transaction,
 * a server that has become read-only (the old primary after a failover).
 */
const outages = /^(08...|53...|57P0.|58...|55P03|57014|25P03|25P04|25006)$/;

/** Whether the transaction was rolled back by PostgreSQL because of others, so that it can be tried again at once. */
export function isUndone(error: unknown): boolean {
  return error instanceof pg.DatabaseError && undone.has(error.code ?? '');
}

/** Whether the error is PostgreSQL's answer with one of these SQLSTATE codes. */
export function hasSqlState(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof pg.DatabaseError && codes.includes(error.code ?? '');
}

/** What a failed statement is to its caller: `database-unavailable`, or the error as it came. */
export function mapQueryError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) {
    return outages.test(error.code ?? '') || isUndone(error) ? unavailable(error, error.code) : error;
  }
  // A value that cannot be sent is our own bug; whatever else did not come from PostgreSQL is the way to it.
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return error;
  return unavailable(error, systemCode(error));
}

/** What a failed connect is: always an outage, whether nobody listens or the database refuses us. */
export function mapConnectError(error: unknown, databaseUrl: string | undefined): AppError {
  const where = addressOf(databaseUrl);
  if (error instanceof pg.DatabaseError) {
    return unavailable(error, error.code, `PostgreSQL at ${where} refuses the connection (${error.code})`, where);
  }
  const reason = systemCode(error);
  return unavailable(error, reason, `No PostgreSQL answers at ${where} (${reason ?? 'no answer in time'})`, where);
}

function unavailable(
  cause: unknown,
  reason = 'connection-lost',
  message = 'PostgreSQL is away',
  address: string | null = null,
): AppError {
  return new AppError('database-unavailable', message, {
    cause,
    details: { reason, ...(address !== null && { address }) },
    retryAfterMs: RETRY_AFTER_MS,
  });
}

/** Host, port and database of a URL: never its user and password. */
function addressOf(databaseUrl: string | undefined): string {
  const url = databaseUrl !== undefined && URL.canParse(databaseUrl) ? new URL(databaseUrl) : null;
  return url === null ? 'the configured address' : `${url.host}${url.pathname}`;
}

function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
