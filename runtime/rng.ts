import { randomBytes, randomUUID } from 'node:crypto';
import type { Rng } from '../core/ports.ts';

/** The operating system's randomness. */
export const systemRng: Rng = {
  uuid: () => randomUUID(),
  token: (bytes) => randomBytes(bytes).toString('base64url'),
};
