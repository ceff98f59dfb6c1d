/** A database with two values in every column that holds sealed ones, and a rotation of its keys in this process. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Kek } from '../../core/kek.ts';
import { Secret } from '../../core/secret.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createDataKeyStore } from '../../db/data-key-store.ts';
import { assertInstallation } from '../../db/installation.ts';
import { createKeyHolderStore } from '../../db/key-holder-store.ts';
import { createKeyRotationStore } from '../../db/key-rotation-store.ts';
import { createPool } from '../../db/pool.ts';
import { createSealedCellStore } from '../../db/sealed-cells.ts';
import { type SealedColumn, sealedColumns } from '../../db/sealed-columns.ts';
import { type Rotation, type RotationParts, rotateKeys } from '../../cli/rotate-keys.ts';
import { systemClock } from '../../runtime/clock.ts';
import { kekFingerprints } from '../../vault/kek.ts';
import { createVault } from '../../vault/vault.ts';
import { createTestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { act, buildApp, buildKey, buildNewConnection } from './store-fixtures.ts';

export type KeyRig = Awaited<ReturnType<typeof createKeyRig>>;

export function makeKek(kid: string): Kek {
  return { kid, key: new Secret(randomBytes(32).toString('base64url')) };
}

/** What a cell holds, by `table.column` and primary key. */
const plaintextOf = ({ table, column }: SealedColumn, key: string): string => `${table}.${column} of ${key}`;

export async function createKeyRig() {
  const database = await createTestDatabase();
  const pool = createPool({ url: database.url, log: silentLog });
  const kek = makeKek('k1');
  const installation = { mode: 'production', kekFingerprints: kekFingerprints([kek]) } as const;
  await assertInstallation(pool, installation);
  const openVault = (keks: readonly Kek[] = [kek]) => createVault({ keks, dataKeys: createDataKeyStore(pool) });
  const vault = await openVault();
  const rotation = createKeyRotationStore(pool);
  const cells = createSealedCellStore(pool);

  await createAppStore(pool).apply(buildApp());
  for (const row of ['one', 'two']) await addRows(row);

  /** A row of every table; every sealed column is empty first and filled by `fill`. */
  async function addRows(name: string): Promise<void> {
    const connection = { ...buildNewConnection(buildKey()), id: `connection-${name}` };
    await createConnectionStore(pool).transact(connection, () => ({ result: null, changes: { connection } }));
    const attempt = `attempt-${name}`;
    const nothing = 'to be filled';
    const run = (text: string, values: readonly unknown[]) => pool.query(text, [...values]);
    await run(
      `UPDATE connections SET current_token = $2, current_token_attempt = $3, current_token_refused = false,
        previous_token = $2, previous_token_attempt = $4, previous_token_refused = false WHERE id = $1`,
      [connection.id, nothing, `${attempt}-current`, `${attempt}-previous`],
    );
    await run(
      `INSERT INTO access_tokens (connection_id, sealed, attempt_id, token_type, expires_at)
        VALUES ($1, $2, $3, 'Bearer', now() + interval '1 hour')`,
      [connection.id, nothing, attempt],
    );
    await run(
      `INSERT INTO refresh_attempts (id, connection_id, kind, status, version_read, started_at, horizon_at, answer,
        candidate, candidate_attempt, candidate_refused)
        VALUES ($1, $2, 'refresh', 'received', 0, now(), now(), $3, $3, $4, false)`,
      [attempt, connection.id, nothing, `${attempt}-candidate`],
    );
    await run(
      `INSERT INTO connect_sessions (id, app, kind, status, request_token, answer, answer_sent_at, next_try_at,
        created_at, last_seen_at, expires_at)
        VALUES ($1, 'demo', 'password', 'completed', $2, $2, now(), now(), now(), now(), now() + interval '1 day')`,
      [`session-${name}`, nothing],
    );
    await run(`INSERT INTO app_secrets (id, app, sealed, fingerprint, created_at) VALUES ($1, 'demo', $2, $1, now())`, [
      `secret-${name}`,
      nothing,
    ]);
    await run(`INSERT INTO webhook_secrets (id, app, sealed, created_at) VALUES ($1, 'demo', $2, now())`, [
      `webhook-secret-${name}`,
      nothing,
    ]);
    await run(`INSERT INTO issuer_keys (kid, public_jwk, sealed_private_jwk) VALUES ($1, '{}', $2)`, [
      `issuer-${name}`,
      nothing,
    ]);
    for (const column of sealedColumns) await fill(column);
  }

  /** Seals what is not sealed yet. */
  async function fill(column: SealedColumn): Promise<void> {
    for (const { key, sealed, context } of await all(column)) {
      if (sealed.includes('.')) continue;
      await put(column, key, await vault.seal(new Secret(plaintextOf(column, key)), context));
    }
  }

  function all(column: SealedColumn) {
    return cells.manyOthers(column, { header: '', cursor: '', limit: 1000 });
  }

  async function put({ table, key: keyColumn, column }: SealedColumn, key: string, sealed: string): Promise<void> {
    await pool.query(`UPDATE ${table} SET ${column} = $2 WHERE ${keyColumn} = $1`, [key, sealed]);
  }

  return {
    database,
    pool,
    kek,
    vault,
    rotation,
    cells,
    all,
    put,
    plaintextOf,
    openVault,
    holders: createKeyHolderStore(pool),
    environment: {
      DATABASE_URL: database.url,
      EVERGRANT_MODE: 'production',
      EVERGRANT_KEKS: `${kek.kid}:${kek.key.reveal()}`,
      EVERGRANT_HOME: '/nonexistent',
      PUBLIC_URL: 'https://connect.example.com',
      TEMPORAL_ADDRESS: '127.0.0.1:1',
    },

    /** With what a test replaces. */
    async rotate(
      over: Partial<RotationParts> = {},
      options: Parameters<typeof rotateKeys>[1] = { keksOnly: false },
    ): Promise<Rotation> {
      const keks = over.keks ?? [kek];
      const parts: RotationParts = {
        clock: systemClock,
        act,
        vault: await openVault(keks),
        keks,
        rotation,
        cells,
        onProgress: () => undefined,
        patienceMs: 0,
        ...over,
      };
      return rotateKeys(parts, options);
    },

    /** Opens every value in its place; the data keys that they are sealed under. */
    async openAll(keks: readonly Kek[] = [kek]): Promise<ReadonlySet<string>> {
      const opener = await openVault(keks);
      const headers = new Set<string>();
      for (const column of sealedColumns) {
        for (const { key, sealed, context } of await all(column)) {
          const opened = await opener.open(sealed, context);
          if (opened.reveal() !== plaintextOf(column, key)) throw new Error(`${plaintextOf(column, key)} has changed`);
          headers.add(JSON.parse(Buffer.from(sealed.split('.')[0] ?? '', 'base64url').toString()).kid);
        }
      }
      return headers;
    },

    /** Of a process that runs somewhere. */
    buildHolder: (over: { readonly keks?: readonly Kek[]; readonly currentDataKey?: string } = {}) => ({
      id: randomUUID(),
      name: 'api on somewhere, process 1',
      kekFingerprints: kekFingerprints(over.keks ?? [kek]),
      currentDataKey: over.currentDataKey ?? vault.currentKid(),
    }),

    async close(): Promise<void> {
      await pool.end();
      await database.drop();
    },
  };
}
