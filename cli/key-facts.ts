/** What is known about the keys of an installation, and what a person should do about it. */
import type { KeyHolder } from '../core/key-holders.ts';
import type { DataKeyFacts, KeyRotationStore } from '../db/key-rotation-store.ts';
import type { SealedCellStore } from '../db/sealed-cells.ts';
import { kidOf } from '../vault/jwe.ts';

/** Sealed values of one column. */
export interface ColumnFacts {
  readonly table: string;
  readonly column: string;
  /** By data key; values that name no key at all are under `null`. */
  readonly byKid: ReadonlyMap<string | null, number>;
}

export interface KeyFacts {
  /** Of the environment, the current one first; empty when it has none. */
  readonly keks: readonly { readonly kid: string; readonly fingerprint: string }[];
  readonly dataKeys: readonly DataKeyFacts[];
  /** Without it no process starts; null before the first start. */
  readonly installedFingerprint: string | null;
  readonly columns: readonly ColumnFacts[];
  readonly holders: readonly KeyHolder[];
}

export async function readKeyFacts(
  { rotation, cells }: { readonly rotation: KeyRotationStore; readonly cells: SealedCellStore },
  keks: KeyFacts['keks'],
): Promise<KeyFacts> {
  const dataKeys = await rotation.manyKeys();
  const [installedFingerprint, holders] = await Promise.all([rotation.maybeKekFingerprint(), rotation.manyHolders()]);
  return { keks, dataKeys, installedFingerprint, columns: await countByKid(cells), holders };
}

/** One entry a column that holds anything. */
export async function countByKid(cells: SealedCellStore): Promise<readonly ColumnFacts[]> {
  const found = new Map<string, { table: string; column: string; byKid: Map<string | null, number> }>();
  for (const { column, header, count } of await cells.count()) {
    const name = `${column.table}.${column.column}`;
    const facts = found.get(name) ?? { table: column.table, column: column.column, byKid: new Map() };
    const kid = maybeKid(header);
    facts.byKid.set(kid, (facts.byKid.get(kid) ?? 0) + count);
    found.set(name, facts);
  }
  return [...found.values()];
}

function maybeKid(header: string): string | null {
  try {
    return kidOf(header);
  } catch {
    return null;
  }
}

export function totalOf({ byKid }: ColumnFacts): number {
  return [...byKid.values()].reduce((sum, count) => sum + count, 0);
}

/** Sealed values under a key, over all columns. */
export function countUnder(columns: readonly ColumnFacts[], kid: string | null): number {
  return columns.reduce((sum, { byKid }) => sum + (byKid.get(kid) ?? 0), 0);
}

/** The data key that new values are sealed under. */
export function currentDataKey(dataKeys: readonly DataKeyFacts[]): DataKeyFacts | undefined {
  return dataKeys.find(({ purpose, current }) => purpose === 'seal' && current);
}

/** What is sealed under another key than the current one. */
export function countToReSeal(columns: readonly ColumnFacts[], current: string): number {
  return columns.reduce((sum, column) => sum + totalOf(column) - (column.byKid.get(current) ?? 0), 0);
}

/** Keys from which a rotation has not moved everything yet: it goes on before a new one begins. */
export function keysOnTheirWayOut(dataKeys: readonly DataKeyFacts[]): readonly DataKeyFacts[] {
  return dataKeys.filter(({ replacedAtMs, emptiedAtMs }) => replacedAtMs !== null && emptiedAtMs === null);
}

/** What to do now, one sentence each; empty when there is nothing to do. */
export function adviseOnKeys(facts: KeyFacts): readonly string[] {
  const { keks, dataKeys, columns, holders, installedFingerprint } = facts;
  const [first, ...kept] = keks;
  const advice: string[] = [];
  const current = currentDataKey(dataKeys);
  const old = current === undefined ? 0 : countToReSeal(columns, current.kid);
  if (keysOnTheirWayOut(dataKeys).length > 0) {
    advice.push(`A rotation is not finished, ${old} values are to be re-sealed: run evergrant keys rotate.`);
  } else if (old > 0) {
    advice.push(`${old} values were left under an older key: the next evergrant keys rotate tries them again.`);
  }
  const lost = dataKeys.length === 0 ? 0 : countUnknown(dataKeys, columns);
  if (lost > 0) advice.push(`${lost} sealed values name a data key that is not on file: they open nowhere.`);
  if (first === undefined) {
    advice.push('EVERGRANT_KEKS is not set here: set it to see what of it is still needed.');
    return advice;
  }
  const missing = new Set(dataKeys.map(({ kekKid }) => kekKid).filter((kid) => !keks.some((kek) => kek.kid === kid)));
  for (const kid of missing)
    advice.push(`Data keys lie under ${kid}, which is not in EVERGRANT_KEKS here: put it back.`);
  const older = dataKeys.filter(({ kekKid }) => kekKid !== first.kid);
  const isBehind = older.length > 0 || (installedFingerprint !== null && installedFingerprint !== first.fingerprint);
  const isForeign =
    installedFingerprint !== null && !keks.some(({ fingerprint }) => fingerprint === installedFingerprint);
  if (isForeign && missing.size === 0) {
    advice.push('The keys in EVERGRANT_KEKS here are others than those of this database: no process starts with them.');
  } else if (isBehind && missing.size === 0) {
    const strangers = holders.filter(({ kekFingerprints }) => !kekFingerprints.includes(first.fingerprint));
    advice.push(...strangers.map(({ name }) => `${name} does not have ${first.kid} yet: restart it with both keys.`));
    advice.push(
      `${older.length} data keys lie under another key than ${first.kid}, the first of EVERGRANT_KEKS: run evergrant keys rotate${
        strangers.length > 0 ? ' after that' : ''
      }.`,
    );
  }
  if (isBehind) return advice;
  for (const { kid } of kept) {
    advice.push(`${kid} may be removed from EVERGRANT_KEKS; backups made before it was replaced still need it.`);
  }
  return advice;
}

function countUnknown(dataKeys: readonly DataKeyFacts[], columns: readonly ColumnFacts[]): number {
  const known = new Set<string | null>(dataKeys.map(({ kid }) => kid));
  const kids = new Set(columns.flatMap(({ byKid }) => [...byKid.keys()]));
  return [...kids].filter((kid) => !known.has(kid)).reduce((sum, kid) => sum + countUnder(columns, kid), 0);
}
