/**
 * A token answer: RFC 6749 section 5.1 with Concur's additions (`refresh_expires_in`, `geolocation`, `id_token`).
 *
 * Guarantees: an answer that holds an access token is never thrown away for a flaw in anything else, and a refresh token
 * never for the lack of an access token, since it may be the only one alive.
 */
import type { HttpResponse, TokenAnswer } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { type JsonObject, parseCount, parseJsonObject, parseText, parseToken } from './answer-body.ts';
import { type AnswerContext, isSuccess, type Processed, processUnexpected } from './error-answer.ts';

/** Concur's access tokens live for an hour; taken where `expires_in` is missing, no number or absurd. */
const DEFAULT_EXPIRES_IN_SECONDS = 3_600;
/** No access token lives longer: a number beyond is in another unit, or wrong, and readers would be given dead tokens. */
const MAX_EXPIRES_IN_SECONDS = 24 * 3_600;
/** An end further away is not in seconds, or wrong. */
const MAX_REFRESH_LIFE_MS = 10 * 366 * 24 * 3_600 * 1_000;

export function processTokenResponse(response: HttpResponse, context: AnswerContext): Processed<TokenAnswer> {
  const body = parseJsonObject(response.body);
  const accessToken = isSuccess(response) ? parseToken(body?.access_token) : null;
  if (body === null || accessToken === null) {
    const { failure } = processUnexpected(response, body, 'no-access-token', context);
    if (failure.kind !== 'malformed') return { ok: false, failure };
    const refreshToken = maybeSecret(body?.refresh_token);
    return { ok: false, failure: refreshToken === null ? failure : { ...failure, refreshToken } };
  }
  return { ok: true, value: buildTokenAnswer(body, accessToken, context) };
}

function buildTokenAnswer(body: JsonObject, accessToken: string, context: AnswerContext): TokenAnswer {
  const geolocationRaw = parseText(body.geolocation, 512);
  return {
    tokenType: 'Bearer',
    accessToken: new Secret(accessToken),
    refreshToken: maybeSecret(body.refresh_token),
    idToken: maybeSecret(body.id_token),
    scope: parseText(body.scope, 8_192) ?? '',
    expiresInSeconds: parseLife(body.expires_in),
    refreshExpiresAtMs: parseRefreshEnd(body.refresh_expires_in, context.nowMs),
    geolocationRaw,
    geolocation:
      typeof body.geolocation === 'string' && body.geolocation !== ''
        ? context.dataCentres.match(body.geolocation)
        : null,
  };
}

function maybeSecret(value: unknown): Secret | null {
  const token = parseToken(value);
  return token === null ? null : new Secret(token);
}

function parseLife(value: unknown): number {
  const seconds = parseCount(value);
  return seconds === null || seconds > MAX_EXPIRES_IN_SECONDS ? DEFAULT_EXPIRES_IN_SECONDS : seconds;
}

/**
 * `refresh_expires_in` is an absolute time in epoch seconds, whatever its name says. One that lies in the past or
 * absurdly far ahead says nothing, as if it were absent.
 */
function parseRefreshEnd(value: unknown, nowMs: number): number | null {
  const seconds = parseCount(value);
  const endMs = seconds === null ? 0 : seconds * 1_000;
  return endMs > nowMs && endMs < nowMs + MAX_REFRESH_LIFE_MS ? endMs : null;
}
