import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from 'jose';
import type { JWK } from 'jose';
import type { IdTokenSigner } from './protocol/id-token.ts';

/** An {@link IdTokenSigner} whose RS256 key is made at first need, can be kept, and can be rotated. */
export interface SigningKey extends IdTokenSigner {
  /** The private JWK; null while there is none yet. */
  export(): Promise<JWK | null>;
  /** A new key signs from now on; the old one stays published for one more rotation. */
  rotate(): Promise<void>;
}

export function createSigningKey(privateJwk: JWK | null): SigningKey {
  let current: Promise<JWK> | null = privateJwk === null ? null : Promise.resolve(privateJwk);
  let previous: JWK | null = null;

  function currentJwk(): Promise<JWK> {
    current ??= generateSigningJwk();
    return current;
  }

  return {
    async sign(claims) {
      const jwk = await currentJwk();
      return new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: jwk.kid ?? '' })
        .sign(await importJWK(jwk, 'RS256'));
    },
    async jwks() {
      const jwks = [await currentJwk(), ...(previous === null ? [] : [previous])];
      return { keys: jwks.map(({ kty, n, e, kid }) => ({ kty, n, e, kid, alg: 'RS256', use: 'sig' })) };
    },
    export: async () => (current === null ? null : await current),
    async rotate() {
      previous = await currentJwk();
      current = generateSigningJwk();
      await current;
    },
  };
}

/** A new private RS256 key, with its thumbprint (RFC 7638) as `kid`. */
export async function generateSigningJwk(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) };
}
