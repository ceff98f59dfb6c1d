/**
 * Completing a landing page: session, verification code and connection in one transaction, so that a code is
 * used up if and only if the connect it was typed for is on its way. A refusal commits too: its count must stay.
 */
import type { Pool } from 'pg';
import type { Aggregate, Decision } from '../core/aggregate.ts';
import type { ConnectionKey } from '../core/connection.ts';
import { AppError } from '../core/errors.ts';
import type { CompleteResult, SessionStore } from '../core/stores.ts';
import { connectionLock, decideAndWrite } from './aggregate.ts';
import { writeAudit } from './audit-store.ts';
import { timeOf } from './columns.ts';
import { lockKey, type Outcome, query, type Send, type Statement, transact } from './query.ts';
import { buildBrowserSession, type SessionRow } from './session-row.ts';
import { spendTicket } from './session-ticket.ts';

type CompleteInput = Parameters<SessionStore['complete']>[0];

/** Wrong codes that a session may bring; from the next on it is over. */
const TRIES_PER_SESSION = 5;
/** Wrong codes within an hour, from one address and in one app, after which nobody is listened to. */
const FAILURES_PER_ADDRESS = 20;
const FAILURES_PER_APP = 100;
const HOUR_MS = 3_600_000;

/** See {@link SessionStore.complete}. Throws `not-found` for a session that the app doesn't have. */
export async function completeSession<T>(
  pool: Pool,
  input: CompleteInput,
  decide: (aggregate: Aggregate, key: ConnectionKey) => Decision<T>,
): Promise<CompleteResult<T>> {
  // What never changes is read before, so that the connection's lock can be taken first, as by every other writer.
  const { principal, request_token_fingerprint: requestToken } = await oneIdentity(pool, input);
  const key = principal === null ? null : { app: input.app, principal };
  const locks = [
    ...(key === null ? [] : [connectionLock(key)]),
    lockKey('request-token', input.app, requestToken ?? ''),
  ];
  // Without these two, tries sent at the same moment would all see the same count.
  if (input.codeFingerprint !== undefined) {
    locks.push(lockKey('code-failures-app', input.app), lockKey('code-failures-address', input.addressFingerprint));
  }
  return transact(pool, { locks }, async (send): Promise<Outcome<CompleteResult<T>>> => {
    const session = await oneSession(send, input);
    const refusal =
      (await judgeSession(send, session, input)) ??
      (await judgeCode(send, session, input)) ??
      (await judgeTicket(send, session, input));
    if (refusal !== null) return refusal;
    await send({
      text: `UPDATE connect_sessions SET status = 'completed', uses = 0, next_try_at = $2, last_seen_at = $2 WHERE id = $1`,
      values: [session.id, timeOf(input.nowMs)],
    });
    // Whose connection it will be is not known yet: there is nothing to be decided about it.
    const { result, writes } =
      key === null
        ? { result: null, writes: [] }
        : await decideAndWrite(send, key, (aggregate) => decide(aggregate, key));
    return { result: { outcome: 'completed', result }, writes: [...writes, loseOthers(session)] };
  });
}

type SessionIdentity = Pick<SessionRow, 'principal' | 'request_token_fingerprint'>;

async function oneIdentity(pool: Pool, { app, id }: CompleteInput): Promise<SessionIdentity> {
  const { rows } = await query<SessionIdentity>(
    pool,
    'SELECT principal, request_token_fingerprint FROM connect_sessions WHERE app = $1 AND id = $2',
    [app, id],
  );
  return rows[0] ?? unknownSession(app);
}

function unknownSession(app: string): never {
  throw new AppError('not-found', 'No such connect session', { details: { app } });
}

async function oneSession(send: Send, { app, id }: CompleteInput): Promise<SessionRow> {
  const [found] = await send({
    text: 'SELECT * FROM connect_sessions WHERE app = $1 AND id = $2 FOR UPDATE',
    values: [app, id],
  });
  const row: SessionRow | undefined = found?.rows[0];
  return row ?? unknownSession(app);
}

type Refusal = Outcome<Exclude<CompleteResult<never>, { outcome: 'completed' }>>;

function refuse(result: Refusal['result'], ...writes: Refusal['writes']): Refusal {
  return { result, writes };
}

/** Whether the session can still be completed; null when it can. */
async function judgeSession(send: Send, row: SessionRow, { nowMs }: CompleteInput): Promise<Refusal | null> {
  const session = buildBrowserSession(row);
  if (session === null) return unknownSession(row.app);
  if (session.status === 'lost') return refuse({ outcome: 'lost' });
  if (session.status !== 'open') return refuse({ outcome: 'already', session });
  if (session.expiresAtMs <= nowMs) return refuse({ outcome: 'expired' });
  const [winners] = await send({
    text: `SELECT 1 FROM connect_sessions WHERE app = $1 AND request_token_fingerprint = $2 AND id <> $3
      AND status IN ('completed', 'connected') LIMIT 1`,
    values: [row.app, row.request_token_fingerprint, row.id],
  });
  if (winners?.rows.length)
    return refuse(
      { outcome: 'lost' },
      {
        text: `UPDATE connect_sessions SET status = 'lost', request_token = NULL WHERE id = $1`,
        values: [row.id],
      },
    );
  return null;
}

/** Uses the verification code up, where the mode asks for one; null when the way is free. */
async function judgeCode(send: Send, session: SessionRow, input: CompleteInput): Promise<Refusal | null> {
  const { app, nowMs, codeFingerprint, addressFingerprint } = input;
  if (codeFingerprint === undefined) return null;
  if (session.code_tries >= TRIES_PER_SESSION) return refuse({ outcome: 'expired' });
  const retryAfterMs = await tooManyFailures(send, input);
  if (retryAfterMs !== null) return refuse({ outcome: 'rate-limited', retryAfterMs });
  const [used] = await send({
    text: `UPDATE verification_codes SET used_at = $3, used_by_session = $4
      WHERE app = $1 AND fingerprint = $2 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $3
        AND (principal IS NULL OR principal = $5)
      RETURNING id, customer_ref`,
    values: [app, codeFingerprint, timeOf(nowMs), session.id, session.principal],
  });
  const code: { id: string; customer_ref: string | null } | undefined = used?.rows[0];
  if (code === undefined) {
    return refuse(
      { outcome: 'code-rejected', triesLeft: TRIES_PER_SESSION - session.code_tries - 1 },
      { text: 'UPDATE connect_sessions SET code_tries = code_tries + 1 WHERE id = $1', values: [session.id] },
      {
        text: 'INSERT INTO verification_failures (app, address_fingerprint, at) VALUES ($1, $2, $3)',
        values: [app, addressFingerprint, timeOf(nowMs)],
      },
    );
  }
  const { correlationId = null } = input;
  const facts = { principal: session.principal, session: session.id, customerRef: code.customer_ref };
  await send(
    {
      text: 'UPDATE connect_sessions SET customer_ref = $2 WHERE id = $1',
      values: [session.id, code.customer_ref],
    },
    writeAudit(
      { actor: 'concur-admin', reason: null, correlationId },
      { type: 'code.used', app, subject: code.id, facts, atMs: nowMs },
    ),
  );
  return null;
}

/** Uses the ticket up, where the mode asks for one; null when the way is free. */
async function judgeTicket(send: Send, session: SessionRow, input: CompleteInput): Promise<Refusal | null> {
  const { ticketId, nowMs } = input;
  const wrong = ticketId === undefined ? null : await spendTicket(send, session, { ticketId, nowMs });
  return wrong === null ? null : refuse({ outcome: wrong });
}

/** How long until the next try is heard, null when it is heard now. The limits also hold for right codes. */
async function tooManyFailures(send: Send, input: CompleteInput): Promise<number | null> {
  const since = timeOf(input.nowMs - HOUR_MS);
  const [byAddress, byApp] = await send(
    {
      text: `SELECT at FROM verification_failures WHERE address_fingerprint = $1 AND at > $2
        ORDER BY at DESC OFFSET $3 LIMIT 1`,
      values: [input.addressFingerprint, since, FAILURES_PER_ADDRESS - 1],
    },
    {
      text: 'SELECT at FROM verification_failures WHERE app = $1 AND at > $2 ORDER BY at DESC OFFSET $3 LIMIT 1',
      values: [input.app, since, FAILURES_PER_APP - 1],
    },
  );
  // The failure that has to become an hour old before there is room for another.
  const blocking: Date[] = [byAddress?.rows[0]?.at, byApp?.rows[0]?.at].filter((at) => at !== undefined);
  if (blocking.length === 0) return null;
  return Math.max(...blocking.map((at) => at.getTime())) + HOUR_MS - input.nowMs;
}

/** First browser wins: the same request token in another one is over, and shredded there. */
function loseOthers(session: SessionRow): Statement {
  return {
    text: `UPDATE connect_sessions SET status = 'lost', request_token = NULL
      WHERE app = $1 AND request_token_fingerprint = $2 AND id <> $3 AND status = 'open'`,
    values: [session.app, session.request_token_fingerprint, session.id],
  };
}
