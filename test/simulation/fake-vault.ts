/**
 * A vault without cryptography, whose answers take no turn of the event loop: what it sealed names its context, and
 * opens in no other.
 */
import type { Vault } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';

export interface FakeVault extends Vault {
  /** False: as if no data key were in memory. */
  isReady: boolean;
  /** Any value sealed as the vault would have. */
  sealed(value: string, context: string): string;
  /** Any sealed value in clear, whatever its context. */
  peek(sealed: string): string;
}

export function createFakeVault(): FakeVault {
  const build = (value: string, context: string): string => JSON.stringify([context, [...value].reverse().join('')]);
  const parse = (sealed: string): [context: string, value: string] => {
    const [context, value] = JSON.parse(sealed);
    return [context, [...value].reverse().join('')];
  };
  return {
    isReady: true,
    assertReady() {
      if (!this.isReady) throw new Error('no data key');
    },
    seal: async (secret, context) => build(secret.reveal(), context),
    async open(sealed, context) {
      const [sealedFor, value] = parse(sealed);
      if (sealedFor !== context) throw new Error(`sealed for ${sealedFor}, not for ${context}`);
      return new Secret(value);
    },
    fingerprint: async (secret, context) => build(secret.reveal(), context),
    sealed: build,
    peek: (sealed) => parse(sealed)[1],
  };
}
