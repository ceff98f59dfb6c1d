import { importJWK, type JWK } from 'jose';
import { AppError } from '../core/errors.ts';

/** Members of a JWK that only its owner may have (RFC 7518 section 6, RFC 8037). */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** Signature algorithms that the API accepts, by what fits the kind of key. */
const algorithms: Readonly<Record<string, string>> = {
  'RSA:': 'RS256',
  'EC:P-256': 'ES256',
  'OKP:Ed25519': 'EdDSA',
};

/**
 * Parses the public JWK with which a client's own tokens are verified: RSA of at least 2048 bits, P-256, or Ed25519.
 * Throws `bad-request`, also for a private key, which nobody but its owner should hold.
 */
export async function parsePublicJwk(text: string): Promise<Readonly<Record<string, unknown>>> {
  const jwk = parsePublicMembers(text);
  const algorithm = algorithms[`${jwk.kty}:${jwk.crv ?? ''}`];
  if (algorithm === undefined) throw invalidJwk('must be an RSA, P-256 or Ed25519 key');
  if (typeof jwk.n === 'string' && Buffer.from(jwk.n, 'base64url').length < 256) {
    throw invalidJwk('must have at least 2048 bits');
  }
  try {
    await importJWK(jwk, algorithm);
  } catch {
    throw invalidJwk('is no usable key');
  }
  return { ...jwk };
}

/** The JWK in `text`, whatever it is for. Throws `bad-request` for what is none, and for a private one. */
export function parsePublicMembers(text: string): JWK {
  const jwk = parseObject(text);
  const found = privateMembers.filter((member) => member in jwk);
  if (found.length > 0) throw invalidJwk(`holds private parts (${found.join(', ')}); give the public key only`);
  return jwk;
}

function parseObject(text: string): JWK {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below, without a piece of what was given.
  }
  throw invalidJwk('must be one JSON object');
}

/** What is wrong with a JWK, without a piece of it. */
export function invalidJwk(what: string): AppError {
  return new AppError('bad-request', `The JWK ${what}`);
}
