/** Data keys as they lie in the database: made, wrapped, unwrapped, and wrapped anew. */
import { randomBytes } from 'node:crypto';
import { AppError } from '../core/errors.ts';
import type { Kek } from '../core/kek.ts';
import type { StoredDataKey } from '../core/stores.ts';
import { importSealingKey, openBytes, type SealingKey, sealBytes } from './jwe.ts';
import { kekBytes } from './kek.ts';

export const KEY_BYTES = 32;

/** By kid; the first is the one that wraps new keys. */
export type WrappingKeys = ReadonlyMap<string, SealingKey>;

export async function importKeks(keks: readonly Kek[]): Promise<WrappingKeys> {
  const keys = await Promise.all(keks.map((kek) => importSealingKey(kek.kid, kekBytes(kek))));
  return new Map(keys.map((key) => [key.kid, key]));
}

/** A new data key, wrapped by the first of the key-encryption keys. Throws `configuration-invalid` when there is none. */
export function buildDataKey(
  wrapping: WrappingKeys,
  purpose: StoredDataKey['purpose'],
): Promise<Omit<StoredDataKey, 'current'>> {
  return wrap(wrapping, { kid: randomBytes(9).toString('base64url'), purpose }, randomBytes(KEY_BYTES));
}

/** Throws `configuration-invalid` when the key that wrapped it is not in hand, or is another of the same name. */
export function unwrap(key: StoredDataKey, wrapping: WrappingKeys): Uint8Array<ArrayBuffer> {
  const kek = wrapping.get(key.kekKid);
  if (kek === undefined) throw wrongKek(key, 'is not among the keys given');
  try {
    return new Uint8Array(openBytes(kek, key.wrapped, wrappingContext(key)));
  } catch {
    throw wrongKek(key, 'is another key than the one that wrapped the data keys');
  }
}

/** A data key that has changed its key-encryption key, with the value that it replaces. */
export interface RewrappedDataKey extends Omit<StoredDataKey, 'current'> {
  readonly wrappedBefore: string;
}

/**
 * The data keys that lie under another key-encryption key than the first of `keks`, wrapped anew by that one; the data
 * keys themselves stay what they are. Throws `configuration-invalid` when a key that wrapped one is missing.
 */
export async function rewrapDataKeys(
  stored: readonly StoredDataKey[],
  keks: readonly Kek[],
): Promise<readonly RewrappedDataKey[]> {
  const wrapping = await importKeks(keks);
  const older = stored.filter(({ kekKid }) => kekKid !== keks[0]?.kid);
  return Promise.all(
    older.map(async (key) => ({
      ...(await wrap(wrapping, key, unwrap(key, wrapping))),
      wrappedBefore: key.wrapped,
    })),
  );
}

async function wrap(
  wrapping: WrappingKeys,
  { kid, purpose }: Pick<StoredDataKey, 'kid' | 'purpose'>,
  bytes: Uint8Array,
): Promise<Omit<StoredDataKey, 'current'>> {
  const [kek] = wrapping.values();
  if (kek === undefined) throw new AppError('configuration-invalid', 'EVERGRANT_KEKS: no key given');
  return { kid, purpose, kekKid: kek.kid, wrapped: await sealBytes(kek, bytes, wrappingContext({ kid, purpose })) };
}

function wrappingContext({ kid, purpose }: Pick<StoredDataKey, 'kid' | 'purpose'>): string {
  return `data_keys:${kid}:${purpose}`;
}

function wrongKek({ kid, kekKid }: StoredDataKey, what: string): AppError {
  return new AppError('configuration-invalid', `EVERGRANT_KEKS: ${kekKid} ${what}`, { details: { kid, kekKid } });
}
