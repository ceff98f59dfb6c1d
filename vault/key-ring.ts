/**
 * The data keys in memory. Each lies in the database wrapped by a key-encryption key; the first process of an
 * installation makes them. One that a rotation made later is fetched when a value asks for it, and becomes the key to
 * seal under when the table is read again. A key that was in memory once stays there: a rotation takes nothing away from
 * a process that runs.
 */
import { hkdfSync } from 'node:crypto';
import { AppError, isAppError } from '../core/errors.ts';
import type { Kek } from '../core/kek.ts';
import type { DataKeyStore, StoredDataKey } from '../core/stores.ts';
import { buildDataKey, importKeks, KEY_BYTES, unwrap, type WrappingKeys } from './data-keys.ts';
import { importSealingKey, type SealingKey, unopened } from './jwe.ts';

export interface KeyRing {
  /** The key under which new values are sealed. */
  current(): SealingKey;
  /** Throws `internal` when no such key is on file, or it is on file under a key-encryption key that is not in hand. */
  byKid(kid: string): Promise<SealingKey>;
  /** A key of its own for each context, the same for as long as the installation lives. */
  fingerprintKey(context: string): Uint8Array;
  /** Reads the table again. `unreadable`: kids of keys whose key-encryption key is not in hand. */
  reload(): Promise<{ readonly unreadable: readonly string[] }>;
}

/** A kid that is on file nowhere is not looked for again until then, in milliseconds. */
const MISSING_FOR_MS = 5_000;
/** More of them at once are none that anybody sealed under. */
const MOST_MISSING = 100;

/** Throws `configuration-invalid` when a data key was wrapped by a key that is not among `keks`. */
export async function createKeyRing(keks: readonly Kek[], dataKeys: DataKeyStore): Promise<KeyRing> {
  const wrapping = await importKeks(keks);
  let keys = await addStored(noKeys, await dataKeys.many(), wrapping, refuse);
  if (keys.current === null || keys.fingerprint === null) {
    if (keys.current === null) await dataKeys.addFirst(await buildDataKey(wrapping, 'seal'));
    if (keys.fingerprint === null) await dataKeys.addFirst(await buildDataKey(wrapping, 'fingerprint'));
    // Another process may have been first: what counts is what is on file.
    keys = await addStored(noKeys, await dataKeys.many(), wrapping, refuse);
  }

  /** One reading at a time, whoever asks. */
  let reading: Promise<{ readonly unreadable: readonly string[] }> | null = null;
  const missing = new Map<string, number>();

  const read = async (): Promise<{ readonly unreadable: readonly string[] }> => {
    const unreadable: string[] = [];
    keys = await addStored(keys, await dataKeys.many(), wrapping, ({ kid }) => void unreadable.push(kid));
    return { unreadable };
  };
  const reload = (): Promise<{ readonly unreadable: readonly string[] }> => {
    reading ??= read().finally(() => {
      reading = null;
    });
    return reading;
  };

  return {
    current() {
      if (keys.current === null) throw new AppError('internal', 'No data key in memory');
      return keys.current;
    },
    async byKid(kid) {
      // A reading that was under way may have begun before the key was on file: the second one has not.
      for (let round = 0; round < 2; round += 1) {
        const known = keys.sealing.get(kid);
        if (known !== undefined) return known;
        if ((missing.get(kid) ?? 0) > performance.now()) throw unopened('key', kid);
        await reload();
      }
      const loaded = keys.sealing.get(kid);
      if (loaded !== undefined) return loaded;
      if (missing.size >= MOST_MISSING) missing.clear();
      missing.set(kid, performance.now() + MISSING_FOR_MS);
      throw unopened('key', kid);
    },
    fingerprintKey(context) {
      if (keys.fingerprint === null) throw new AppError('internal', 'No fingerprint key in memory');
      return new Uint8Array(hkdfSync('sha256', keys.fingerprint, new Uint8Array(0), `evergrant ${context}`, KEY_BYTES));
    },
    reload,
  };
}

interface Keys {
  readonly sealing: ReadonlyMap<string, SealingKey>;
  readonly current: SealingKey | null;
  readonly fingerprint: Uint8Array | null;
}

const noKeys: Keys = { sealing: new Map(), current: null, fingerprint: null };

/** What of the table is not in memory yet is unwrapped; `onForeign` is told of what does not open. */
async function addStored(
  before: Keys,
  stored: readonly StoredDataKey[],
  wrapping: WrappingKeys,
  onForeign: (key: StoredDataKey, error: AppError) => void,
): Promise<Keys> {
  const sealing = new Map(before.sealing);
  let { current, fingerprint } = before;
  for (const key of stored) {
    if (key.purpose === 'seal' ? sealing.has(key.kid) : fingerprint !== null || !key.current) continue;
    const bytes = maybeUnwrap(key, wrapping, onForeign);
    if (bytes === null) continue;
    if (key.purpose === 'fingerprint') fingerprint = bytes;
    else sealing.set(key.kid, await importSealingKey(key.kid, bytes));
  }
  const marked = stored.find(({ purpose, current: isCurrent }) => purpose === 'seal' && isCurrent);
  // One that can't be read seals nothing: the one in memory goes on, as it stays readable for everybody.
  if (marked !== undefined) current = sealing.get(marked.kid) ?? current;
  return { sealing, current, fingerprint };
}

function maybeUnwrap(
  key: StoredDataKey,
  wrapping: WrappingKeys,
  onForeign: (key: StoredDataKey, error: AppError) => void,
): Uint8Array<ArrayBuffer> | null {
  try {
    return unwrap(key, wrapping);
  } catch (error) {
    if (!isAppError(error, 'configuration-invalid')) throw error;
    onForeign(key, error);
    return null;
  }
}

function refuse(_key: StoredDataKey, error: AppError): never {
  throw error;
}
