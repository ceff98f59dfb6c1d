import type { Pool } from 'pg';
import type { IdempotencyKey, IdempotencyStore, RecordedAnswer } from '../core/idempotency.ts';
import { timeOf } from './columns.ts';
import { query, type Statement, transact } from './query.ts';

interface KeyRow {
  readonly fingerprint: string;
  readonly session_id: string;
  readonly claimed_until: Date | null;
  readonly answer: RecordedAnswer | null;
}

/** Rows that a sweep deletes at a time, so that it never holds many locks. */
const BATCH = 1_000;

/** {@link IdempotencyStore} on PostgreSQL. Every method throws `database-unavailable` for an outage. */
export function createIdempotencyStore(pool: Pool): IdempotencyStore {
  return {
    claim: (claim) =>
      transact(pool, {}, async (send) => {
        const [added, taken, found] = await send(insertFresh(claim), takeOver(claim), read(claim));
        const row = (found?.rows as readonly KeyRow[] | undefined)?.[0];
        if (row === undefined) throw new Error('an idempotency key vanished while it was claimed');
        return { result: judge(row, claim, added?.rowCount === 1 || taken?.rowCount === 1), writes: [] };
      }),

    async finish(key, claimId, answer) {
      // Who was overtaken, because its lease ran out, keeps the other's answer: both worked on the same session.
      await query(
        pool,
        `UPDATE idempotency_keys SET answer = $5, claim_id = NULL, claimed_until = NULL
         WHERE ${isKey} AND claim_id = $4 AND answer IS NULL`,
        [...valuesOf(key), claimId, JSON.stringify(answer)],
      );
    },

    async release(key, claimId) {
      await query(
        pool,
        `UPDATE idempotency_keys SET claim_id = NULL, claimed_until = NULL WHERE ${isKey} AND claim_id = $4`,
        [...valuesOf(key), claimId],
      );
    },
  };
}

/** Deletes keys that have had their time, in small batches; how many. */
export async function sweepIdempotencyKeys(pool: Pool, nowMs: number): Promise<number> {
  for (let swept = 0; ; ) {
    const { rowCount } = await query(
      pool,
      `DELETE FROM idempotency_keys WHERE (app, client_id, key) IN (
         SELECT app, client_id, key FROM idempotency_keys WHERE expires_at <= $1 LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`,
      [timeOf(nowMs)],
    );
    swept += rowCount ?? 0;
    if ((rowCount ?? 0) < BATCH) return swept;
  }
}

type NewClaim = Parameters<IdempotencyStore['claim']>[0];

const isKey = 'app = $1 AND client_id = $2 AND key = $3';

function valuesOf({ app, clientId, key }: IdempotencyKey): readonly unknown[] {
  return [app, clientId, key];
}

/** Adds the key, or begins it anew where it has had its time. Locks the row in any case. */
function insertFresh(claim: NewClaim): Statement {
  return {
    text: `INSERT INTO idempotency_keys (app, client_id, key, fingerprint, session_id, claim_id, claimed_until, expires_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT (app, client_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,
        session_id = excluded.session_id, claim_id = excluded.claim_id, claimed_until = excluded.claimed_until,
        expires_at = excluded.expires_at, answer = NULL
      WHERE idempotency_keys.expires_at <= $9`,
    values: [
      ...valuesOf(claim),
      claim.fingerprint,
      claim.sessionId,
      claim.claimId,
      timeOf(claim.claimedUntilMs),
      timeOf(claim.expiresAtMs),
      timeOf(claim.nowMs),
    ],
  };
}

/** Takes up what nobody is at work on: it was released, or its process died. */
function takeOver(claim: NewClaim): Statement {
  return {
    text: `UPDATE idempotency_keys SET claim_id = $5, claimed_until = $6
      WHERE ${isKey} AND fingerprint = $4 AND answer IS NULL AND (claimed_until IS NULL OR claimed_until <= $7)`,
    values: [...valuesOf(claim), claim.fingerprint, claim.claimId, timeOf(claim.claimedUntilMs), timeOf(claim.nowMs)],
  };
}

function read(claim: NewClaim): Statement {
  return {
    text: `SELECT fingerprint, session_id, claimed_until, answer FROM idempotency_keys WHERE ${isKey}`,
    values: valuesOf(claim),
  };
}

function judge(row: KeyRow, claim: NewClaim, isMine: boolean): Awaited<ReturnType<IdempotencyStore['claim']>> {
  if (isMine) return { outcome: 'claimed', sessionId: row.session_id };
  if (row.fingerprint !== claim.fingerprint) return { outcome: 'other-request' };
  if (row.answer !== null) return { outcome: 'answered', answer: row.answer };
  return { outcome: 'running' };
}
