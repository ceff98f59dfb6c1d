/** Problems that are told before, or without, the application: the same shape and headers as all the others. */
import { randomUUID } from 'node:crypto';
import type { AppError } from '../core/errors.ts';
import { pickRequestId } from './middleware/request-id.ts';
import { buildProblem, buildProblemHeaders, PROBLEM_TYPE } from './problem.ts';

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** `givenRequestId`: as the caller sent it, empty for none. */
export function buildRefusal(error: AppError, givenRequestId = ''): Refusal {
  const requestId = pickRequestId(givenRequestId, randomUUID);
  const problem = buildProblem(error, requestId);
  return {
    status: problem.status,
    headers: {
      'x-request-id': requestId,
      'content-type': PROBLEM_TYPE,
      'cache-control': 'no-store',
      ...buildProblemHeaders(error),
    },
    body: JSON.stringify(problem),
  };
}
