import type { AppCredentials, HttpRequest } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { buildTokenRequest } from './token-request.ts';

/**
 * Exchanges a request token for the first token set, at the global landing zone: password grant with
 * `credtype=authtoken`. Concur's docs, Authentication, Company Level Authentication.
 *
 * `principal`: UUID of the company (or user) from the redirect. The answer is one for `processTokenResponse`.
 */
export function buildExchangeRequest(input: {
  readonly baseUri: string;
  readonly credentials: AppCredentials;
  readonly principal: string;
  readonly requestToken: Secret;
}): HttpRequest {
  return buildTokenRequest(input.baseUri, input.credentials, {
    grant_type: 'password',
    username: input.principal,
    password: input.requestToken.reveal(),
    credtype: 'authtoken',
  });
}
