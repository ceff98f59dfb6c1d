import { randomBytes } from 'node:crypto';
import { readIfThere, writePrivateFile } from './private-file.ts';

/** Makes the key-encryption key of a development database once, in the form of `EVERGRANT_KEKS`. */
export async function ensureKeks(path: string): Promise<void> {
  if ((await readIfThere(path)) !== null) return;
  await writePrivateFile(path, `development-1:${randomBytes(32).toString('base64url')}\n`);
}
