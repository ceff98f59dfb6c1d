import type { Middleware } from 'koa';
import { SandboxProblem } from '../model/problem.ts';
import type { SandboxProblemKind } from '../model/problem.ts';

const statuses: Readonly<Record<SandboxProblemKind, number>> = {
  invalid: 400,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
};

/** Answers what was thrown, keeping the headers that are set already (Koa's own handler drops them). */
export function answerErrors(log: (error: unknown) => void): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (error instanceof SandboxProblem) {
        ctx.status = statuses[error.kind];
        ctx.body = { error: error.kind, message: error.message };
        return;
      }
      // The caller hung up in the middle of its request: nobody is there to answer, and nothing is wrong here.
      if (ctx.req.destroyed && !ctx.req.complete) return;
      log(error);
      ctx.status = 500;
      ctx.body = { error: 'internal', message: 'the sandbox itself failed: see its log' };
    }
  };
}
