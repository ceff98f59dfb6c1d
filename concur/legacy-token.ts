/**
 * Tokens of the App Center flow of before 2017: one GET with the app's secret in its query, answered in XML. Concur's
 * docs, Pre-2017 Authorization.
 *
 * Guarantees: the URL that is built here goes to `Http.send` and nowhere else. As with the token endpoint, an answer
 * that holds a token is never thrown away for a flaw in anything else.
 */
import type { AppCredentials, DataCentre, HttpRequest, HttpResponse, TokenAnswer } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { parseToken } from './answer-body.ts';
import { parseXml, type XmlAnswer } from './answer-xml.ts';
import type { AnswerContext, Processed } from './error-answer.ts';
import { parseLegacyDate } from './legacy-date.ts';
import { processLegacyRefusal } from './legacy-error.ts';
import { type LegacyGrant, packLegacyGrant } from './legacy-grant.ts';
import { buildUrl } from './token-request.ts';

/** A token whose end nobody can read is looked after daily. */
const DEFAULT_LIFE_MS = 24 * 3_600 * 1_000;
/** They live for a year; an end much further away is a misreading. */
const MAX_LIFE_MS = 3 * 366 * 24 * 3_600 * 1_000;

/** Exchanges the code of the redirect. */
export function buildLegacyCodeRequest(input: {
  readonly baseUri: string;
  readonly credentials: AppCredentials;
  readonly code: Secret;
}): HttpRequest {
  return {
    method: 'GET',
    url: buildTokenUrl(input.baseUri, input.credentials, { code: input.code }),
    headers: { accept: 'application/xml' },
  };
}

/** Refreshes with a token that is still alive. */
export function buildLegacyRefreshRequest(input: {
  readonly baseUri: string;
  readonly credentials: AppCredentials;
  readonly grant: LegacyGrant;
}): HttpRequest {
  const { token, refreshToken } = input.grant;
  return {
    method: 'GET',
    url: buildTokenUrl(input.baseUri, input.credentials, { refresh_token: refreshToken ?? token }),
    headers: { accept: 'application/xml', authorization: `OAuth ${token.reveal()}` },
  };
}

function buildTokenUrl(
  baseUri: string,
  { clientId, clientSecret }: AppCredentials,
  value: Readonly<Record<string, Secret>>,
): string {
  const query = new URLSearchParams([
    ...Object.entries(value).map(([name, secret]): [string, string] => [name, secret.reveal()]),
    ['client_id', clientId],
    ['client_secret', clientSecret.reveal()],
  ]);
  return `${buildUrl(baseUri, '/net2/oauth2/getaccesstoken.ashx')}?${query.toString()}`;
}

/**
 * `sent`: the refresh value that was sent along, null for a code's exchange. As with OAuth2, it stays where a refresh
 * brings no other.
 */
export function processLegacyTokenResponse(
  response: HttpResponse,
  context: AnswerContext,
  sent: Secret | null,
): Processed<TokenAnswer> {
  const xml = parseXml(response.body);
  const isSuccess = response.status >= 200 && response.status < 300;
  const token = isSuccess && xml?.elements.has('access_token') ? parseToken(xml.texts.get('token')) : null;
  if (xml === null || token === null) return processLegacyRefusal(response, xml, context);
  return { ok: true, value: buildAnswer(xml, new Secret(token), context, sent) };
}

function buildAnswer(xml: XmlAnswer, token: Secret, context: AnswerContext, sent: Secret | null): TokenAnswer {
  const fresh = parseToken(xml.texts.get('refresh_token'));
  const endMs = parseEnd(xml, context);
  const geolocationRaw = xml.texts.get('instance_url')?.slice(0, 512) || null;
  return {
    tokenType: 'OAuth',
    accessToken: token,
    refreshToken: packLegacyGrant({ token, refreshToken: fresh === null ? sent : new Secret(fresh) }),
    idToken: null,
    scope: '',
    expiresInSeconds: Math.floor(Math.max(0, (endMs ?? context.sentAtMs + DEFAULT_LIFE_MS) - context.sentAtMs) / 1_000),
    refreshExpiresAtMs: endMs,
    geolocationRaw,
    geolocation: geolocationRaw === null ? null : matchInstance(geolocationRaw, context),
  };
}

/** Null when it says nothing: missing, unreadable, in the past or absurdly far ahead. */
function parseEnd(xml: XmlAnswer, { sentAtMs }: AnswerContext): number | null {
  const endMs = parseLegacyDate(xml.texts.get('expiration_date') ?? '');
  return endMs !== null && endMs > sentAtMs && endMs < sentAtMs + MAX_LIFE_MS ? endMs : null;
}

function matchInstance(raw: string, { dataCentres }: AnswerContext): DataCentre | 'foreign' {
  return dataCentres.matchLegacy(raw);
}
