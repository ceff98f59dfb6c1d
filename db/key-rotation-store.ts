/**
 * What a rotation of keys reads and writes. The state of a rotation is in the data: which key is current, which replaced
 * ones are not empty yet, and the header of every sealed value; so it goes on wherever it was killed.
 */
import type { Pool } from 'pg';
import type { Act } from '../core/audit-entry.ts';
import { AppError } from '../core/errors.ts';
import type { KeyHolder } from '../core/key-holders.ts';
import type { StoredDataKey } from '../core/stores.ts';
import { writeAudit } from './audit-store.ts';
import { msOf } from './columns.ts';
import { mapConnectError } from './database-error.ts';
import { manyKeyHolders } from './key-holder-store.ts';
import { lockKey, query, transact } from './query.ts';

/** A data key with its dates, by the database's clock. */
export interface DataKeyFacts extends StoredDataKey {
  readonly createdAtMs: number;
  /** Since when another is current. */
  readonly replacedAtMs: number | null;
  /** When nothing was sealed under it any more; null for a replaced key while its rotation is not over. */
  readonly emptiedAtMs: number | null;
}

/** A data key under another key-encryption key than before. */
export interface Rewrapped {
  readonly kid: string;
  readonly kekKid: string;
  readonly wrapped: string;
  readonly wrappedBefore: string;
}

export interface KeyRotationStore {
  /** Oldest first. */
  manyKeys(): Promise<readonly DataKeyFacts[]>;
  /** Running processes. */
  manyHolders(): Promise<readonly KeyHolder[]>;
  /** Fingerprint of the key-encryption key that a process must have to start; null before the first start. */
  maybeKekFingerprint(): Promise<string | null>;
  /** Alone until `release`; null when another rotation is under way. A process that dies has released it. */
  maybeLock(): Promise<{ release(): void } | null>;
  /** Data keys and the installation's fingerprint change together. Throws `conflict` when a key was changed meanwhile. */
  rewrap(keys: readonly Rewrapped[], kekFingerprint: string, act: Act): Promise<void>;
  /** Makes this the key that new values are sealed under. Throws `conflict` when `before` is not current any more. */
  replaceCurrent(before: string, key: Omit<StoredDataKey, 'current'>, act: Act): Promise<void>;
  /** Nothing is sealed under these any more. */
  markEmptied(kids: readonly string[], act: Act): Promise<void>;
  /** False while it was replaced less than 30 days ago: values sealed under it may still be on their way. */
  remove(kid: string, act: Act): Promise<boolean>;
}

interface DataKeyRow {
  readonly kid: string;
  readonly purpose: StoredDataKey['purpose'];
  readonly kek_kid: string;
  readonly wrapped: string;
  readonly current: boolean;
  readonly created_at: Date;
  readonly replaced_at: Date | null;
  readonly emptied_at: Date | null;
}

export function createKeyRotationStore(pool: Pool): KeyRotationStore {
  return {
    async manyKeys() {
      const { rows } = await query<DataKeyRow>(pool, 'SELECT * FROM data_keys ORDER BY created_at, kid');
      return rows.map((row) => ({
        kid: row.kid,
        purpose: row.purpose,
        kekKid: row.kek_kid,
        wrapped: row.wrapped,
        current: row.current,
        createdAtMs: msOf(row.created_at),
        replacedAtMs: msOf(row.replaced_at),
        emptiedAtMs: msOf(row.emptied_at),
      }));
    },

    manyHolders: () => manyKeyHolders(pool),

    async maybeKekFingerprint() {
      const { rows } = await query<{ kek_fingerprint: string }>(pool, 'SELECT kek_fingerprint FROM installation');
      return rows[0]?.kek_fingerprint ?? null;
    },

    async maybeLock() {
      const client = await pool.connect().catch((error: unknown) => {
        throw mapConnectError(error, pool.options.connectionString);
      });
      const { rows } = await client.query<{ locked: boolean }>(
        `SELECT pg_try_advisory_lock(${lockKey('keys rotate')}) AS locked`,
      );
      // The lock goes with the session: closing it is the surest way to give it back.
      const release = (): void => client.release(true);
      if (rows[0]?.locked === true) return { release };
      release();
      return null;
    },

    rewrap: (keys, kekFingerprint, act) =>
      transact(pool, { locks: [lockKey('data-keys')] }, async (send) => {
        const updated = await send(
          ...keys.map(({ kid, kekKid, wrapped, wrappedBefore }) => ({
            text: 'UPDATE data_keys SET kek_kid = $2, wrapped = $3 WHERE kid = $1 AND wrapped = $4',
            values: [kid, kekKid, wrapped, wrappedBefore],
          })),
        );
        if (updated.some(({ rowCount }) => rowCount !== 1)) throw changedMeanwhile();
        const atMs = Date.now();
        const event = { type: 'keys.rewrapped', app: null, subject: keys[0]?.kekKid ?? null, atMs };
        return {
          result: undefined,
          writes: [
            { text: 'UPDATE installation SET kek_fingerprint = $1', values: [kekFingerprint] },
            writeAudit(act, {
              ...event,
              facts: { data_keys: keys.map(({ kid }) => kid), fingerprint: kekFingerprint },
            }),
          ],
        };
      }),

    replaceCurrent: (before, { kid, purpose, kekKid, wrapped }, act) =>
      transact(pool, { locks: [lockKey('data-keys')] }, async (send) => {
        const [replaced] = await send({
          text: `UPDATE data_keys SET current = false, replaced_at = now() WHERE kid = $1 AND purpose = $2 AND current`,
          values: [before, purpose],
        });
        if (replaced?.rowCount !== 1) throw changedMeanwhile();
        return {
          result: undefined,
          writes: [
            {
              text: 'INSERT INTO data_keys (kid, purpose, kek_kid, wrapped, current) VALUES ($1, $2, $3, $4, true)',
              values: [kid, purpose, kekKid, wrapped],
            },
            writeAudit(act, {
              type: 'keys.replaced',
              app: null,
              subject: kid,
              facts: { before },
              atMs: Date.now(),
            }),
          ],
        };
      }),

    markEmptied: (kids, act) =>
      transact(pool, {}, async () => ({
        result: undefined,
        writes: kids.flatMap((kid) => [
          {
            text: 'UPDATE data_keys SET emptied_at = now() WHERE kid = $1 AND replaced_at IS NOT NULL AND emptied_at IS NULL',
            values: [kid],
          },
          writeAudit(act, { type: 'keys.emptied', app: null, subject: kid, atMs: Date.now() }),
        ]),
      })),

    async remove(kid, act) {
      return transact(pool, {}, async (send) => {
        const [removed] = await send({ text: 'SELECT remove_data_key($1) AS gone', values: [kid] });
        const gone = removed?.rows[0]?.gone === true;
        const event = writeAudit(act, { type: 'keys.removed', app: null, subject: kid, atMs: Date.now() });
        return { result: gone, writes: gone ? [event] : [] };
      });
    },
  };
}

function changedMeanwhile(): AppError {
  return new AppError('conflict', 'The data keys were changed meanwhile; try again');
}
