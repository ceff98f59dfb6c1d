import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import {
  TEST_TYPE,
  type Delivery,
  type DeliveryState,
  type WebhookEndpoint,
  type WebhookStore,
} from '../core/webhooks.ts';
import { writeAudit } from './audit-store.ts';
import { msOf, timeOf } from './columns.ts';
import { query, transact } from './query.ts';

/** {@link WebhookStore} on PostgreSQL. Every method throws `database-unavailable` for an outage. */
export function createWebhookStore(pool: Pool): WebhookStore {
  return {
    async claim({ nowMs, leaseMs, limit, perEndpoint, busy }) {
      const { rows } = await query<DeliveryRow>(
        pool,
        `WITH due AS (
           SELECT d.message_id, d.url FROM (${endpointsThatHear}) e CROSS JOIN LATERAL (
             SELECT message_id, url, next_at FROM webhook_deliveries
             WHERE app = e.app AND url = e.url AND status = 'pending' AND next_at <= $1
             ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED
           ) d
           WHERE e.url <> ALL ($5::text[])
           ORDER BY d.next_at LIMIT $3
         )
         UPDATE webhook_deliveries d SET attempts = attempts + 1, next_at = $2
         FROM due JOIN outbox o ON o.id = due.message_id
         WHERE d.message_id = due.message_id AND d.url = due.url
         RETURNING d.message_id, d.app, d.url, d.attempts, o.type, o.connection, o.at`,
        [timeOf(nowMs), timeOf(nowMs + leaseMs), limit, perEndpoint, busy],
      );
      return rows.map(buildDelivery);
    },

    async settle({ messageId, app, url, attempts }, outcome, nowMs) {
      const status = outcome.kind === 'failed' ? (outcome.nextAtMs === null ? 'failed' : 'pending') : outcome.kind;
      const nextAtMs = outcome.kind === 'failed' ? (outcome.nextAtMs ?? nowMs) : nowMs;
      const error = outcome.kind === 'delivered' ? null : outcome.kind === 'gone' ? 'gone' : outcome.error;
      await transact(pool, {}, async () => ({
        result: null,
        writes: [
          {
            text: `UPDATE webhook_deliveries SET status = $3, next_at = $4, last_status = $5, last_error = $6,
                settled_at = CASE WHEN $3 = 'pending' THEN NULL ELSE $7::timestamptz END
              WHERE message_id = $1 AND url = $2 AND status = 'pending' AND attempts = $8`,
            values: [
              messageId,
              url,
              status === 'gone' ? 'failed' : status,
              timeOf(nextAtMs),
              outcome.status,
              error,
              timeOf(nowMs),
              attempts,
            ],
          },
          ...(outcome.kind === 'gone'
            ? [
                {
                  text: 'INSERT INTO disabled_webhooks (app, url, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
                  values: [app, url, timeOf(nowMs)],
                },
              ]
            : []),
        ],
      }));
    },

    async secrets(app, nowMs) {
      const { rows } = await query<SecretRow>(
        pool,
        `SELECT id, sealed, created_at, retires_at FROM webhook_secrets
         WHERE app = $1 AND (retires_at IS NULL OR retires_at > $2) ORDER BY created_at DESC, id`,
        [app, timeOf(nowMs)],
      );
      return rows.map((row) => ({
        id: row.id,
        sealed: row.sealed,
        createdAtMs: msOf(row.created_at),
        retiresAtMs: msOf(row.retires_at),
      }));
    },

    async addSecret(app, { id, sealed, createdAtMs }, { overlapUntilMs }, act) {
      await transact(pool, {}, async () => ({
        result: null,
        writes: [
          {
            text: `UPDATE webhook_secrets SET retires_at = least(coalesce(retires_at, $2), $2) WHERE app = $1`,
            values: [app, timeOf(overlapUntilMs)],
          },
          {
            text: 'INSERT INTO webhook_secrets (id, app, sealed, created_at) VALUES ($1, $2, $3, $4)',
            values: [id, app, sealed, timeOf(createdAtMs)],
          },
          writeAudit(act, { type: 'app.webhook-secret-rotated', app, subject: id, atMs: createdAtMs, facts: {} }),
        ],
      }));
    },

    async endpoints(app) {
      const { rows } = await query<EndpointRow>(
        pool,
        `SELECT hook->>'url' AS url, hook->'events' AS events, x.at AS disabled_at, n.pending, n.failed, n.last_delivered_at,
           (SELECT last_error FROM webhook_deliveries d WHERE d.app = a.app AND d.url = hook->>'url'
              AND last_error IS NOT NULL ORDER BY next_at DESC LIMIT 1) AS last_error
         FROM apps a, jsonb_array_elements(a.webhooks) hook
         LEFT JOIN disabled_webhooks x ON x.app = $1 AND x.url = hook->>'url'
         LEFT JOIN LATERAL (
           SELECT count(*) FILTER (WHERE status = 'pending')::int AS pending,
             count(*) FILTER (WHERE status = 'failed')::int AS failed,
             max(settled_at) FILTER (WHERE status = 'delivered') AS last_delivered_at
           FROM webhook_deliveries d WHERE d.app = $1 AND d.url = hook->>'url'
         ) n ON true
         WHERE a.app = $1`,
        [app],
      );
      return rows.map(buildEndpoint);
    },

    async test(app, nowMs) {
      const id = `msg_${randomUUID()}`;
      await query(
        pool,
        `WITH kept AS (INSERT INTO outbox (id, app, type, at) VALUES ($1, $2, $3, $4) RETURNING id)
         INSERT INTO webhook_deliveries (message_id, app, url, status, attempts, next_at)
         SELECT DISTINCT kept.id, $2, hook->>'url', 'pending', 0, $4
         FROM kept, apps, jsonb_array_elements(webhooks) hook
         WHERE apps.app = $2
           AND NOT EXISTS (SELECT FROM disabled_webhooks x WHERE x.app = $2 AND x.url = hook->>'url')`,
        [id, app, TEST_TYPE, timeOf(nowMs)],
      );
      return id;
    },

    async deliveries(messageId) {
      const { rows } = await query<StateRow>(
        pool,
        `SELECT url, status, attempts, last_status, last_error FROM webhook_deliveries WHERE message_id = $1 ORDER BY url`,
        [messageId],
      );
      return rows.map((row) => ({
        url: row.url,
        status: row.status,
        attempts: row.attempts,
        lastStatus: row.last_status,
        lastError: row.last_error,
      }));
    },

    async replay(app, { sinceMs, messageId, onlyFailed }, nowMs, act) {
      return await transact(pool, {}, async (send) => {
        const [, changed] = await send(
          { text: 'DELETE FROM disabled_webhooks WHERE app = $1', values: [app] },
          {
            text: `UPDATE webhook_deliveries d SET status = 'pending', attempts = 0, next_at = $5, settled_at = NULL
              FROM outbox o WHERE o.id = d.message_id AND d.app = $1
                AND ($2::timestamptz IS NULL OR o.at >= $2) AND ($3::text IS NULL OR o.id = $3)
                AND (NOT $4 OR d.status = 'failed')`,
            values: [app, timeOf(sinceMs), messageId, onlyFailed, timeOf(nowMs)],
          },
        );
        const count = changed?.rowCount ?? 0;
        const facts = { count, sinceMs, messageId, onlyFailed };
        const event = { type: 'app.webhooks-replayed', app, subject: app, atMs: nowMs, facts };
        return { result: count, writes: [writeAudit(act, event)] };
      });
    },

    async lagMs(nowMs) {
      const { rows } = await query<{ readonly at: Date | null }>(
        pool,
        // Those that failed and wait for their next try as well: a round leaves none that is due.
        `SELECT min(o.at) AS at FROM (${endpointsThatHear}) e
           JOIN webhook_deliveries d ON d.app = e.app AND d.url = e.url JOIN outbox o ON o.id = d.message_id
         WHERE d.status = 'pending'`,
      );
      const at = rows[0]?.at ?? null;
      return at === null ? 0 : Math.max(0, nowMs - msOf(at));
    },

    async sweep(beforeMs) {
      const { rowCount } = await query(pool, 'DELETE FROM outbox WHERE at < $1', [timeOf(beforeMs)]);
      return rowCount ?? 0;
    },
  };
}

/** Endpoints of the apps as they are configured now, which can be told something: signed, and not unwanted. */
const endpointsThatHear = `
  SELECT DISTINCT a.app, hook->>'url' AS url FROM apps a, jsonb_array_elements(a.webhooks) hook
  WHERE EXISTS (SELECT FROM webhook_secrets s WHERE s.app = a.app)
    AND NOT EXISTS (SELECT FROM disabled_webhooks x WHERE x.app = a.app AND x.url = hook->>'url')`;

interface DeliveryRow {
  readonly message_id: string;
  readonly app: string;
  readonly url: string;
  readonly attempts: number;
  readonly type: string;
  readonly connection: Delivery['connection'];
  readonly at: Date;
}

function buildDelivery(row: DeliveryRow): Delivery {
  return {
    messageId: row.message_id,
    app: row.app,
    url: row.url,
    type: row.type,
    connection: row.connection,
    atMs: msOf(row.at),
    attempts: row.attempts,
  };
}

interface SecretRow {
  readonly id: string;
  readonly sealed: string;
  readonly created_at: Date;
  readonly retires_at: Date | null;
}

interface EndpointRow {
  readonly url: string;
  readonly events: readonly string[];
  readonly disabled_at: Date | null;
  readonly pending: number;
  readonly failed: number;
  readonly last_delivered_at: Date | null;
  readonly last_error: string | null;
}

function buildEndpoint(row: EndpointRow): WebhookEndpoint {
  return {
    url: row.url,
    events: row.events,
    disabledAtMs: msOf(row.disabled_at),
    pending: row.pending,
    failed: row.failed,
    lastDeliveredAtMs: msOf(row.last_delivered_at),
    lastError: row.last_error,
  };
}

interface StateRow {
  readonly url: string;
  readonly status: DeliveryState['status'];
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
}
