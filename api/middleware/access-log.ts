/** One line and one measurement a request, by the route's pattern: a path may hold a company's id, a query a token. */
import type { Log } from '../../core/ports.ts';
import { callerSlot } from '../auth/authorize.ts';
import type { Context, Step } from '../route.ts';
import { problemCodeSlot } from './problems.ts';
import { requestIdSlot } from './request-id.ts';

export interface RequestMeasure {
  observe(labels: { readonly route: string; readonly method: string; readonly status: string }, seconds: number): void;
}

export function accessLog({ log, measure }: { readonly log: Log; readonly measure: RequestMeasure }): Step {
  return async (ctx, next) => {
    const startedAt = performance.now();
    try {
      await next();
    } finally {
      const seconds = (performance.now() - startedAt) / 1_000;
      const route = routeOf(ctx);
      const status = String(ctx.status);
      const method = methodOf(ctx.method);
      const code = problemCodeSlot.maybe(ctx);
      const client = callerSlot.maybe(ctx)?.clientId;
      measure.observe({ route, method, status }, seconds);
      const fields = {
        route,
        method,
        status: ctx.status,
        ms: Math.round(seconds * 1_000),
        request_id: requestIdSlot.get(ctx),
        ...(client === undefined ? {} : { client }),
        ...(code === undefined ? {} : { code }),
      };
      log[levelOf(route, ctx.status)](fields, 'request');
    }
  };
}

/** A defect is an error, a dependency that is away a warning; that a process is not ready, `health.ts` says once. */
function levelOf(route: string, status: number): 'debug' | 'info' | 'warn' | 'error' {
  if (status >= 500 && !(route === '/readyz' && status === 503)) return status === 500 ? 'error' : 'warn';
  return isRoutine(route) && !isRefusal(status) ? 'debug' : 'info';
}

/** Somebody tried what is not theirs: never a routine. */
function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 429;
}

/** Asked by machines all the time: their lines would bury the others. Reads are counted by the metrics. */
function isRoutine(route: string): boolean {
  return route.endsWith('/token') || ['/healthz', '/readyz', '/metrics'].includes(route);
}

function routeOf(ctx: Context): string {
  return typeof ctx._matchedRoute === 'string' ? ctx._matchedRoute : 'none';
}

/** A caller can invent methods; labels must stay few. */
function methodOf(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other';
}
