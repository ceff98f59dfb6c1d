/**
 * Access tokens as readers ask for them, many at once: reads that come in the same turn of the event loop travel as one
 * statement, prepared once a connection, with the few columns that a reader needs. A busy API asks for thousands a
 * second; alone, each cost its own round trip, plan, and row of forty columns.
 *
 * A read never sees anything older than the moment at which it was asked for. One that can't be sent takes nobody with it.
 */
import type { Pool } from 'pg';
import { isAppError } from '../core/errors.ts';
import type { ConnectionKey, ConnectionState } from '../core/connection.ts';
import type { StoredAccessToken } from '../core/stores.ts';
import { queryRows } from './query.ts';

/** Reads in one statement. */
const MOST_IN_BATCH = 100;
/** Statements under way: few, so that reads gather; more than one, so that none waits for another's slow answer. */
const MOST_UNDER_WAY = 4;

/** In the order of the statement's columns. */
type TokenRow = readonly [
  index: number,
  id: string,
  state: ConnectionState,
  version: number,
  geolocation: string | null,
  scope: string | null,
  accessTokenSentAtMs: number | null,
  accessTokenExpiresAtMs: number | null,
  nextActionAtMs: number | null,
  lastErrorCode: string | null,
  sealed: string | null,
  attemptId: string | null,
  tokenType: 'Bearer' | 'OAuth' | null,
];

/** Times as numbers: building a date out of text and taking it apart again costs more than the rest of the row. */
const ms = (column: string): string => `floor(extract(epoch FROM ${column}) * 1000)::float8`;

const readTokens = {
  name: 'read-access-tokens',
  text: `SELECT k.n::int4, c.id, c.state, c.version, c.geolocation, c.scope,
      ${ms('c.access_token_sent_at')}, ${ms('c.access_token_expires_at')}, ${ms('c.next_action_at')},
      c.last_error_code, t.sealed, t.attempt_id, t.token_type
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (app, principal, n)
    JOIN connections c ON c.app = k.app AND c.principal = k.principal
    LEFT JOIN access_tokens t ON t.connection_id = c.id`,
};

interface Waiting {
  readonly key: ConnectionKey;
  readonly resolve: (found: StoredAccessToken | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads one; null when the connection is unknown. Throws `database-unavailable` for an outage. */
export function createTokenBatches(pool: Pool): (key: ConnectionKey) => Promise<StoredAccessToken | null> {
  let waiting: Waiting[] = [];
  let underWay = 0;
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || waiting.length === 0 || underWay >= MOST_UNDER_WAY) return;
    isScheduled = true;
    // After all that this turn of the event loop has brought.
    setImmediate(() => {
      isScheduled = false;
      const batch = waiting.slice(0, MOST_IN_BATCH);
      waiting = waiting.slice(MOST_IN_BATCH);
      underWay += 1;
      void answer(batch).finally(() => {
        underWay -= 1;
        schedule();
      });
      schedule();
    });
  }

  async function answer(batch: readonly Waiting[]): Promise<void> {
    try {
      const found = await read(batch.map(({ key }) => key));
      for (const [index, { resolve }] of batch.entries()) resolve(found[index] ?? null);
    } catch (error) {
      // What PostgreSQL can't take in one of them is that one's own trouble.
      if (batch.length === 1 || isAppError(error, 'database-unavailable'))
        for (const { reject } of batch) reject(error);
      else for (const one of batch) await answer([one]);
    }
  }

  async function read(keys: readonly ConnectionKey[]): Promise<readonly (StoredAccessToken | null | undefined)[]> {
    const values = [keys.map(({ app }) => app), keys.map(({ principal }) => principal)];
    const rows = await queryRows<TokenRow>(pool, { ...readTokens, values });
    const found: StoredAccessToken[] = [];
    for (const row of rows) {
      const key = keys[row[0] - 1];
      if (key !== undefined) found[row[0] - 1] = buildStored(key, row);
    }
    return found;
  }

  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      schedule();
    });
}

function buildStored({ app, principal }: ConnectionKey, row: TokenRow): StoredAccessToken {
  const [, id, state, version, geolocation, scope, sentAtMs, expiresAtMs, nextActionAtMs, code, ...token] = row;
  const [sealed, attemptId, tokenType] = token;
  const isMissing = sealed === null || attemptId === null || tokenType === null;
  return {
    connection: {
      ...{ id, app, principal, state, version, geolocation, scope, nextActionAtMs },
      accessTokenSentAtMs: sentAtMs,
      accessTokenExpiresAtMs: expiresAtMs,
      lastError: code === null ? null : { code },
    },
    token: isMissing ? null : { sealed, attemptId, tokenType },
  };
}
