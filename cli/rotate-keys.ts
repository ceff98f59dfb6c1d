/**
 * One run of a rotation of keys, both levels: data keys go under the first key-encryption key, then every sealed value
 * goes under a new data key, while API and workers go on. Whatever it is interrupted by, the next run goes on from what it
 * finds: nothing is written down about how far it is.
 */
import type { Act } from '../core/audit-entry.ts';
import { AppError, isAppError } from '../core/errors.ts';
import type { Kek } from '../core/kek.ts';
import type { KeyHolder } from '../core/key-holders.ts';
import type { Clock } from '../core/ports.ts';
import type { KeyRotationStore } from '../db/key-rotation-store.ts';
import type { SealedCell, SealedCellStore } from '../db/sealed-cells.ts';
import { type SealedColumn, sealedColumns } from '../db/sealed-columns.ts';
import { buildDataKey, importKeks, rewrapDataKeys } from '../vault/data-keys.ts';
import { sealedHeader } from '../vault/jwe.ts';
import { kekFingerprints } from '../vault/kek.ts';
import type { KeyedVault } from '../vault/vault.ts';
import { countByKid, countToReSeal, countUnder, currentDataKey, keysOnTheirWayOut } from './key-facts.ts';

export interface RotationParts {
  readonly clock: Clock;
  readonly act: Act;
  readonly vault: KeyedVault;
  readonly keks: readonly Kek[];
  readonly rotation: KeyRotationStore;
  readonly cells: SealedCellStore;
  /** Called after every batch. */
  readonly onProgress: (resealed: number, total: number) => void;
  /** How long running processes and locked rows are waited for, in milliseconds. */
  readonly patienceMs: number;
}

export interface Rotation {
  /** Data keys that were wrapped anew by the first key-encryption key. */
  readonly rewrapped: readonly string[];
  readonly dataKey: string | null;
  /** False when it had been made by a run before, which did not come to its end. */
  readonly isNewDataKey: boolean;
  readonly resealed: number;
  /** Sealed under older keys still, those that don't open included. */
  readonly remaining: number;
  /** Values that open nowhere: damaged, moved, or sealed under a key that is not on file. They stay as they are. */
  readonly unopenable: readonly { readonly table: string; readonly column: string; readonly row: string }[];
  /** Old data keys that are gone: replaced 30 days ago, and nothing is sealed under them. */
  readonly removed: readonly string[];
  /** Why it should be run again; null when all is done. */
  readonly again: string | null;
}

/** Few enough that a batch is one short statement, many enough that a hundred thousand values take minutes. */
const BATCH = 200;
const PAUSE_MS = 500;

/** Throws `configuration-invalid` when a key-encryption key that is needed is missing. Safe beside anything that runs. */
export async function rotateKeys(parts: RotationParts, options: { readonly keksOnly: boolean }): Promise<Rotation> {
  const lock = await parts.rotation.maybeLock();
  if (lock === null) return { ...nothingDone, again: 'Another rotation is running.' };
  try {
    return await rotateAlone(parts, options);
  } finally {
    lock.release();
  }
}

const nothingDone: Rotation = {
  rewrapped: [],
  dataKey: null,
  isNewDataKey: false,
  resealed: 0,
  remaining: 0,
  unopenable: [],
  removed: [],
  again: null,
};

async function rotateAlone(parts: RotationParts, { keksOnly }: { readonly keksOnly: boolean }): Promise<Rotation> {
  const { rotation, keks, act } = parts;
  const [fingerprint] = kekFingerprints(keks);
  if (fingerprint === undefined) throw new AppError('configuration-invalid', 'EVERGRANT_KEKS: no key given');
  // What is wrapped by the first key now must open in every process that runs.
  const strangers = (await rotation.manyHolders()).filter((one) => !one.kekFingerprints.includes(fingerprint));
  if (strangers.length > 0) {
    const who = namesOf(strangers);
    return {
      ...nothingDone,
      again: `Nothing was changed: ${who} must be restarted first, with ${keks[0]?.kid} in EVERGRANT_KEKS beside the old key.`,
    };
  }
  const rewrapped = await rewrap(parts, fingerprint);
  if (keksOnly) return { ...nothingDone, rewrapped };
  const { dataKey, isNewDataKey } = await beginOrGoOn(parts);
  await parts.vault.learnKeys();
  const { resealed, unopenable } = await reSealAll(parts, dataKey);

  const columns = await countByKid(parts.cells);
  const remaining = countToReSeal(columns, dataKey);
  const behind = (await rotation.manyHolders()).filter((one) => one.currentDataKey !== dataKey);
  const done = { rewrapped, dataKey, isNewDataKey, resealed, remaining, unopenable, removed: [], again: null };
  if (behind.length > 0) return { ...done, again: `${namesOf(behind)} still seals under an older key.` };
  if (remaining > unopenable.length) {
    return { ...done, again: `${remaining - unopenable.length} values could not be re-sealed yet: they were in use.` };
  }
  const keys = await rotation.manyKeys();
  await rotation.markEmptied(
    keysOnTheirWayOut(keys).map(({ kid }) => kid),
    act,
  );
  const removed: string[] = [];
  for (const { kid, replacedAtMs } of keys) {
    const isEmpty = replacedAtMs !== null && countUnder(columns, kid) === 0;
    if (isEmpty && (await rotation.remove(kid, act))) removed.push(kid);
  }
  return { ...done, removed };
}

async function rewrap({ rotation, keks, act }: RotationParts, fingerprint: string): Promise<readonly string[]> {
  const rewrapped = await rewrapDataKeys(await rotation.manyKeys(), keks);
  const isBehind = (await rotation.maybeKekFingerprint()) !== fingerprint;
  if (rewrapped.length > 0 || isBehind) await rotation.rewrap(rewrapped, fingerprint, act);
  return rewrapped.map(({ kid }) => kid);
}

/** The data key to which everything goes: a new one, or that of the run before when it was cut short. */
async function beginOrGoOn({
  rotation,
  keks,
  act,
}: RotationParts): Promise<{ readonly dataKey: string; readonly isNewDataKey: boolean }> {
  const keys = await rotation.manyKeys();
  const current = currentDataKey(keys);
  if (current === undefined) throw new AppError('internal', 'The installation has no data key');
  if (keysOnTheirWayOut(keys).length > 0) return { dataKey: current.kid, isNewDataKey: false };
  const made = await buildDataKey(await importKeks(keks), 'seal');
  await rotation.replaceCurrent(current.kid, made, act);
  return { dataKey: made.kid, isNewDataKey: true };
}

type Unopenable = Rotation['unopenable'][number];

/** Passes over all columns until nothing is left but what does not open, and until nobody seals under an older key. */
async function reSealAll(
  parts: RotationParts,
  dataKey: string,
): Promise<{ readonly resealed: number; readonly unopenable: readonly Unopenable[] }> {
  const { clock, cells, rotation, onProgress, patienceMs } = parts;
  const endsAtMs = clock.monotonic() + patienceMs;
  let resealed = 0;
  for (;;) {
    const total = resealed + countToReSeal(await countByKid(cells), dataKey);
    const unopenable: Unopenable[] = [];
    for (const column of sealedColumns) {
      for await (const batch of batchesOf(cells, column, sealedHeader(dataKey))) {
        const fresh = await sealAnew(parts.vault, column, batch, unopenable);
        if (fresh.length > 0) resealed += await cells.replace(column, fresh);
        onProgress(resealed, Math.max(total, resealed));
      }
    }
    const left = countToReSeal(await countByKid(cells), dataKey) - unopenable.length;
    const isEverybodyHere = (await rotation.manyHolders()).every((one) => one.currentDataKey === dataKey);
    if ((left <= 0 && isEverybodyHere) || clock.monotonic() > endsAtMs) return { resealed, unopenable };
    await clock.sleep(PAUSE_MS);
  }
}

async function* batchesOf(
  cells: SealedCellStore,
  column: SealedColumn,
  header: string,
): AsyncGenerator<readonly SealedCell[]> {
  for (let cursor = ''; ; ) {
    const batch = await cells.manyOthers(column, { header, cursor, limit: BATCH });
    yield batch;
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH) return;
    cursor = last.key;
  }
}

async function sealAnew(
  vault: KeyedVault,
  { table, column }: SealedColumn,
  batch: readonly SealedCell[],
  unopenable: Unopenable[],
): Promise<readonly (SealedCell & { readonly fresh: string })[]> {
  const sealed = await Promise.all(
    batch.map(async (cell) => {
      try {
        const secret = await vault.open(cell.sealed, cell.context);
        return { ...cell, fresh: await vault.seal(secret, cell.context) };
      } catch (error) {
        // The database may be away while an unknown key is looked for: that is no fault of the value.
        if (!isAppError(error, 'internal')) throw error;
        unopenable.push({ table, column, row: cell.key });
        return null;
      }
    }),
  );
  return sealed.filter((cell) => cell !== null);
}

function namesOf(holders: readonly KeyHolder[]): string {
  return holders.map(({ name }) => name).join('; ');
}
