import type { ConnectionState } from '../core/connection.ts';
import type { AuditEntry } from '../core/audit-entry.ts';
import type { StoredEvent } from '../core/stores.ts';
import { type Columns, msOf, timeOf } from './columns.ts';

/** A row of `connection_events`, as `pg` reads it. */
export interface EventRow {
  readonly id: string;
  readonly at: Date;
  readonly type: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly state_from: ConnectionState | null;
  readonly state_to: ConnectionState | null;
  readonly version: number;
  readonly concur_code: number | null;
  readonly correlation_id: string | null;
  readonly user_id: string | null;
}

/** Every column of `connection_events` but the id, which counts up. */
export const eventColumns: Columns<{ readonly entry: AuditEntry; readonly connectionId: string }> = {
  connection_id: ({ connectionId }) => connectionId,
  at: ({ entry }) => timeOf(entry.atMs),
  type: ({ entry }) => entry.type,
  actor: ({ entry }) => entry.actor,
  reason: ({ entry }) => entry.reason,
  state_from: ({ entry }) => entry.stateFrom,
  state_to: ({ entry }) => entry.stateTo,
  version: ({ entry }) => entry.version,
  concur_code: ({ entry }) => entry.concurCode,
  correlation_id: ({ entry }) => entry.correlationId,
  user_id: ({ entry }) => entry.userId,
};

export function buildEvent(row: EventRow): StoredEvent {
  return {
    id: row.id,
    type: row.type,
    actor: row.actor,
    reason: row.reason,
    stateFrom: row.state_from,
    stateTo: row.state_to,
    version: row.version,
    concurCode: row.concur_code,
    correlationId: row.correlation_id,
    userId: row.user_id,
    atMs: msOf(row.at),
  };
}
