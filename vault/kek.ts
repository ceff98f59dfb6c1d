/**
 * Key-encryption keys: they come from the environment, wrap the data keys, and seal nothing else.
 */
import { createHmac } from 'node:crypto';
import type { Kek } from '../core/kek.ts';

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
