import { importJWK, type JWK, jwtVerify } from 'jose';
import { AppError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { malformed, parseClaims } from './claims.ts';
import type { ClientDirectory } from './client-directory.ts';
import { assertTimes, AUDIENCE, CLOCK_TOLERANCE_SECONDS, type TokenIssuer } from './token-issuer.ts';

/** Longest life of a token that a client signed itself. */
const LONGEST_LIFE_SECONDS = 5 * 60;

/** Signatures that fit each kind of key; nothing else is tried (RFC 8725 section 3.1). */
const algorithms: Readonly<Record<string, readonly string[]>> = {
  'OKP:Ed25519': ['EdDSA', 'Ed25519'],
  'EC:P-256': ['ES256'],
  'RSA:': ['RS256', 'PS256'],
};

/** Tokens that clients sign with a key of their own: `iss` = `sub` = client id, at most five minutes. */
export function createClientKeyIssuer(deps: { readonly clients: ClientDirectory; readonly clock: Clock }): TokenIssuer {
  const { clients, clock } = deps;
  return {
    accepts: async (issuer) => (await maybeKey(issuer)) !== null,
    async verify(token, issuer) {
      const jwk = await maybeKey(issuer);
      if (jwk === null) throw new AppError('unauthenticated', 'The token is by nobody who may make one.');
      const allowed = algorithms[`${jwk.kty}:${jwk.crv ?? ''}`] ?? [];
      const { payload } = await jwtVerify(token, ({ alg }) => importJWK(jwk, alg), {
        issuer,
        subject: issuer,
        audience: AUDIENCE,
        algorithms: [...allowed],
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.now()),
      });
      assertTimes(payload, LONGEST_LIFE_SECONDS, clock.now());
      const { client_id: clientId = issuer } = payload;
      if (clientId !== issuer) throw malformed('client_id');
      return parseClaims(payload, issuer);
    },
  };

  async function maybeKey(clientId: string): Promise<JWK | null> {
    const client = await clients.maybeOne(clientId);
    return client === null || client.jwk === null ? null : { ...client.jwk };
  }
}
