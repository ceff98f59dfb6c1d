import type { Problem, ProblemCode } from './api-types.ts';

/** A problem that Evergrant names, or what kept its answer away: no connection, no answer in time, not its answer. */
export type EvergrantErrorCode = ProblemCode | 'unreachable' | 'timed-out' | 'unexpected-answer';

/** The one error that the client throws. Its message holds no token. */
export class EvergrantError extends Error {
  override readonly name = 'EvergrantError';
  readonly code: EvergrantErrorCode;
  /** Null: there was no answer. */
  readonly status: number | null;
  /** To be named when asking whoever runs Evergrant. */
  readonly requestId: string | null;
  /** Not to be tried again before, in milliseconds from the answer. */
  readonly retryAfterMs: number | null;
  readonly problem: Problem | null;

  constructor(
    code: EvergrantErrorCode,
    message: string,
    facts: {
      readonly status?: number;
      readonly requestId?: string | null;
      readonly retryAfterMs?: number | null;
      readonly problem?: Problem;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.status = facts.status ?? null;
    this.requestId = facts.requestId ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.problem = facts.problem ?? null;
  }
}

const passing: ReadonlySet<EvergrantErrorCode> = new Set([
  'rate-limited',
  'internal',
  'app-blocked',
  'provider-unavailable',
  'temporal-unavailable',
  'database-unavailable',
  'unreachable',
  'timed-out',
  'unexpected-answer',
]);

/** Whether it says nothing about the connection or the caller, but about the moment: later it may work. */
export function isPassing(error: unknown): error is EvergrantError {
  return error instanceof EvergrantError && passing.has(error.code);
}
