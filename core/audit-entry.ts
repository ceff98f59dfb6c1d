import type { ConnectionState } from './connection.ts';

/** A row of the audit trail. */
export interface AuditEntry {
  /** Stable word with a dot: `connection.connected`, `refresh.failed`, `command.paused`. */
  readonly type: string;
  /** Who: `concur-admin`, `workflow`, `client:{id}`, `operator`, `cli:{user}`. */
  readonly actor: string;
  readonly reason: string | null;
  readonly stateFrom: ConnectionState | null;
  readonly stateTo: ConnectionState | null;
  readonly version: number;
  readonly concurCode: number | null;
  readonly correlationId: string | null;
  /** The person who pressed Connect, as Concur named them: recorded, never trusted. */
  readonly userId: string | null;
  readonly atMs: number;
}
