/**
 * How stores talk to the pool: single statements, and transactions whose statements travel together, so that a
 * whole read-decide-write costs two round trips. Errors are mapped here and nowhere else.
 */
import { createHash } from 'node:crypto';
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { AppError } from '../core/errors.ts';
import { isUndone, mapConnectError, mapQueryError } from './database-error.ts';

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** Runs one statement. Throws `database-unavailable` for an outage. */
export async function query<R extends QueryResultRow>(
  pool: Pool,
  text: string,
  values: readonly unknown[] = [],
): Promise<QueryResult<R>> {
  return await run(pool, (client) => client.query<R>(text, [...values]));
}

/** The rows of one statement as arrays; PostgreSQL plans it once a connection. Throws `database-unavailable` for an outage. */
export async function queryRows<R extends readonly unknown[]>(
  pool: Pool,
  statement: { readonly name: string; readonly text: string; readonly values: readonly unknown[] },
): Promise<readonly R[]> {
  const { name, text, values } = statement;
  const { rows } = await run(pool, (client) =>
    client.query<R & unknown[]>({ name, text, values: [...values], rowMode: 'array' }),
  );
  return rows;
}

async function run<T>(pool: Pool, ask: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await connect(pool);
  let failure: unknown;
  try {
    return await ask(client);
  } catch (error) {
    failure = error;
    throw mapQueryError(error);
  } finally {
    client.release(isBroken(failure));
  }
}

/** Sends statements without waiting in between; results in the same order. */
export type Send = (...statements: readonly Statement[]) => Promise<readonly QueryResult[]>;

/** What a transaction's body returns: its result, and the statements that are sent together with COMMIT. */
export interface Outcome<T> {
  readonly result: T;
  readonly writes: readonly Statement[];
}

/** Names what a transaction has for itself until its end; locks are always taken in the order given. */
export function lockKey(...parts: readonly string[]): bigint {
  return createHash('sha256').update(parts.join('\u0000')).digest().readBigInt64BE();
}

export interface TransactionOptions {
  /** Advisory locks taken before anything is read: statements after them see all that earlier holders committed. */
  readonly locks?: readonly bigint[];
  readonly isolation?: 'REPEATABLE READ READ ONLY';
}

/** Tries of a transaction that PostgreSQL undoes because of a deadlock or a serialization failure. */
const TRIES = 4;

/**
 * Runs `body` in a transaction and commits what it returns. The body may run again when PostgreSQL undid the
 * transaction, so it has no effects of its own; what it throws rolls back and reaches the caller as it is.
 * Throws `database-unavailable` for an outage; whether a COMMIT whose answer was lost took place is then unknown.
 */
export async function transact<T>(
  pool: Pool,
  options: TransactionOptions,
  body: (send: Send) => Promise<Outcome<T>>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transactOnce(pool, options, body);
    } catch (error) {
      if (!isUndone(error)) throw error;
      if (attempt === TRIES) throw mapQueryError(error);
    }
  }
}

/** Throws an undone transaction's error as it came, other failures of the database mapped, the body's own as they are. */
async function transactOnce<T>(
  pool: Pool,
  { locks = [], isolation }: TransactionOptions,
  body: (send: Send) => Promise<Outcome<T>>,
): Promise<T> {
  const client = await connect(pool);
  const session = createSession(client);
  try {
    // Not awaited: the first statements of the body follow on the heels of it.
    session.begin([isolation ? `BEGIN ISOLATION LEVEL ${isolation}` : 'BEGIN', ...locks.map(lockStatement)].join(';'));
    const { result, writes } = await body(session.send);
    const committed = (await session.send(...writes, { text: 'COMMIT' })).at(-1);
    if (committed?.command !== 'COMMIT') throw new Error(`The transaction ended with ${committed?.command}`);
    client.release();
    return result;
  } catch (error) {
    const failure = session.failure();
    client.release(isBroken(failure) || (await rollBack(client)));
    if (failure === undefined || isUndone(failure)) throw failure ?? error;
    throw mapQueryError(failure);
  }
}

/** Keeps the first error of a client: what follows in an aborted transaction says nothing new. */
function createSession(client: PoolClient) {
  let first: { readonly error: unknown } | undefined;
  let begun: Promise<unknown> = Promise.resolve();
  const note = (error: unknown): never => {
    first ??= { error };
    throw error;
  };
  const send: Send = async (...statements) => {
    const sent = statements.map(({ text, values }) =>
      values === undefined ? client.query(text) : client.query(text, [...values]),
    );
    const settled = await Promise.allSettled([begun, ...sent]);
    const failed = settled.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') return note(failed.reason);
    return Promise.all(sent);
  };
  return {
    begin(text: string): void {
      begun = client.query(text);
      begun.catch(() => undefined);
    },
    send,
    failure: () => first?.error,
  };
}

/** True when even that fails and the client has to go. */
async function rollBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return false;
  } catch {
    return true;
  }
}

/** Whether a client is of no use any more: it failed in another way than by an answer of PostgreSQL. */
function isBroken(error: unknown): boolean {
  if (error === undefined) return false;
  const mapped = mapQueryError(error);
  return mapped instanceof AppError && mapped.code === 'database-unavailable';
}

function lockStatement(key: bigint): string {
  return `SELECT pg_advisory_xact_lock(${key})`;
}

async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw mapConnectError(error, pool.options.connectionString);
  }
}
