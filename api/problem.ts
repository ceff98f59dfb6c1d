/** The only projection from an error to what leaves the process over HTTP: RFC 9457. */
import { AppError, type ErrorCode, errorTable, isAppError } from '../core/errors.ts';
import type { Log } from '../core/ports.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly request_id: string;
  readonly fields?: readonly string[];
  readonly state?: string;
  readonly listing_url?: string;
}

/** Seconds that a caller is asked to wait when nobody knows better. */
const DEFAULT_RETRY_SECONDS = 5;

/** What the caller of a request that ended in `thrown` is told, written down for ourselves. */
export function noteProblem(
  log: Log,
  thrown: unknown,
  requestId: string,
): { readonly error: AppError; readonly problem: Problem; readonly headers: Readonly<Record<string, string>> } {
  const error = toAppError(thrown);
  if (errorTable[error.code].kind === 'defect' || error.code === 'configuration-invalid') {
    log.error({ err: error, request_id: requestId }, 'a request failed on our side');
  } else log.debug({ code: error.code, details: error.details, request_id: requestId }, 'problem');
  const headers = { ...buildProblemHeaders(error), 'cache-control': 'no-store' };
  return { error, problem: buildProblem(error, requestId), headers };
}

/** Anything that is thrown, as an error with a code: what nobody meant to throw is `internal`. */
export function toAppError(error: unknown): AppError {
  return isAppError(error) ? error : new AppError('internal', 'An unexpected error.', { cause: error });
}

/** The message of a defect or of a wrong set-up is for the log alone. */
export function buildProblem(error: AppError, requestId: string): Problem {
  const { code, details } = error;
  const { title, status, kind } = errorTable[code];
  const isPublic = kind !== 'defect' && code !== 'configuration-invalid';
  const shown: ErrorCode = code === 'configuration-invalid' ? 'internal' : code;
  const { fields, state, listing_url: listingUrl } = details;
  return {
    type: `urn:evergrant:problem:${shown}`,
    title: errorTable[shown].title,
    status,
    detail: isPublic ? error.message : title,
    code: shown,
    request_id: requestId,
    ...(Array.isArray(fields) ? { fields: fields.map(String) } : {}),
    ...(typeof state === 'string' ? { state } : {}),
    ...(typeof listingUrl === 'string' ? { listing_url: listingUrl } : {}),
  };
}

/**
 * What a caller has to bring (RFC 6750 section 3): no `error` to who brought no token, and nothing where a 403 is not
 * about a token. `details.challenge` and `details.scope` say which it is.
 */
function buildChallenge({ code, details: { challenge, scope } }: AppError): string | null {
  const realm = 'Bearer realm="evergrant"';
  if (errorTable[code].status === 401) return challenge === 'none' ? realm : `${realm}, error="invalid_token"`;
  if (challenge !== 'insufficient_scope') return null;
  return `${realm}, error="insufficient_scope"${typeof scope === 'string' ? `, scope="${scope}"` : ''}`;
}

/** Headers that go with the status: RFC 9110 sections 11.6.1 and 10.2.3. */
export function buildProblemHeaders(error: AppError): Readonly<Record<string, string>> {
  const { status } = errorTable[error.code];
  const challenge = buildChallenge(error);
  if (challenge !== null) return { 'www-authenticate': challenge };
  const mustWait = status === 429 || status === 503;
  if (!mustWait && error.retryAfterMs === undefined) return {};
  const seconds = error.retryAfterMs === undefined ? DEFAULT_RETRY_SECONDS : Math.ceil(error.retryAfterMs / 1_000);
  return { 'retry-after': String(Math.max(1, seconds)) };
}
