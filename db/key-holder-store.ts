import type { Pool } from 'pg';
import type { KeyHolder, KeyHolderStore } from '../core/key-holders.ts';
import { query } from './query.ts';

/** A process that has said nothing for so long is gone. */
const ALIVE = `seen_at > now() - interval '1 minute'`;

interface HolderRow {
  readonly id: string;
  readonly name: string;
  readonly kek_fingerprints: readonly string[];
  readonly current_data_key: string;
}

/** {@link KeyHolderStore} on PostgreSQL; times are the database's. */
export function createKeyHolderStore(pool: Pool): KeyHolderStore {
  return {
    async report({ id, name, kekFingerprints, currentDataKey }) {
      await query(
        pool,
        `WITH gone AS (DELETE FROM key_holders WHERE seen_at < now() - interval '1 day')
         INSERT INTO key_holders (id, name, kek_fingerprints, current_data_key, seen_at) VALUES ($1, $2, $3, $4, now())
         ON CONFLICT (id) DO UPDATE SET current_data_key = excluded.current_data_key, seen_at = excluded.seen_at`,
        [id, name, kekFingerprints, currentDataKey],
      );
    },
    async leave(id) {
      await query(pool, 'DELETE FROM key_holders WHERE id = $1', [id]);
    },
  };
}

/** The running processes, by name. */
export async function manyKeyHolders(pool: Pool): Promise<readonly KeyHolder[]> {
  const { rows } = await query<HolderRow>(pool, `SELECT * FROM key_holders WHERE ${ALIVE} ORDER BY name, id`);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    kekFingerprints: row.kek_fingerprints,
    currentDataKey: row.current_data_key,
  }));
}
