import type { Secret } from './secret.ts';

/** A key-encryption key of the environment: wraps data keys and seals nothing else. */
export interface Kek {
  readonly kid: string;
  /** 32 bytes, base64url. */
  readonly key: Secret;
}
