/** One line and one measurement a request, by the route's pattern: a path may hold a company's id, a query a token. */
import type { ErrorCode } from '../core/errors.ts';
import type { Log } from '../core/ports.ts';

export interface RequestMeasure {
  observe(labels: { readonly route: string; readonly method: string; readonly status: string }, seconds: number): void;
}

/** What is known of a request at its end. */
export interface RequestFacts {
  /** Pattern of the route; `none` where nothing fits. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** On the clock of `performance.now()`. */
  readonly startedAtMs: number;
  readonly requestId: string;
  readonly clientId: string | undefined;
  /** Of the problem that it ended in. */
  readonly code: ErrorCode | undefined;
}

export type RequestRecord = (facts: RequestFacts) => void;

export function createRequestRecord({
  log,
  measure,
}: {
  readonly log: Log;
  readonly measure: RequestMeasure;
}): RequestRecord {
  return ({ route, method: given, status, startedAtMs, requestId, clientId, code }) => {
    const elapsedMs = performance.now() - startedAtMs;
    const method = methodOf(given);
    measure.observe({ route, method, status: String(status) }, elapsedMs / 1_000);
    const fields = {
      route,
      method,
      status,
      ms: Math.round(elapsedMs),
      request_id: requestId,
      ...(clientId === undefined ? {} : { client: clientId }),
      ...(code === undefined ? {} : { code }),
    };
    log[levelOf(route, status)](fields, 'request');
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

/** A caller can invent methods; labels must stay few. */
function methodOf(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other';
}
