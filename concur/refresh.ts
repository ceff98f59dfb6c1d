import type { AppCredentials, HttpRequest } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { buildTokenRequest } from './token-request.ts';

/**
 * Refreshes a token set at the data centre where the principal lives. The scope is left out, so that it stays as
 * it was granted. The answer is one for `processTokenResponse`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-6
 */
export function buildRefreshRequest(input: {
  readonly baseUri: string;
  readonly credentials: AppCredentials;
  readonly refreshToken: Secret;
}): HttpRequest {
  return buildTokenRequest(input.baseUri, input.credentials, {
    grant_type: 'refresh_token',
    refresh_token: input.refreshToken.reveal(),
  });
}
