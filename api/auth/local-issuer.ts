import { createLocalJWKSet, errors, type JWK, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../../core/ports.ts';
import { malformed, parseClaims } from './claims.ts';
import { assertTimes, AUDIENCE, CLOCK_TOLERANCE_SECONDS, type TokenIssuer } from './token-issuer.ts';

/** Keys of the built-in issuer. */
export interface LocalIssuerKeys {
  jwks(): Promise<{ readonly keys: readonly JWK[] }>;
}

/** Of access tokens alone: nothing else that was signed with these keys will do (RFC 9068 section 2.1, RFC 8725 section 3.11). */
const TOKEN_TYPE = 'at+jwt';
/** The command line makes none that live longer. */
const LONGEST_LIFE_SECONDS = 90 * 86_400;
/** A token may name a key that another process has just made: then the keys are read again, at most this often. */
const RELOAD_PAUSE_MS = 5_000;

/** Tokens that the command line printed: EdDSA alone, `iss` is the installation's public URL. */
export function createLocalTokenIssuer(deps: {
  readonly issuer: string;
  readonly keys: LocalIssuerKeys;
  readonly clock: Clock;
}): TokenIssuer {
  const { issuer, keys, clock } = deps;
  let known: { readonly find: JWTVerifyGetKey; readonly loadedAtMs: number } | null = null;

  async function load(): Promise<JWTVerifyGetKey> {
    const loadedAtMs = clock.monotonic();
    const set = await keys.jwks();
    known = { find: createLocalJWKSet({ keys: set.keys.map((key) => ({ ...key })) }), loadedAtMs };
    return known.find;
  }

  async function check(token: string, find: JWTVerifyGetKey) {
    return await jwtVerify(token, find, {
      issuer,
      audience: AUDIENCE,
      algorithms: ['EdDSA'],
      typ: TOKEN_TYPE,
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock.now()),
    });
  }

  return {
    accepts: (name) => name === issuer,
    async verify(token) {
      const { payload } = await check(token, known?.find ?? (await load())).catch(async (error: unknown) => {
        const isStale = known === null || clock.monotonic() - known.loadedAtMs > RELOAD_PAUSE_MS;
        if (!(error instanceof errors.JWKSNoMatchingKey) || !isStale) throw error;
        return await check(token, await load());
      });
      assertTimes(payload, LONGEST_LIFE_SECONDS, clock.now());
      const { client_id: clientId } = payload;
      if (typeof clientId !== 'string') throw malformed('client_id');
      return parseClaims(payload, clientId);
    },
  };
}
