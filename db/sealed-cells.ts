/** Sealed values where they lie: counted by key, read in batches, and replaced while everybody else goes on. */
import type { Pool } from 'pg';
import { query } from './query.ts';
import { type SealedColumn, sealedColumns } from './sealed-columns.ts';

/** How many values of a column begin with the same header. */
export interface SealedCount {
  readonly column: SealedColumn;
  /** Everything up to the first dot: names the key. */
  readonly header: string;
  readonly count: number;
}

export interface SealedCell {
  /** Primary key of its row. */
  readonly key: string;
  readonly sealed: string;
  readonly context: string;
}

export interface SealedCellStore {
  /** Of all columns, in the order of the list. */
  count(): Promise<readonly SealedCount[]>;
  /** Values with another header than this one, by key, after `cursor` (empty: from the first row). */
  manyOthers(
    column: SealedColumn,
    page: { readonly header: string; readonly cursor: string; readonly limit: number },
  ): Promise<readonly SealedCell[]>;
  /**
   * Puts `fresh` where `sealed` still is; how many that were. A row that somebody else has locked is left for the next
   * pass: a rotation waits for nobody, and nobody for more than one statement of it.
   */
  replace(column: SealedColumn, cells: readonly (SealedCell & { readonly fresh: string })[]): Promise<number>;
}

export function createSealedCellStore(pool: Pool): SealedCellStore {
  return {
    async count() {
      const counts: SealedCount[] = [];
      for (const column of sealedColumns) {
        const { rows } = await query<{ header: string; count: string }>(
          pool,
          `SELECT split_part(${column.column}, '.', 1) AS header, count(*) AS count FROM ${column.table}
           WHERE ${column.column} IS NOT NULL GROUP BY 1 ORDER BY 1`,
        );
        counts.push(...rows.map(({ header, count }) => ({ column, header, count: Number(count) })));
      }
      return counts;
    },

    async manyOthers({ table, key, column, place, contextOf }, { header, cursor, limit }) {
      const { rows } = await query<{ key: string; sealed: string; place: readonly string[] }>(
        pool,
        `SELECT ${key} AS key, ${column} AS sealed, ARRAY[${place.join(', ')}] AS place FROM ${table}
         WHERE ${key} > $1 AND ${column} IS NOT NULL AND split_part(${column}, '.', 1) <> $2 ORDER BY ${key} LIMIT $3`,
        [cursor, header, limit],
      );
      return rows.map((row) => ({ key: row.key, sealed: row.sealed, context: contextOf(...row.place) }));
    },

    async replace({ table, key, column }, cells) {
      const { rowCount } = await query(
        pool,
        `WITH fresh AS (
           SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS f (row_key, before, sealed)
         ), free AS (
           SELECT t.${key} AS row_key FROM ${table} t WHERE t.${key} = ANY ($1::text[]) FOR NO KEY UPDATE SKIP LOCKED
         )
         UPDATE ${table} t SET ${column} = fresh.sealed FROM fresh JOIN free USING (row_key)
         WHERE t.${key} = fresh.row_key AND t.${column} = fresh.before`,
        [cells.map((cell) => cell.key), cells.map((cell) => cell.sealed), cells.map((cell) => cell.fresh)],
      );
      return rowCount ?? 0;
    },
  };
}
