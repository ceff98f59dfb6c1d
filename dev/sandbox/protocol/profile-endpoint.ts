import type { ConcurModel } from '../model/concur-model.ts';
import type { Principal } from '../model/types.ts';
import { denied, isResponse, judgeBearer, parseOAuth } from './bearer.ts';
import { jsonResponse } from './wire.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/** `GET {geolocation}/profile/v1/me`: a company, or a SCIM-like user, by the token that asks. */
export function answerProfileRequest(model: ConcurModel, request: WireRequest): WireResponse {
  const legacyValue = parseOAuth(request.headers['authorization'] ?? '');
  const caller = legacyValue === undefined ? judgeBearer(model, request) : judgeLegacy(model, legacyValue);
  if (isResponse(caller)) return caller;
  const { principal } = caller;
  const location = `${model.baseUri(principal.company.dataCentre)}/profile/v1/principals/${principal.id}`;
  if (principal.type === 'company') {
    return jsonResponse(200, {
      id: principal.id,
      name: principal.company.name,
      companyDomain: principal.company.domain,
      meta: { principalType: 'company', location },
    });
  }
  const [givenName, ...rest] = principal.user.displayName.split(' ');
  return jsonResponse(200, {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    id: principal.id,
    userName: principal.user.login,
    displayName: principal.user.displayName,
    name: { givenName, familyName: rest.join(' ') },
    emails: [{ value: principal.user.email, type: 'work', verified: true }],
    active: true,
    meta: { resourceType: 'User', principalType: 'user', location },
  });
}

/** The user of a one-year token; some users of those days have no profile. */
function judgeLegacy(model: ConcurModel, value: string): { readonly principal: Principal } | WireResponse {
  const token = model.legacy.maybeLiveToken(value);
  if (token === undefined) return denied(403, 'access token is expired, revoked or unknown');
  if (model.directory.maybeApp(token.clientId)?.enabled !== true) return denied(403, 'client disabled');
  const principal = model.directory.maybePrincipal(token.principalId);
  if (principal?.type !== 'user' || !principal.user.hasProfile) return denied(403, 'the user has no profile');
  return { principal };
}
