import { createHash } from 'node:crypto';
import type { ConcurModel } from '../model/concur-model.ts';
import type { TokenGrant } from '../model/grants.ts';

export type IdTokenClaims = Readonly<Record<string, unknown>>;

/** Signs id_tokens and publishes the keys that prove them. */
export interface IdTokenSigner {
  sign(claims: IdTokenClaims): Promise<string>;
  /** RFC 7517 key set of the public keys. */
  jwks(): Promise<{ readonly keys: readonly Readonly<Record<string, unknown>>[] }>;
}

/** Claims of Concur's id_token (Concur's docs, Authentication, ID Token); null for an application token. */
export function buildIdTokenClaims(model: ConcurModel, grant: TokenGrant): IdTokenClaims | null {
  const { principal, accessToken } = grant;
  if (principal === null || !grant.app.idToken) return null;
  const base = model.baseUri(grant.dataCentre);
  const issuedAt = Math.floor(accessToken.issuedAtMs / 1000);
  return {
    aud: grant.app.clientId,
    'concur.profile': `${base}/profile/v1/principals/${principal.id}`,
    'concur.version': 2,
    'concur.type': principal.type,
    sub: principal.id,
    iss: base,
    exp: Math.ceil(accessToken.expiresAtMs / 1000),
    nbf: issuedAt,
    iat: issuedAt,
    at_hash: createHash('sha256').update(accessToken.value).digest().subarray(0, 16).toString('base64url'),
  };
}
