/**
 * An answer that refuses: `{"code": n, "error": "…", "error_description": "…", "geolocation": "…"?}`, or a status
 * alone. The code may be a string. Concur's docs, Authentication; RFC 6749 section 5.2.
 */
import type { ConcurFailure, DataCentres, HttpResponse } from '../core/ports.ts';
import { type JsonObject, parseCount } from './answer-body.ts';
import { parseRetryAfter } from './retry-after.ts';

/** What a response is judged with. */
export interface AnswerContext {
  readonly dataCentres: DataCentres;
  /** When the answer came, wall clock. */
  readonly nowMs: number;
  /** When the request was sent, wall clock. */
  readonly sentAtMs: number;
}

/** What a `process…Response` function makes of a response. */
export type Processed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: ConcurFailure };

/** RFC 6749 sections 5.2 and 4.1.2.1. */
const oauthErrors: ReadonlySet<unknown> = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'access_denied',
  'server_error',
  'temporarily_unavailable',
]);

export function isSuccess(response: HttpResponse): boolean {
  return response.status >= 200 && response.status < 300;
}

/** Whether a body speaks of an error, whatever the status says: a 200 may carry one. */
export function isErrorBody(body: JsonObject | null): body is JsonObject {
  return body !== null && (parseCount(body.code) !== null || (typeof body.error === 'string' && body.error !== ''));
}

/** `body`: the parsed body, null when it is no JSON object. */
export function buildFailure(response: HttpResponse, body: JsonObject | null, context: AnswerContext): ConcurFailure {
  const geolocation = body?.geolocation;
  return {
    kind: 'answer',
    status: response.status,
    concurCode: parseCount(body?.code),
    oauthError: oauthErrors.has(body?.error) ? String(body?.error) : null,
    retryAfterMs: parseRetryAfter(response.headers['retry-after'], context.nowMs),
    geolocation: typeof geolocation === 'string' && geolocation !== '' ? context.dataCentres.match(geolocation) : null,
  };
}

/** A 2xx that is not what was asked for: the error it carries, or `what` is wrong with it. */
export function processUnexpected(
  response: HttpResponse,
  body: JsonObject | null,
  what: string,
  context: AnswerContext,
): { readonly ok: false; readonly failure: ConcurFailure } {
  if (!isSuccess(response) || isErrorBody(body)) return { ok: false, failure: buildFailure(response, body, context) };
  return { ok: false, failure: { kind: 'malformed', status: response.status, what: body === null ? 'no-json' : what } };
}
