/**
 * How a row is written: a table of columns, each with the value it gets. One table serves INSERT and overwrite, so a
 * column can't be forgotten in one of them.
 */
import type { Statement } from './query.ts';

/** Columns of a table and how each is filled from `T`. */
export type Columns<T> = Readonly<Record<string, (source: T) => unknown>>;

/** Inserts one row or overwrites the one with the same key. `keep` replaces the value that an overwrite sets. */
export function buildUpsert<T>(
  table: string,
  columns: Columns<T>,
  source: T,
  { key, keep = {} }: { readonly key: string; readonly keep?: Readonly<Record<string, string>> },
): Statement {
  const names = Object.keys(columns);
  const sets = names.filter((name) => name !== key).map((name) => `${name} = ${keep[name] ?? `excluded.${name}`}`);
  return {
    text: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})
      ON CONFLICT (${key}) DO UPDATE SET ${sets.join(', ')}`,
    values: Object.values(columns).map((valueOf) => valueOf(source)),
  };
}

/** Inserts one row. */
export function buildInsert<T>(table: string, columns: Columns<T>, source: T, onConflict = ''): Statement {
  const names = Object.keys(columns);
  return {
    text: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')}) ${onConflict}`,
    values: Object.values(columns).map((valueOf) => valueOf(source)),
  };
}

/** Milliseconds since the epoch as PostgreSQL takes them. */
export function timeOf(atMs: number | null): Date | null {
  return atMs === null ? null : new Date(atMs);
}

/** A timestamptz as milliseconds since the epoch. */
export function msOf(time: Date): number;
export function msOf(time: Date | null): number | null;
export function msOf(time: Date | null): number | null {
  return time === null ? null : time.getTime();
}
