import type { Pool } from 'pg';
import { timeOf } from './columns.ts';
import { sweepIdempotencyKeys } from './idempotency-store.ts';
import { query, transact } from './query.ts';
import { createWebhookStore } from './webhook-store.ts';

/** How many rows a sweep removed, by what they were. */
export interface Swept {
  readonly accessTokens: number;
  readonly attempts: number;
  readonly sessions: number;
  readonly verificationFailures: number;
  readonly idempotencyKeys: number;
  readonly webhooks: number;
  /** Months of the audit trails that went as a whole, and rows of none. */
  readonly auditMonths: number;
  readonly auditRows: number;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** A session is of no use to anybody a month after its request token died. */
const SESSION_RETENTION_MS = 30 * DAY_MS;
/** So long after its death a connection can be revived. */
const DEAD_TOKEN_RETENTION_MS = 30 * DAY_MS;
/** So long what was told can be told again. */
const WEBHOOK_RETENTION_MS = 30 * DAY_MS;
/** Unless told otherwise. */
const AUDIT_RETENTION_MS = 400 * DAY_MS;
/** Months for which the audit trail has partitions, this one included. */
const MONTHS_AHEAD = 3;

/**
 * Deletes what has had its time: expired access tokens, clean attempts, tokens of connections that are dead for good,
 * request tokens of visits that nobody finished and logins that no workflow came for, old sessions; makes the audit trails' next partitions, and drops the months
 * that are older than `auditRetentionMs` (thirty days at least). Safe to run from several processes, meant to run hourly.
 */
export function createSweeper(
  pool: Pool,
  { auditRetentionMs = AUDIT_RETENTION_MS }: { readonly auditRetentionMs?: number } = {},
): { sweep(nowMs: number): Promise<Swept> } {
  return {
    async sweep(nowMs) {
      const now = timeOf(nowMs);
      const counts = await transact(pool, {}, async (send) => {
        const results = await send(
          { text: 'DELETE FROM access_tokens WHERE expires_at <= $1', values: [now] },
          {
            text: `DELETE FROM refresh_attempts WHERE status = 'done' AND candidate IS NULL AND started_at < $1`,
            values: [timeOf(nowMs - DAY_MS)],
          },
          {
            text: `DELETE FROM connect_sessions WHERE status <> 'completed' AND expires_at < $1`,
            values: [timeOf(nowMs - SESSION_RETENTION_MS)],
          },
          { text: 'DELETE FROM verification_failures WHERE at < $1', values: [timeOf(nowMs - HOUR_MS)] },
          {
            text: `UPDATE connections SET current_token = NULL, current_token_attempt = NULL, current_token_refused = NULL,
                previous_token = NULL, previous_token_attempt = NULL, previous_token_refused = NULL
              WHERE state = 'reauthorization-required' AND state_since < $1 AND current_token IS NOT NULL`,
            values: [timeOf(nowMs - DEAD_TOKEN_RETENTION_MS)],
          },
          {
            text: `UPDATE connect_sessions SET request_token = NULL
              WHERE status = 'open' AND expires_at <= $1 AND request_token IS NOT NULL`,
            values: [now],
          },
          // A login is not kept sealed for longer because no workflow came for it. One whose answer is on file, or may
          // still come, is left to its workflow.
          {
            text: `WITH over AS (
                UPDATE connect_sessions SET status = 'failed', failure = 'connect-failed', request_token = NULL, open_until = NULL
                WHERE status = 'completed' AND principal IS NULL AND answer IS NULL AND expires_at <= $1
                  AND (open_until IS NULL OR open_until <= $1)
                RETURNING id, app, kind, failure
              )
              INSERT INTO audit_events (at, type, actor, app, subject, reason, facts)
              SELECT $1, 'connect.failed', 'sweeper', app, id, 'no-answer-in-time',
                jsonb_build_object('kind', kind, 'failure', failure) FROM over`,
            values: [now],
          },
        );
        return { result: results.map(({ rowCount }) => rowCount ?? 0), writes: [] };
      });
      await query(pool, 'SELECT ensure_event_partitions($1::date, $2)', [isoDay(nowMs), MONTHS_AHEAD]);
      const idempotencyKeys = await sweepIdempotencyKeys(pool, nowMs);
      const webhooks = await createWebhookStore(pool).sweep(nowMs - WEBHOOK_RETENTION_MS);
      const [accessTokens = 0, attempts = 0, sessions = 0, verificationFailures = 0] = counts;
      const swept = { accessTokens, attempts, sessions, verificationFailures, idempotencyKeys, webhooks };
      // Last, because it gives up where somebody holds the trail.
      return { ...swept, ...(await dropExpiredEvents(pool, auditRetentionMs)) };
    },
  };
}

async function dropExpiredEvents(pool: Pool, retentionMs: number): Promise<Pick<Swept, 'auditMonths' | 'auditRows'>> {
  const { rows } = await query<{ partitions: number; default_rows: string }>(
    pool,
    'SELECT partitions, default_rows FROM drop_expired_events(make_interval(secs => $1))',
    [retentionMs / 1_000],
  );
  return { auditMonths: rows[0]?.partitions ?? 0, auditRows: Number(rows[0]?.default_rows ?? 0) };
}

function isoDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
