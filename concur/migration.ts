/** A legacy refresh token becomes one of OAuth2, without the customer. Concur's docs, Migration. */
import type { ConcurFailure, HttpRequest, HttpResponse, MigratedGrant } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { type JsonObject, parseCount, parseJsonObject, parseText, parseToken } from './answer-body.ts';
import { type AnswerContext, isSuccess, type Processed, processUnexpected } from './error-answer.ts';
import { buildUrl } from './token-request.ts';

type MigrationError = NonNullable<Extract<ConcurFailure, { kind: 'answer' }>['providerCode']>;

const errors: readonly MigrationError[] = ['INVALIDSCOPES', 'INVALIDAPP', 'INVALIDTOKEN', 'UNAUTHORIZED'];
/** An end further away is not in milliseconds, or wrong. */
const MAX_REFRESH_LIFE_MS = 10 * 366 * 24 * 3_600 * 1_000;
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `appToken`: an application token of the new app; `clientSecret`: the new app's, which Concur wants once more. */
export function buildMigrationRequest(input: {
  readonly baseUri: string;
  readonly appToken: Secret;
  readonly clientSecret: Secret;
  readonly legacyClientId: string;
  readonly legacyRefreshToken: Secret;
  readonly principal: 'company' | 'user';
}): HttpRequest {
  const path = `/appmgmt/v0/legacyApps/${encodeURIComponent(input.legacyClientId)}/exchangeRefreshToken/me`;
  return {
    method: 'POST',
    url: buildUrl(input.baseUri, path) + (input.principal === 'company' ? '?returnType=companyToken' : ''),
    headers: {
      authorization: `Bearer ${input.appToken.reveal()}`,
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: JSON.stringify({ token: input.legacyRefreshToken.reveal(), secret: input.clientSecret.reveal() }),
  };
}

export function processMigrationResponse(response: HttpResponse, context: AnswerContext): Processed<MigratedGrant> {
  const body = parseJsonObject(response.body);
  const error = errorOf(body);
  const token = isSuccess(response) ? parseToken(body?.token) : null;
  if (body !== null && token !== null) return { ok: true, value: buildGrant(body, new Secret(token), context) };
  const { failure } = processUnexpected(response, body, 'no-token', context);
  if (error === null) return { ok: false, failure };
  if (failure.kind === 'answer') return { ok: false, failure: { ...failure, providerCode: error } };
  const refused = { concurCode: null, oauthError: null, retryAfterMs: null, geolocation: null };
  return { ok: false, failure: { kind: 'answer', status: response.status, ...refused, providerCode: error } };
}

function buildGrant(body: JsonObject, refreshToken: Secret, { nowMs }: AnswerContext): MigratedGrant {
  const endMs = parseCount(body.expired) ?? 0;
  return {
    refreshToken,
    refreshExpiresAtMs: endMs > nowMs && endMs < nowMs + MAX_REFRESH_LIFE_MS ? endMs : null,
    scope: parseText(Array.isArray(body.scopes) ? body.scopes.join(' ') : body.scopes, 8_192) ?? '',
    ...parseContext(body.context),
  };
}

/** `context` is JSON in a string; an object is taken as well. What is no UUID names nobody. */
function parseContext(value: unknown): Pick<MigratedGrant, 'subject' | 'principalType'> {
  const context = parseJsonObject(typeof value === 'string' ? value : JSON.stringify(value ?? null));
  const type = typeof context?.ptype === 'string' ? context.ptype.toLowerCase() : null;
  const principalType = type === 'company' || type === 'user' ? type : null;
  const id = principalType === 'company' ? context?.cid : context?.userid;
  const isNamed = principalType !== null && typeof id === 'string' && uuid.test(id);
  return { subject: isNamed ? id.toLowerCase() : null, principalType };
}

/** The docs name the errors, not the field: looked for everywhere, three levels down. */
function errorOf(body: JsonObject | null): MigrationError | null {
  const said = new Set(textsIn(body, 3).map((text) => text.toUpperCase()));
  return errors.find((error) => said.has(error)) ?? null;
}

function textsIn(value: unknown, depth: number): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || depth === 0) return [];
  return Object.values(value).flatMap((one) => textsIn(one, depth - 1));
}
