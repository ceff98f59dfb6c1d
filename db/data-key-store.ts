import type { Pool } from 'pg';
import type { DataKeyStore, StoredDataKey } from '../core/stores.ts';
import { query } from './query.ts';

interface DataKeyRow {
  readonly kid: string;
  readonly purpose: StoredDataKey['purpose'];
  readonly kek_kid: string;
  readonly wrapped: string;
  readonly current: boolean;
}

/** {@link DataKeyStore} on PostgreSQL. */
export function createDataKeyStore(pool: Pool): DataKeyStore {
  return {
    async many() {
      const { rows } = await query<DataKeyRow>(pool, 'SELECT * FROM data_keys ORDER BY created_at, kid');
      return rows.map(({ kid, purpose, kek_kid: kekKid, wrapped, current }) => ({
        kid,
        purpose,
        kekKid,
        wrapped,
        current,
      }));
    },

    async addFirst({ kid, purpose, kekKid, wrapped }) {
      await query(
        pool,
        `INSERT INTO data_keys (kid, purpose, kek_kid, wrapped, current) VALUES ($1, $2, $3, $4, true)
         ON CONFLICT (purpose) WHERE current DO NOTHING`,
        [kid, purpose, kekKid, wrapped],
      );
    },
  };
}
