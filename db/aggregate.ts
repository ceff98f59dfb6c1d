/**
 * Loads what a transaction on a connection sees and writes what it decided. Both halves travel as one batch each:
 * a whole `transact` costs two round trips.
 */
import type { Aggregate, Attempt, Changes, Decision, Grant } from '../core/aggregate.ts';
import type { CrowdQuestion } from '../core/crowd.ts';
import type { Connection, ConnectionKey } from '../core/connection.ts';
import { buildTrouble, type TroubleRow, troubleSelection, writeTrouble } from './app-trouble.ts';
import { type AttemptRow, attemptColumns, buildAttempt } from './attempt-row.ts';
import { buildInsert, buildUpsert, timeOf } from './columns.ts';
import {
  buildConnection,
  buildGrant,
  type ConnectionRow,
  connectionColumns,
  connectionSelection,
  type GrantRow,
  grantSelection,
} from './connection-row.ts';
import { loadCrowd, writeEvidence } from './crowd.ts';
import { eventColumns } from './event-row.ts';
import { notifyStatement } from './notice-channel.ts';
import { writeOutbox } from './outbox.ts';
import { lockKey, type Outcome, type Send, type Statement } from './query.ts';
import { buildConnectSession, connectSessionColumns, connectSessionKeeps, type SessionRow } from './session-row.ts';

/** An outage of a day leaves more behind: what holds a token or an answer is seen first, then the newest. */
const MOST_ATTEMPTS = 50;

/** Held by every writer of a connection, whether its row exists yet or not. */
export function connectionLock(key: ConnectionKey): bigint {
  return lockKey('connection', key.app, key.principal);
}

/** Beyond the connection itself: the others, or a session that may have settled. */
interface Sight {
  readonly crowd?: CrowdQuestion;
  readonly sessionId?: string;
}

/** Reads the aggregate; with `forUpdate` the row stays locked against writers that hold no {@link connectionLock}. */
export async function loadAggregate(
  send: Send,
  key: ConnectionKey,
  { forUpdate, sessionId }: { readonly forUpdate: boolean; readonly sessionId?: string },
): Promise<Aggregate> {
  const values = [key.app, key.principal];
  const [connections, attempts, sessions, troubles, settled] = await send(
    {
      text: `SELECT ${connectionSelection}, ${grantSelection} FROM connections c
        WHERE c.app = $1 AND c.principal = $2 ${forUpdate ? 'FOR NO KEY UPDATE' : ''}`,
      values,
    },
    {
      text: `SELECT a.* FROM refresh_attempts a JOIN connections c ON c.id = a.connection_id
        WHERE c.app = $1 AND c.principal = $2 AND (a.status <> 'done' OR a.candidate IS NOT NULL)
        ORDER BY (a.candidate IS NULL AND a.answer IS NULL), a.started_at DESC, a.id DESC LIMIT ${MOST_ATTEMPTS}`,
      values,
    },
    {
      text: `SELECT * FROM connect_sessions WHERE app = $1 AND principal = $2 AND status = 'completed'
        ORDER BY created_at, id`,
      values,
    },
    { text: `${troubleSelection} WHERE app = $1 ORDER BY data_centre`, values: [key.app] },
    ...(sessionId === undefined ? [] : [readSettledSession(key, sessionId)]),
  );
  const row: (ConnectionRow & GrantRow) | undefined = connections?.rows[0];
  const attemptRows: AttemptRow[] = attempts?.rows ?? [];
  const sessionRows: SessionRow[] = [...(sessions?.rows ?? []), ...(settled?.rows ?? [])];
  const troubleRows: TroubleRow[] = troubles?.rows ?? [];
  return {
    connection: row === undefined ? null : buildConnection(row),
    grant: row === undefined ? { current: null, previous: null } : buildGrant(row),
    attempts: attemptRows.map(buildAttempt).sort(newestFirst),
    sessions: sessionRows.map(buildConnectSession),
    appTroubles: troubleRows.map(buildTrouble),
  };
}

/**
 * Not one that waits for this connection, which is loaded anyway, nor one that still looks for its own. Locked before it is
 * judged, so that two processes that hand it to two connections see each other.
 */
function readSettledSession({ app, principal }: ConnectionKey, id: string): Statement {
  return {
    text: `WITH asked AS MATERIALIZED (SELECT * FROM connect_sessions WHERE id = $3 AND app = $1 FOR UPDATE)
      SELECT * FROM asked WHERE status IN ('connected', 'failed') OR (status = 'completed' AND principal <> $2)`,
    values: [app, principal, id],
  };
}

function newestFirst(one: Attempt, other: Attempt): number {
  return other.startedAtMs - one.startedAtMs || (one.id < other.id ? 1 : -1);
}

/** Loads, decides, and gives what is to be written before COMMIT. The caller holds the {@link connectionLock}. */
export async function decideAndWrite<T>(
  send: Send,
  key: ConnectionKey,
  decide: (aggregate: Aggregate) => Decision<T>,
  { crowd, sessionId }: Sight = {},
): Promise<Outcome<T>> {
  const loaded = await loadAggregate(send, key, { forUpdate: true, ...(sessionId === undefined ? {} : { sessionId }) });
  const { connection } = loaded;
  const aggregate =
    crowd === undefined || connection === null
      ? loaded
      : { ...loaded, crowd: await loadCrowd(send, connection, crowd) };
  const { result, changes } = decide(aggregate);
  return { result, writes: buildWrites(key, aggregate, changes) };
}

function buildWrites(key: ConnectionKey, before: Aggregate, changes: Changes): Statement[] {
  const sessions = changes.sessions?.map((session) => writeSession(key, session)) ?? [];
  const connection = changes.connection ?? before.connection;
  if (connection === null) return sessions;
  const { id: connectionId } = connection;
  const writes: Statement[] = [...sessions];
  if (changes.appTrouble !== undefined) writes.push(writeTrouble(key.app, changes.appTrouble));
  if (changes.connection !== undefined || changes.grant !== undefined) {
    writes.unshift(writeConnection(connection, changes.grant ?? before.grant));
  }
  for (const attempt of changes.attempts ?? []) {
    writes.push(buildUpsert('refresh_attempts', attemptColumns, { attempt, connectionId }, { key: 'id' }));
  }
  if (changes.attempts?.length)
    writes.push(
      deleteSettled(
        connectionId,
        changes.attempts.map(({ id }) => id),
      ),
    );
  if (changes.accessToken !== undefined) writes.push(writeAccessToken(connection, changes.accessToken));
  for (const entry of changes.events ?? []) {
    writes.push(buildInsert('connection_events', eventColumns, { entry, connectionId }));
  }
  writes.push(...writeOutbox(connection, changes.events ?? []));
  if (changes.terminalEvidence !== undefined) writes.push(...writeEvidence(connection, changes.terminalEvidence));
  if (isNews(before.connection, connection, changes)) {
    const { version } = connection;
    writes.push(notifyStatement({ kind: 'connection', app: key.app, principal: key.principal, version }));
  }
  return writes;
}

/** Whether what a reader of tokens may have in memory has changed. */
function isNews(before: Connection | null, after: Connection, changes: Changes): boolean {
  return (
    changes.accessToken !== undefined ||
    before === null ||
    before.version !== after.version ||
    before.state !== after.state ||
    before.accessTokenExpiresAtMs !== after.accessTokenExpiresAtMs
  );
}

function writeConnection(connection: Connection, grant: Grant): Statement {
  return buildUpsert(
    'connections',
    connectionColumns,
    { connection, grant },
    {
      key: 'id',
      // Reads are noted beside the lock; an older note never replaces a newer one.
      keep: { last_read_at: 'greatest(connections.last_read_at, excluded.last_read_at)' },
    },
  );
}

function writeSession(key: ConnectionKey, session: NonNullable<Changes['sessions']>[number]): Statement {
  const { app, principal } = key;
  const options = { key: 'id', keep: connectSessionKeeps };
  return buildUpsert('connect_sessions', connectSessionColumns, { ...session, app, principal }, options);
}

function writeAccessToken(connection: Connection, token: NonNullable<Changes['accessToken']> | null): Statement {
  if (token === null) return { text: 'DELETE FROM access_tokens WHERE connection_id = $1', values: [connection.id] };
  return {
    text: `INSERT INTO access_tokens (connection_id, sealed, attempt_id, token_type, expires_at)
      VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (connection_id) DO UPDATE SET sealed = excluded.sealed, attempt_id = excluded.attempt_id,
        token_type = excluded.token_type, expires_at = excluded.expires_at`,
    values: [connection.id, token.sealed, token.attemptId, token.tokenType, timeOf(connection.accessTokenExpiresAtMs)],
  };
}

/** Clean attempts are kept a day for whoever looks into trouble, then go with the next write. */
function deleteSettled(connectionId: string, except: readonly string[]): Statement {
  return {
    text: `DELETE FROM refresh_attempts WHERE connection_id = $1 AND id <> ALL ($2::text[])
      AND status = 'done' AND candidate IS NULL AND started_at < now() - interval '1 day'`,
    values: [connectionId, except],
  };
}
