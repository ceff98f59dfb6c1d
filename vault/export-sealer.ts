/**
 * Seals what leaves the installation for its next home: one JWE (RFC 7516) a record, in flattened JSON, to a public key
 * of whoever is to have it. Nobody but the holder of the private key reads it, whoever carries the file.
 */
import { type CryptoKey, FlattenedEncrypt, importJWK, type JWK } from 'jose';
import type { Secret } from '../core/secret.ts';
import { invalidJwk, parsePublicMembers } from './public-jwk.ts';

export interface ExportSealer {
  /** One line of JSON: a JWE of `facts`, with `refresh_token` added to them. */
  seal(facts: Readonly<Record<string, unknown>>, refreshToken: Secret): Promise<string>;
}

/** How a content key is brought to the recipient, by the kind of their key: RFC 7518 section 4.1, RFC 8037. */
const algorithms: Readonly<Record<string, string>> = {
  'RSA:': 'RSA-OAEP-256',
  'EC:P-256': 'ECDH-ES+A256KW',
  'EC:P-384': 'ECDH-ES+A256KW',
  'EC:P-521': 'ECDH-ES+A256KW',
  'OKP:X25519': 'ECDH-ES+A256KW',
};
const LEAST_RSA_BYTES = 256;

/**
 * A sealer to the public JWK in `text`: RSA of at least 2048 bits, P-256, P-384, P-521 or X25519. Throws `bad-request`
 * for anything else, also for a private key, which nobody but its owner should hold.
 */
export async function createExportSealer(text: string): Promise<ExportSealer> {
  const jwk = parsePublicMembers(text);
  const alg = algorithms[`${jwk.kty}:${jwk.crv ?? ''}`];
  if (alg === undefined) throw invalidJwk('must be an RSA, P-256, P-384, P-521 or X25519 key');
  if (jwk.use !== undefined && jwk.use !== 'enc') throw invalidJwk(`is for "${jwk.use}", not for encryption ("enc")`);
  if (jwk.alg !== undefined && jwk.alg !== alg) throw invalidJwk(`is for ${jwk.alg}; here it would be ${alg}`);
  if (jwk.kty === 'RSA' && Buffer.from(jwk.n ?? '', 'base64url').length < LEAST_RSA_BYTES) {
    throw invalidJwk('must have at least 2048 bits');
  }
  const key = await importPublic(jwk, alg);
  const header = { alg, enc: 'A256GCM', cty: 'json', ...(typeof jwk.kid === 'string' ? { kid: jwk.kid } : {}) };
  return {
    async seal(facts, refreshToken) {
      const record = Buffer.from(JSON.stringify({ ...facts, refresh_token: refreshToken.reveal() }));
      return JSON.stringify(await new FlattenedEncrypt(record).setProtectedHeader(header).encrypt(key));
    },
  };
}

async function importPublic(jwk: JWK, alg: string): Promise<CryptoKey | Uint8Array> {
  try {
    // Members such as `key_ops` say what their owner does with it, not what we do.
    const { kty, crv, x, y, n, e } = jwk;
    const plain = Object.fromEntries(
      Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined),
    );
    return await importJWK(plain as JWK, alg);
  } catch {
    throw invalidJwk('is no usable key');
  }
}
