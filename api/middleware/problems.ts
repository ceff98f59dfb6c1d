/** Turns whatever a route throws into a problem answer, or into a page where a browser asked. */
import type { AppError, ErrorCode } from '../../core/errors.ts';
import type { Log } from '../../core/ports.ts';
import { noteProblem, PROBLEM_TYPE } from '../problem.ts';
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
      const requestId = requestIdSlot.get(ctx);
      const { error, problem, headers } = noteProblem(log, thrown, requestId);
      problemCodeSlot.set(ctx, problem.code);
      ctx.status = problem.status;
      ctx.set(headers);
      if (ctx.path === '/connect' || ctx.path.startsWith('/connect/')) {
        try {
          ctx.body = await renderPage(ctx, error);
          ctx.type = 'text/html; charset=utf-8';
          return;
        } catch (failure) {
          log.error({ err: failure, request_id: requestId }, 'the page for a problem could not be made');
        }
      }
      ctx.set('content-type', PROBLEM_TYPE);
      ctx.body = JSON.stringify(problem);
    }
  };
}
