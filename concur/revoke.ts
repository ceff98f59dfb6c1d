import type { HttpRequest, HttpResponse } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { parseJsonObject } from './answer-body.ts';
import { type AnswerContext, buildFailure, isErrorBody, isSuccess, type Processed } from './error-answer.ts';
import { buildUrl } from './token-request.ts';

/**
 * Ends all refresh tokens of the access token's principal for the app. Concur's docs, Authentication, "Revoking
 * tokens".
 */
export function buildRevokeRequest(input: { readonly baseUri: string; readonly accessToken: Secret }): HttpRequest {
  return {
    method: 'DELETE',
    url: buildUrl(input.baseUri, '/app-mgmt/v0/connections'),
    headers: { authorization: `Bearer ${input.accessToken.reveal()}`, accept: 'application/json' },
  };
}

/** Any 2xx without an error in its body is a confirmation. */
export function processRevokeResponse(response: HttpResponse, context: AnswerContext): Processed<null> {
  const body = parseJsonObject(response.body);
  if (isSuccess(response) && !isErrorBody(body)) return { ok: true, value: null };
  return { ok: false, failure: buildFailure(response, body, context) };
}
