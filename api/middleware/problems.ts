/** Turns whatever a route throws into a problem answer, or into a page where a browser asked. */
import type { AppError, ErrorCode } from '../../core/errors.ts';
import { errorTable } from '../../core/errors.ts';
import type { Log } from '../../core/ports.ts';
import { buildProblem, buildProblemHeaders, toAppError } from '../problem.ts';
import type { Context, Step } from '../route.ts';
import { createSlot } from '../slot.ts';
import { requestIdSlot } from './request-id.ts';

/** Code of the problem that a request ended in. */
export const problemCodeSlot = createSlot<ErrorCode>('problem code');

export interface ProblemsDeps {
  readonly log: Log;
  /** The page for an error on the browser's routes. */
  readonly renderPage: (ctx: Context, error: AppError) => Promise<string>;
}

export function problems({ log, renderPage }: ProblemsDeps): Step {
  return async (ctx, next) => {
    try {
      await next();
    } catch (thrown) {
      const error = toAppError(thrown);
      const requestId = requestIdSlot.get(ctx);
      if (errorTable[error.code].kind === 'defect' || error.code === 'configuration-invalid') {
        log.error({ err: error, request_id: requestId }, 'a request failed on our side');
      } else log.debug({ code: error.code, details: error.details, request_id: requestId }, 'problem');
      const problem = buildProblem(error, requestId);
      problemCodeSlot.set(ctx, problem.code);
      ctx.status = problem.status;
      ctx.set(buildProblemHeaders(error));
      ctx.set('cache-control', 'no-store');
      if (ctx.path === '/connect' || ctx.path.startsWith('/connect/')) {
        try {
          ctx.body = await renderPage(ctx, error);
          ctx.type = 'text/html; charset=utf-8';
          return;
        } catch (failure) {
          log.error({ err: failure, request_id: requestId }, 'the page for a problem could not be made');
        }
      }
      ctx.set('content-type', 'application/problem+json');
      ctx.body = JSON.stringify(problem);
    }
  };
}
