import { createHmac } from 'node:crypto';
import type { Kek } from '../core/kek.ts';
import type { Vault } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import type { DataKeyStore } from '../core/stores.ts';
import { kidOf, openBytes, sealBytes } from './jwe.ts';
import { createKeyRing } from './key-ring.ts';

/** A vault that can be told to look for new keys. */
export interface KeyedVault extends Vault {
  /** `kid` of the data key under which it seals. */
  currentKid(): string;
  /**
   * Reads the data keys again: what a rotation has made is in memory afterwards, and new values are sealed under it.
   * `unreadable`: kids of data keys whose key-encryption key this process does not have.
   */
  learnKeys(): Promise<{ readonly unreadable: readonly string[] }>;
}

/**
 * Envelope encryption of every secret that is stored: values under data keys, data keys under the environment's
 * key-encryption keys, the first of which is current. Resolves with the data keys in memory.
 *
 * Throws `configuration-invalid` when the keys don't belong to the database, `database-unavailable` when it is away.
 * `open` throws `internal`, without any trace of the value, for another context, an unknown key, or damage.
 */
export async function createVault(options: {
  readonly keks: readonly Kek[];
  readonly dataKeys: DataKeyStore;
}): Promise<KeyedVault> {
  const ring = await createKeyRing(options.keks, options.dataKeys);
  return {
    assertReady() {
      ring.current();
    },
    seal(secret, context) {
      return sealBytes(ring.current(), Buffer.from(secret.reveal()), context);
    },
    async open(sealed, context) {
      const key = await ring.byKid(kidOf(sealed));
      return new Secret(openBytes(key, sealed, context).toString());
    },
    async fingerprint(secret, context) {
      return createHmac('sha256', ring.fingerprintKey(context)).update(secret.reveal()).digest('base64url');
    },
    currentKid: () => ring.current().kid,
    learnKeys: () => ring.reload(),
  };
}
