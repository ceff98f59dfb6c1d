import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { CodeStore, StoredCode } from '../core/stores.ts';
import { writeAudit } from './audit-store.ts';
import { buildInsert, type Columns, msOf, timeOf } from './columns.ts';
import { query, transact } from './query.ts';

type NewCode = Parameters<CodeStore['create']>[0] & { readonly id: string };

interface CodeRow {
  readonly id: string;
  readonly label: string | null;
  readonly customer_ref: string | null;
  readonly principal: string | null;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly used_at: Date | null;
  readonly revoked_at: Date | null;
}

/** {@link CodeStore} on PostgreSQL: verification codes by their fingerprints. Lists are newest first. */
export function createCodeStore(pool: Pool): CodeStore {
  return {
    create(code) {
      const id = randomUUID();
      const { app, label, customerRef, principal, expiresAtMs, createdBy: actor, correlationId = null } = code;
      const event = { type: 'code.created', app, subject: id, atMs: code.createdAtMs };
      const facts = { label, customerRef, principal, expiresAt: timeOf(expiresAtMs) };
      return transact(pool, {}, async () => ({
        result: { id },
        writes: [
          buildInsert('verification_codes', codeColumns, { ...code, id }),
          writeAudit({ actor, reason: null, correlationId }, { ...event, facts }),
        ],
      }));
    },

    async many(app) {
      const { rows } = await query<CodeRow>(
        pool,
        `SELECT id, label, customer_ref, principal, created_at, expires_at, used_at, revoked_at
         FROM verification_codes WHERE app = $1 ORDER BY created_at DESC, id`,
        [app],
      );
      return rows.map(buildCode);
    },

    revoke: (app, id, atMs, act) =>
      transact(pool, {}, async (send) => {
        const [changed] = await send({
          text: `UPDATE verification_codes SET revoked_at = $3
            WHERE app = $1 AND id = $2 AND revoked_at IS NULL AND used_at IS NULL`,
          values: [app, id, timeOf(atMs)],
        });
        const result = changed?.rowCount === 1;
        const event = { type: 'code.revoked', app, subject: id, atMs };
        return { result, writes: result ? [writeAudit(act, event)] : [] };
      }),
  };
}

const codeColumns: Columns<NewCode> = {
  id: ({ id }) => id,
  app: ({ app }) => app,
  fingerprint: ({ fingerprint }) => fingerprint,
  label: ({ label }) => label,
  customer_ref: ({ customerRef }) => customerRef,
  principal: ({ principal }) => principal,
  created_by: ({ createdBy }) => createdBy,
  created_at: ({ createdAtMs }) => timeOf(createdAtMs),
  expires_at: ({ expiresAtMs }) => timeOf(expiresAtMs),
};

function buildCode(row: CodeRow): StoredCode {
  return {
    id: row.id,
    label: row.label,
    customerRef: row.customer_ref,
    principal: row.principal,
    createdAtMs: msOf(row.created_at),
    expiresAtMs: msOf(row.expires_at),
    usedAtMs: msOf(row.used_at),
    revokedAtMs: msOf(row.revoked_at),
  };
}
