/**
 * The lifeboat: an answer of SAP Concur that could not be saved, on its way through Temporal.
 *
 * While the database is away the activity hands the answer, sealed, to Temporal with its heartbeats. When the activity
 * dies of whatever, the workflow finds it in the failure, and saves it before it does anything else. Nothing in it is
 * of use without the vault: the tokens are sealed for this connection and this attempt.
 */
import type { Aggregate, Attempt, Decision } from './aggregate.ts';
import { receiveExchange } from './exchange-transaction.ts';
import type { RefreshPolicy } from './refresh-policy.ts';
import { finishRefresh, type RefreshOutcome } from './refresh-transaction.ts';

/** An answer of one connection. */
export type ConnectionCargo =
  | {
      readonly kind: 'refresh';
      readonly attemptId: string;
      /** As it was begun. */
      readonly begun: Attempt;
      /** Tokens sealed under the attempt. */
      readonly outcome: Extract<RefreshOutcome, { readonly kind: 'tokens' }>;
    }
  | {
      readonly kind: 'exchange';
      readonly attemptId: string;
      readonly begun: Attempt;
      /** The whole answer, sealed under the attempt. */
      readonly answer: string;
    };

/** The answer to a connect while nobody knows whose connection it will be. */
export interface UnidentifiedCargo {
  readonly kind: 'unidentified';
  /** Id of the connect's session. */
  readonly attemptId: string;
  /** Sealed under the session. */
  readonly answer: string;
  readonly sentAtMs: number;
  /** Number of the call that brought it. */
  readonly call?: number;
}

export type Cargo = ConnectionCargo | UnidentifiedCargo;

/** Brings an answer to safety: with every heartbeat from now on, and with the failure if the activity fails. */
export type Carry = (cargo: Cargo) => void;

/** What heartbeat details or a failure's details hold: a cargo, or null for anything else. */
export function maybeCargo(details: unknown): Cargo | null {
  if (typeof details !== 'object' || details === null) return null;
  const { kind, attemptId } = details as { readonly kind?: unknown; readonly attemptId?: unknown };
  const isKnown = kind === 'refresh' || kind === 'exchange' || kind === 'unidentified';
  return isKnown && typeof attemptId === 'string' ? (details as Cargo) : null;
}

/** A cargo that is the connection's own. */
export function ofConnection(cargo: Cargo | null): ConnectionCargo | null {
  return cargo === null || cargo.kind === 'unidentified' ? null : cargo;
}

/** Puts the cargo on file as the activity that lost it would have done; idempotent by the attempt's id. */
export function saveCargo(
  aggregate: Aggregate,
  cargo: ConnectionCargo,
  times: { readonly nowMs: number; readonly policy: RefreshPolicy; readonly workflowId: string },
): Decision<null> {
  const { attemptId, begun } = cargo;
  const { changes } =
    cargo.kind === 'refresh'
      ? finishRefresh(aggregate, { ...times, attemptId, begun, outcome: cargo.outcome })
      : receiveExchange(aggregate, { attemptId, begun, answer: cargo.answer });
  return { result: null, changes };
}
