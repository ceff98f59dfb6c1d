/** The projection of our errors to Temporal: code as type, safe details, never the raw error as cause. */
import { ApplicationFailure } from '@temporalio/activity';
import { errorTable, isAppError } from '../core/errors.ts';
import type { Log } from '../core/ports.ts';

/**
 * Wraps an activity so that whatever it throws reaches Temporal as a failure without secrets. A mistake of the
 * caller or a state that will not change is not tried again; trouble and our own bugs are, as they get mended.
 */
export function withFailures<Input, Output>(
  log: Log,
  name: string,
  activity: (input: Input) => Promise<Output>,
): (input: Input) => Promise<Output> {
  return async (input) => {
    try {
      return await activity(input);
    } catch (error) {
      log.error({ err: error, activity: name }, 'activity failed');
      throw buildFailure(error);
    }
  };
}

function buildFailure(error: unknown): ApplicationFailure {
  if (!isAppError(error)) {
    return ApplicationFailure.create({ type: 'internal', message: "a defect: the worker's log has the stack" });
  }
  const { kind, retryable } = errorTable[error.code];
  return ApplicationFailure.create({
    type: error.code,
    message: errorTable[error.code].title,
    nonRetryable: !retryable && (kind === 'caller' || kind === 'state'),
    details: [error.details],
    ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
  });
}
