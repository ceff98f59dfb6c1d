/**
 * Key-encryption keys: they come from the environment, wrap the data keys, and seal nothing else.
 */
import { createHmac } from 'node:crypto';
import { AppError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';

/** A key-encryption key of the environment. */
export interface Kek {
  readonly kid: string;
  /** 32 bytes, base64url. */
  readonly key: Secret;
}

const KEY_BYTES = 32;

/**
 * Parses `kid:base64url-of-32-bytes[,kid:...]`, the first being the current one. Throws `configuration-invalid`,
 * which names the entry by its position and kid, never the key.
 */
export function parseKeks(text: string): readonly Kek[] {
  const keks = text.split(',').map((entry, index) => {
    const [kid = '', key = '', ...rest] = entry.trim().split(':');
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(kid) || rest.length > 0) throw invalid(`entry ${index + 1} is not kid:key`);
    if (!isKey(key)) throw invalid(`the key of ${kid} is not base64url of ${KEY_BYTES} bytes`);
    return { kid, key: new Secret(key) };
  });
  const twice = keks.find(({ kid }, index) => keks.findIndex((other) => other.kid === kid) !== index);
  if (twice !== undefined) throw invalid(`kid ${twice.kid} is there twice`);
  return keks;
}

/**
 * What a database remembers of its keys, the current one first: an HMAC under each key, from which nothing about the
 * key can be learned.
 */
export function kekFingerprints(keks: readonly Kek[]): readonly string[] {
  return keks.map((kek) =>
    createHmac('sha256', kekBytes(kek)).update('evergrant kek').digest('base64url').slice(0, 22),
  );
}

/** The key itself, for the key ring. */
export function kekBytes({ key }: Kek): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(key.reveal(), 'base64url'));
}

function isKey(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}=?$/.test(text) && Buffer.from(text, 'base64url').length === KEY_BYTES;
}

function invalid(what: string): AppError {
  return new AppError('configuration-invalid', `EVERGRANT_KEKS: ${what}`);
}
