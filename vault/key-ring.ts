/**
 * The data keys in memory. Each lies in the database wrapped by a key-encryption key; the first process of an
 * installation makes them, and one that another process made later is fetched when a value asks for it.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { AppError } from '../core/errors.ts';
import type { DataKeyStore, StoredDataKey } from '../core/stores.ts';
import { importSealingKey, openBytes, type SealingKey, sealBytes, unopened } from './jwe.ts';
import { type Kek, kekBytes } from './kek.ts';

export interface KeyRing {
  /** The key under which new values are sealed. */
  current(): SealingKey;
  /** Throws `internal` when no such key is on file. */
  byKid(kid: string): Promise<SealingKey>;
  /** A key of its own for each context, the same for as long as the installation lives. */
  fingerprintKey(context: string): Uint8Array;
}

/** Throws `configuration-invalid` when a data key was wrapped by a key that is not among `keks`. */
export async function createKeyRing(keks: readonly Kek[], dataKeys: DataKeyStore): Promise<KeyRing> {
  const wrapping = await importKeks(keks);
  const load = async (): Promise<Keys> => unwrapAll(await dataKeys.many(), wrapping);

  let keys = await load();
  if (keys.current === null || keys.fingerprint === null) {
    if (keys.current === null) await addFirst(dataKeys, wrapping, 'seal');
    if (keys.fingerprint === null) await addFirst(dataKeys, wrapping, 'fingerprint');
    // Another process may have been first: what counts is what is on file.
    keys = await load();
  }

  return {
    current() {
      if (keys.current === null) throw new AppError('internal', 'No data key in memory');
      return keys.current;
    },
    async byKid(kid) {
      const known = keys.sealing.get(kid);
      if (known !== undefined) return known;
      keys = await load();
      const loaded = keys.sealing.get(kid);
      if (loaded === undefined) throw unopened('key', kid);
      return loaded;
    },
    fingerprintKey(context) {
      if (keys.fingerprint === null) throw new AppError('internal', 'No fingerprint key in memory');
      return new Uint8Array(hkdfSync('sha256', keys.fingerprint, new Uint8Array(0), `evergrant ${context}`, KEY_BYTES));
    },
  };
}

const KEY_BYTES = 32;

interface Keys {
  readonly sealing: ReadonlyMap<string, SealingKey>;
  readonly current: SealingKey | null;
  readonly fingerprint: Uint8Array | null;
}

/** By kid; the first is the one that wraps new keys. */
type WrappingKeys = ReadonlyMap<string, SealingKey>;

async function importKeks(keks: readonly Kek[]): Promise<WrappingKeys> {
  const keys = await Promise.all(
    keks.map(async (kek) => ({ kid: kek.kid, key: await importSealingKey(kekBytes(kek)) })),
  );
  return new Map(keys.map((key) => [key.kid, key]));
}

async function unwrapAll(stored: readonly StoredDataKey[], wrapping: WrappingKeys): Promise<Keys> {
  const sealing = new Map<string, SealingKey>();
  let current: SealingKey | null = null;
  let fingerprint: Uint8Array | null = null;
  for (const key of stored) {
    const bytes = await unwrap(key, wrapping);
    if (key.purpose === 'fingerprint') {
      if (key.current) fingerprint = bytes;
      continue;
    }
    const sealingKey = { kid: key.kid, key: await importSealingKey(bytes) };
    sealing.set(key.kid, sealingKey);
    if (key.current) current = sealingKey;
  }
  return { sealing, current, fingerprint };
}

async function unwrap(key: StoredDataKey, wrapping: WrappingKeys): Promise<Uint8Array<ArrayBuffer>> {
  const kek = wrapping.get(key.kekKid);
  if (kek === undefined) throw wrongKek(key, 'is not among the keys given');
  try {
    return new Uint8Array(await openBytes(kek, key.wrapped, wrappingContext(key)));
  } catch {
    throw wrongKek(key, 'is another key than the one that wrapped the data keys');
  }
}

async function addFirst(
  dataKeys: DataKeyStore,
  wrapping: WrappingKeys,
  purpose: StoredDataKey['purpose'],
): Promise<void> {
  const [kek] = wrapping.values();
  if (kek === undefined) throw new AppError('configuration-invalid', 'EVERGRANT_KEKS: no key given');
  const kid = randomBytes(9).toString('base64url');
  const wrapped = await sealBytes(kek, randomBytes(KEY_BYTES), wrappingContext({ kid, purpose }));
  await dataKeys.addFirst({ kid, purpose, kekKid: kek.kid, wrapped });
}

function wrappingContext({ kid, purpose }: Pick<StoredDataKey, 'kid' | 'purpose'>): string {
  return `data_keys:${kid}:${purpose}`;
}

function wrongKek({ kid, kekKid }: StoredDataKey, what: string): AppError {
  return new AppError('configuration-invalid', `EVERGRANT_KEKS: ${kekKid} ${what}`, { details: { kid, kekKid } });
}
