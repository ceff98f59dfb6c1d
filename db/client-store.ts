import type { Pool } from 'pg';
import type { ApiClient, ClientStore } from '../core/stores.ts';
import { writeAudit } from './audit-store.ts';
import { buildInsert, type Columns, msOf, timeOf } from './columns.ts';
import { notifyStatement } from './notice-channel.ts';
import { query, transact } from './query.ts';

interface ClientRow {
  readonly id: string;
  readonly name: string;
  readonly scopes: string[];
  readonly all_apps: boolean;
  readonly apps: string[];
  readonly principals: string[] | null;
  readonly jwk: ApiClient['jwk'];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
}

/** {@link ClientStore} on PostgreSQL. Every change is announced, so that a revocation acts within seconds. */
export function createClientStore(pool: Pool): ClientStore {
  return {
    create: (client, act) =>
      transact(pool, {}, async () => ({
        result: undefined,
        writes: [
          buildInsert('clients', clientColumns, client),
          writeAudit(act, {
            ...eventOf(client),
            type: 'client.created',
            atMs: client.createdAtMs,
            facts: factsOf(client),
          }),
          notifyStatement({ kind: 'client', id: client.id }),
        ],
      })),

    async maybeOne(id) {
      const { rows } = await query<ClientRow>(pool, 'SELECT * FROM clients WHERE id = $1', [id]);
      return rows[0] === undefined ? null : buildClient(rows[0]);
    },

    async many() {
      const { rows } = await query<ClientRow>(pool, 'SELECT * FROM clients ORDER BY created_at DESC, id');
      return rows.map(buildClient);
    },

    revoke: (id, atMs, act) =>
      transact(pool, {}, async (send) => {
        const [changed] = await send({
          text: 'UPDATE clients SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING *',
          values: [id, timeOf(atMs)],
        });
        const row: ClientRow | undefined = changed?.rows[0];
        if (row === undefined) return { result: false, writes: [] };
        const event = { ...eventOf(buildClient(row)), type: 'client.revoked', atMs, facts: { name: row.name } };
        return { result: true, writes: [writeAudit(act, event), notifyStatement({ kind: 'client', id })] };
      }),
  };
}

/** A client of several apps is told of under none of them. */
function eventOf({ id, apps }: ApiClient) {
  const [app = null, ...others] = apps === '*' ? [] : apps;
  return { subject: id, app: others.length === 0 ? app : null };
}

function factsOf({ name, scopes, apps, principals, jwk, expiresAtMs }: ApiClient) {
  return { name, scopes, apps, principals, kind: jwk === null ? 'token' : 'jwk', expiresAt: timeOf(expiresAtMs) };
}

const clientColumns: Columns<ApiClient> = {
  id: ({ id }) => id,
  name: ({ name }) => name,
  scopes: ({ scopes }) => scopes,
  all_apps: ({ apps }) => apps === '*',
  apps: ({ apps }) => (apps === '*' ? [] : apps),
  principals: ({ principals }) => principals,
  jwk: ({ jwk }) => (jwk === null ? null : JSON.stringify(jwk)),
  created_at: ({ createdAtMs }) => timeOf(createdAtMs),
  expires_at: ({ expiresAtMs }) => timeOf(expiresAtMs),
  revoked_at: ({ revokedAtMs }) => timeOf(revokedAtMs),
};

function buildClient(row: ClientRow): ApiClient {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    apps: row.all_apps ? '*' : row.apps,
    principals: row.principals,
    jwk: row.jwk,
    createdAtMs: msOf(row.created_at),
    expiresAtMs: msOf(row.expires_at),
    revokedAtMs: msOf(row.revoked_at),
  };
}
