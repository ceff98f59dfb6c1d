import type { HttpRequest, HttpResponse, Principal, TokenAnswer } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { type JsonObject, parseJsonObject, parseText, parseToken } from './answer-body.ts';
import { type AnswerContext, isSuccess, type Processed, processUnexpected } from './error-answer.ts';
import { buildUrl } from './token-request.ts';

/** Asks whose token it is, and for the name that people know. Concur's docs, Profile v1, `/me`. */
export function buildProfileRequest(input: {
  readonly baseUri: string;
  readonly accessToken: Secret;
  readonly tokenType?: TokenAnswer['tokenType'];
}): HttpRequest {
  const { tokenType = 'Bearer', accessToken } = input;
  return {
    method: 'GET',
    url: buildUrl(input.baseUri, '/profile/v1/me'),
    headers: { authorization: `${tokenType} ${accessToken.reveal()}`, accept: 'application/json' },
  };
}

/**
 * A company answers `id`, `name`, `companyDomain`, `meta.principalType = "company"`; a user a SCIM-like document
 * with `displayName`. The id is given in lower case.
 */
export function processProfileResponse(response: HttpResponse, context: AnswerContext): Processed<Principal> {
  const body = parseJsonObject(response.body);
  const id = isSuccess(response) ? parseToken(body?.id) : null;
  if (body === null || id === null) return processUnexpected(response, body, 'no-id', context);
  const isCompany = principalTypeOf(body) === 'company';
  return {
    ok: true,
    value: {
      id: id.toLowerCase(),
      type: isCompany ? 'company' : 'user',
      name: parseText(isCompany ? body.name : body.displayName, 200),
      domain: parseText(body.companyDomain, 253),
    },
  };
}

function principalTypeOf(body: JsonObject): unknown {
  const { meta } = body;
  return typeof meta === 'object' && meta !== null && 'principalType' in meta ? meta.principalType : undefined;
}
