import type { ConcurModel } from '../model/concur-model.ts';
import type { AccessToken, App, Principal } from '../model/types.ts';
import { jsonResponse } from './wire.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/** Somebody who came with a living token of a principal, to the data centre where that principal lives. */
export interface Caller {
  readonly accessToken: AccessToken;
  readonly app: App;
  readonly principal: Principal;
}

/** The caller, or Concur's 401 (no token at all) or 403 (expired, revoked, app not allowed, wrong data centre). */
export function judgeBearer(model: ConcurModel, request: WireRequest): Caller | WireResponse {
  const header = request.headers['authorization'];
  if (header === undefined) return denied(401, 'Authorization header is missing');
  const value = parseBearer(header);
  if (value === undefined) return denied(401, 'Authorization header is not a bearer token');
  const accessToken = model.tokens.maybeLiveAccessToken(value);
  if (accessToken === undefined) return denied(403, 'access token is expired, revoked or unknown');
  const app = model.directory.maybeApp(accessToken.clientId);
  if (app === undefined || !app.enabled) return denied(403, 'client disabled');
  if (accessToken.principalId === null) return denied(403, 'an application token has no profile');
  const principal = model.directory.maybePrincipal(accessToken.principalId);
  if (principal === undefined) return denied(403, 'principal is unknown');
  const { company } = principal;
  if (company.dataCentre !== request.dataCentre && company.formerHomes[request.dataCentre] !== 'serves') {
    return denied(403, 'principal lives elsewhere');
  }
  if (company.disabledApps.includes(app.clientId)) return denied(403, 'app is not allowed for the company');
  const disabled = company.disabledCode ?? (principal.type === 'user' ? principal.user.disabledCode : null);
  if (disabled !== null) return denied(403, 'principal is disabled');
  return { accessToken, app, principal };
}

/** The token of an `Authorization: Bearer` header; its scheme is case-insensitive (RFC 9110 section 11.1). */
export function parseBearer(header: string): string | undefined {
  return /^bearer +(\S+)$/i.exec(header)?.[1];
}

/** The token of an `Authorization: OAuth` header, as the flow of before 2017 sends it. */
export function parseOAuth(header: string): string | undefined {
  return /^oauth +(\S+)$/i.exec(header)?.[1];
}

export function isResponse(judged: object): judged is WireResponse {
  return 'status' in judged;
}

/** Concur's answer to somebody who may not see what was asked for. */
export function denied(status: 401 | 403, message: string): WireResponse {
  const response = jsonResponse(status, { httpStatus: `${status}`, errorMessage: message });
  return status === 401
    ? { ...response, headers: { ...response.headers, 'www-authenticate': 'Bearer realm="concur"' } }
    : response;
}
