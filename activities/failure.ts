/** The projection of our errors to Temporal: code as type, safe details, never the raw error as cause. */
import { ApplicationFailure } from '@temporalio/activity';
import { errorTable, isAppError } from '../core/errors.ts';
import type { Cargo, Carry } from '../core/lifeboat.ts';
import type { Log } from '../core/ports.ts';

/**
 * Wraps an activity so that whatever it throws reaches Temporal as a failure without secrets. A mistake of the
 * caller or a state that will not change is not tried again; trouble and our own bugs are, as they get mended.
 * What the activity carried and could not save goes along, sealed, as the failure's second detail.
 */
export function withFailures<Input, Output>(
  log: Log,
  name: string,
  activity: (input: Input, carry: Carry) => Promise<Output>,
): (input: Input) => Promise<Output> {
  return async (input) => {
    let cargo: Cargo | null = null;
    try {
      return await activity(input, (carried) => {
        cargo = carried;
      });
    } catch (error) {
      log.error({ err: error, activity: name }, 'activity failed');
      throw buildFailure(error, cargo);
    }
  };
}

function buildFailure(error: unknown, cargo: Cargo | null): ApplicationFailure {
  if (!isAppError(error)) {
    return ApplicationFailure.create({
      type: 'internal',
      message: "a defect: the worker's log has the stack",
      details: detailsOf({}, cargo),
    });
  }
  const { kind, retryable } = errorTable[error.code];
  return ApplicationFailure.create({
    type: error.code,
    message: errorTable[error.code].title,
    nonRetryable: !retryable && (kind === 'caller' || kind === 'state'),
    details: detailsOf(error.details, cargo),
    ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
  });
}

function detailsOf(details: object, cargo: Cargo | null): unknown[] {
  return cargo === null ? [details] : [details, cargo];
}
