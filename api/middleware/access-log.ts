/** The end of every request that Koa answers is written down. */
import { callerSlot } from '../auth/authorize.ts';
import type { RequestRecord } from '../request-record.ts';
import type { Context, Step } from '../route.ts';
import { problemCodeSlot } from './problems.ts';
import { requestIdSlot } from './request-id.ts';

export function accessLog(record: RequestRecord): Step {
  return async (ctx, next) => {
    const startedAtMs = performance.now();
    try {
      await next();
    } finally {
      record({
        route: routeOf(ctx),
        method: ctx.method,
        status: ctx.status,
        startedAtMs,
        requestId: requestIdSlot.get(ctx),
        clientId: callerSlot.maybe(ctx)?.clientId,
        code: problemCodeSlot.maybe(ctx),
      });
    }
  };
}

function routeOf(ctx: Context): string {
  return typeof ctx._matchedRoute === 'string' ? ctx._matchedRoute : 'none';
}
