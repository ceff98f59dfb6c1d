/** What a transaction on a connection puts into the outbox, for the endpoints that want to hear of it. */
import { randomUUID } from 'node:crypto';
import type { AuditEntry } from '../core/audit-entry.ts';
import type { Connection } from '../core/connection.ts';
import { webhookTypesOf } from '../core/webhooks.ts';
import { timeOf } from './columns.ts';
import type { Statement } from './query.ts';

/** None for most transactions: routine rotations tell nobody anything. */
export function writeOutbox(connection: Connection, events: readonly AuditEntry[]): readonly Statement[] {
  const at = timeOf(events.at(-1)?.atMs ?? null);
  return webhookTypesOf(events).map((type) => ({
    text: `WITH told AS (
        SELECT DISTINCT hook->>'url' AS url FROM apps, jsonb_array_elements(webhooks) hook
        WHERE app = $2 AND hook->'events' ? $3
          AND NOT EXISTS (SELECT FROM disabled_webhooks d WHERE d.app = $2 AND d.url = hook->>'url')
      ), kept AS (
        INSERT INTO outbox (id, app, type, connection, at)
        SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT FROM told) RETURNING id
      )
      INSERT INTO webhook_deliveries (message_id, app, url, status, attempts, next_at)
      SELECT kept.id, $2, told.url, 'pending', 0, $5 FROM kept, told`,
    values: [`msg_${randomUUID()}`, connection.app, type, JSON.stringify(connection), at],
  }));
}
