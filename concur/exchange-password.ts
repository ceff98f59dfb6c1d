import type { AppCredentials, HttpRequest } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { buildTokenRequest } from './token-request.ts';

/**
 * Exchanges a user's own login for the first token set, at the data centre where the user lives: password grant with
 * `credtype=password`. Concur's docs, Authentication, "Password grant". The answer is one for `processTokenResponse`.
 */
export function buildPasswordRequest(input: {
  readonly baseUri: string;
  readonly credentials: AppCredentials;
  readonly username: string;
  readonly password: Secret;
}): HttpRequest {
  return buildTokenRequest(input.baseUri, input.credentials, {
    grant_type: 'password',
    username: input.username,
    password: input.password.reveal(),
    credtype: 'password',
  });
}
