/**
 * What one transaction on a connection sees and may change.
 *
 * Stores load an {@link Aggregate} under a row lock, hand it to a pure function of the core, and write the
 * {@link Changes} that it decides. So PostgreSQL and the in-memory twin share every rule and differ in storage alone.
 */
import type { Crowd } from './crowd.ts';
import type { Connection } from './connection.ts';
import type { AuditEntry } from './audit-entry.ts';
import type { IntakeKind } from './intake-kind.ts';

/**
 * A sealed token and the attempt that obtained it. The attempt's id is part of the sealing context, so the
 * value can move between "current", "previous" and "candidate" without being sealed again.
 */
export interface SealedToken {
  readonly sealed: string;
  readonly attemptId: string;
  /** Concur has answered that this very value is bad. */
  readonly refused: boolean;
}

/** The refresh tokens on file. */
export interface Grant {
  readonly current: SealedToken | null;
  readonly previous: SealedToken | null;
}

export type AttemptKind = 'refresh' | 'exchange' | 'revoke';

/**
 * One call to Concur that may change tokens, recorded before it is made.
 * `open`: may be in flight. `uncertain`: the outcome is unknown, a late answer may still come before the horizon.
 * `received`: the answer is on file, sealed, and waits to be finished. `lost`: its horizon passed without an answer
 * (if Concur rotated strictly, the token on file is dead); kept for a day, and until the next success, as a process that
 * was frozen or without a database may bring one after all. `done`: settled.
 */
export interface Attempt {
  /** `{run id}:{n}`: unique over all runs of the workflow. */
  readonly id: string;
  readonly kind: AttemptKind;
  readonly status: 'open' | 'uncertain' | 'received' | 'lost' | 'done';
  /** Version of the connection that was read when it began. */
  readonly versionRead: number;
  /** Which refresh token was sent: id of the attempt that obtained it; null for an exchange. */
  readonly tokenAttemptId: string | null;
  readonly sessionId: string | null;
  readonly startedAtMs: number;
  /** Until then a late answer may come and nobody else may call. */
  readonly horizonAtMs: number;
  /** The whole answer, sealed, while it is not finished (`received`). */
  readonly answer: string | null;
  /** A refresh token that came too late to become current, kept until it is proven useless. */
  readonly candidate: SealedToken | null;
}

/** A completed connect session as the connection's transactions see it. */
export interface ConnectSession {
  readonly id: string;
  readonly kind: IntakeKind;
  /** What `kind` says, sealed; null once it is settled (shredded). */
  readonly requestToken: string | null;
  /** Where to bring it; null: to the landing zone. */
  readonly dataCentre: string | null;
  readonly userId: string | null;
  readonly customerRef: string | null;
  readonly status: 'completed' | 'connected' | 'failed';
  /** Exchanges tried so far, counted before each call. */
  readonly uses: number;
  readonly nextTryAtMs: number;
  /** End of the request token's life. */
  readonly expiresAtMs: number;
  /** Why it failed: an error code, shown to the administrator. */
  readonly failure: string | null;
}

/** What Concur said last of the app's credentials in one data centre; gone with the next success there. */
export interface AppTrouble {
  readonly dataCentre: string;
  /** Answers of the kind, with every secret on file. */
  readonly failures: number;
  /** Stable word, such as `client-secret-wrong`. */
  readonly reason: string;
  readonly concurCode: number | null;
  readonly sinceMs: number;
}

export interface Aggregate {
  readonly connection: Connection | null;
  readonly grant: Grant;
  /** Attempts that are not done, and done ones that hold a candidate; newest first. */
  readonly attempts: readonly Attempt[];
  /** Sessions with status `completed`, oldest first; and the one that the transaction asked for, settled or not. */
  readonly sessions: readonly ConnectSession[];
  /** Only where the transaction asked for it: a death is decided with the others in sight. */
  readonly crowd?: Crowd;
  /** Data centres that refuse the app's own credentials. */
  readonly appTroubles?: readonly AppTrouble[];
}

export interface Changes {
  /** The whole row as it shall be. */
  readonly connection?: Connection;
  readonly grant?: Grant;
  /** Replaces the access token on file; null deletes it. */
  readonly accessToken?: {
    readonly sealed: string;
    readonly attemptId: string;
    readonly tokenType: 'Bearer' | 'OAuth';
  } | null;
  /** Attempts to insert or overwrite by id. */
  readonly attempts?: readonly Attempt[];
  readonly sessions?: readonly ConnectSession[];
  readonly events?: readonly AuditEntry[];
  /** Terminal evidence about the connection, whether it was called dead or held; needs {@link Aggregate.crowd}. */
  readonly terminalEvidence?: {
    readonly dataCentre: string;
    readonly atMs: number;
    /** The crowd is too large: the brake goes on. */
    readonly tripsBrake: boolean;
  };
  /** What a call told of the app's own credentials in a data centre. */
  readonly appTrouble?:
    | {
        /** Counted on top of what is on file by then. */
        readonly kind: 'refused';
        readonly dataCentre: string;
        readonly reason: string;
        readonly concurCode: number | null;
        readonly atMs: number;
        /** With what was on file when it was decided, the app is blocked there from now on. */
        readonly blocks: boolean;
      }
    | { readonly kind: 'cleared'; readonly dataCentre: string };
}

/** What a transaction returns to its caller, and what it writes. */
export interface Decision<T> {
  readonly result: T;
  readonly changes: Changes;
}

/** The aggregate as it is once the changes are written: what the next load would bring. */
export function applyChanges(aggregate: Aggregate, changes: Changes): Aggregate {
  const attempts = upsertById(aggregate.attempts, changes.attempts ?? []);
  const sessions = upsertById(aggregate.sessions, changes.sessions ?? []);
  return {
    ...aggregate,
    connection: changes.connection ?? aggregate.connection,
    grant: changes.grant ?? aggregate.grant,
    attempts: attempts.filter(({ status, candidate }) => status !== 'done' || candidate !== null),
    sessions: sessions.filter(({ status }) => status === 'completed'),
  };
}

function upsertById<T extends { readonly id: string }>(rows: readonly T[], changed: readonly T[]): T[] {
  const byId = new Map(changed.map((row) => [row.id, row]));
  const kept = rows.map((row) => byId.get(row.id) ?? row);
  const known = new Set(rows.map(({ id }) => id));
  return [...changed.filter(({ id }) => !known.has(id)), ...kept];
}
