import type { ConcurModel } from '../model/concur-model.ts';
import { isResponse, judgeBearer } from './bearer.ts';
import { jsonResponse } from './wire.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/** `GET {geolocation}/profile/v1/me`: a company, or a SCIM-like user, by the token that asks. */
export function answerProfileRequest(model: ConcurModel, request: WireRequest): WireResponse {
  const caller = judgeBearer(model, request);
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
