import type { AppCredentials, HttpRequest, HttpResponse } from '../core/ports.ts';
import type { AnswerContext, Processed } from './error-answer.ts';
import { buildTokenRequest } from './token-request.ts';
import { processTokenResponse } from './token-response.ts';

/**
 * Asks for an application token: no customer is concerned.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4
 */
export function buildClientCredentialsRequest(input: {
  readonly baseUri: string;
  readonly credentials: AppCredentials;
}): HttpRequest {
  return buildTokenRequest(input.baseUri, input.credentials, { grant_type: 'client_credentials' });
}

/** That there is a token is all that is wanted of it. */
export function processClientCredentialsResponse(response: HttpResponse, context: AnswerContext): Processed<null> {
  const processed = processTokenResponse(response, context);
  return processed.ok ? { ok: true, value: null } : processed;
}
