import type { ConnectionState } from './connection.ts';

/** Who does something, why, and by which id it is found in the logs. */
export interface Act {
  /** `client:{id}`, `cli:{user}`, `operator`, `apps-file`, `concur-admin`. */
  readonly actor: string;
  readonly reason: string | null;
  /** Of the API's request, or of the call of the command line. */
  readonly correlationId: string | null;
}

/** What happened to the installation and belongs to no single connection: a row of the trail of the whole. */
export interface InstallationEvent extends Act {
  /** Stable word with a dot: `client.created`, `code.used`, `app.changed`. */
  readonly type: string;
  /** Null: of no app, or of several. */
  readonly app: string | null;
  /** Id of what was acted upon. */
  readonly subject: string | null;
  /** Ids, names and numbers that say more: never a secret. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

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
