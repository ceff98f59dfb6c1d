import type { Pool } from 'pg';
import type { IssuerKeyStore } from '../core/stores.ts';
import { lockKey, query, transact } from './query.ts';

interface IssuerKeyRow {
  readonly kid: string;
  readonly public_jwk: Readonly<Record<string, unknown>>;
  readonly sealed_private_jwk: string;
}

/** {@link IssuerKeyStore} on PostgreSQL: oldest first. */
export function createIssuerKeyStore(pool: Pool): IssuerKeyStore {
  return {
    async many() {
      const { rows } = await query<IssuerKeyRow>(pool, 'SELECT * FROM issuer_keys ORDER BY created_at, kid');
      return rows.map((row) => ({
        kid: row.kid,
        publicJwk: row.public_jwk,
        sealedPrivateJwk: row.sealed_private_jwk,
      }));
    },

    add: ({ kid, publicJwk, sealedPrivateJwk }) =>
      transact(pool, { locks: [lockKey('issuer-keys')] }, async () => ({
        result: undefined,
        writes: [
          {
            text: `INSERT INTO issuer_keys (kid, public_jwk, sealed_private_jwk)
              SELECT $1, $2::jsonb, $3 WHERE NOT EXISTS (SELECT FROM issuer_keys)`,
            values: [kid, JSON.stringify(publicJwk), sealedPrivateJwk],
          },
        ],
      })),
  };
}
