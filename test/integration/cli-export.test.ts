import { randomBytes, randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportJWK, flattenedDecrypt, generateKeyPair, type CryptoKey, type FlattenedJWE } from 'jose';
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseImportFile } from '../../cli/import-file.ts';
import { createDataCentres, publishedDataCentres } from '../../concur/data-centres.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { Secret } from '../../core/secret.ts';
import type { Vault } from '../../core/ports.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createDataKeyStore } from '../../db/data-key-store.ts';
import { createPool } from '../../db/pool.ts';
import { createVault } from '../../vault/vault.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';
import { buildApp, buildFullConnection } from './store-fixtures.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const key = randomBytes(32).toString('base64url');

let database: TestDatabase;
let pool: Pool;
let vault: Vault;
let keeper: Record<string, string>;
let folder: string;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  vault = await createVault({ keks: [{ kid: 'k1', key: new Secret(key) }], dataKeys: createDataKeyStore(pool) });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evergrant-export-'));
  keeper = { DATABASE_URL: database.url, EVERGRANT_KEKS: `k1:${key}`, EVERGRANT_HOME: folder };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function addApp(): Promise<string> {
  const app = `app-${randomBytes(4).toString('hex')}`;
  await createAppStore(pool).apply(buildApp({ app }));
  return app;
}

async function addConnection(app: string, over: Parameters<typeof buildFullConnection>[1] = {}) {
  const connection = buildFullConnection(
    { app, principal: randomUUID() },
    { state: 'active', resumeState: null, reason: null, ...over },
  );
  const refreshToken = `refresh-${randomUUID()}`;
  const attemptId = `${randomUUID()}:1`;
  const sealed = await vault.seal(new Secret(refreshToken), sealContexts.refreshToken(connection.id, attemptId));
  await createConnectionStore(pool).transact(connection, () => ({
    result: null,
    changes: { connection, grant: { current: { sealed, attemptId, refused: false }, previous: null } },
  }));
  return { connection, refreshToken };
}

async function recipient(alg: string, options?: Parameters<typeof generateKeyPair>[1]) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  const file = join(folder, `${randomUUID()}.json`);
  await writeFile(file, JSON.stringify({ ...(await exportJWK(publicKey)), kid: 'new-home' }));
  return { file, privateKey };
}

async function read(file: string, privateKey: CryptoKey): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return await Promise.all(
    lines.map(async (line) => {
      const { plaintext, protectedHeader } = await flattenedDecrypt(JSON.parse(line) as FlattenedJWE, privateKey);
      expect(protectedHeader).toMatchObject({ enc: 'A256GCM', kid: 'new-home' });
      return JSON.parse(Buffer.from(plaintext).toString()) as Record<string, unknown>;
    }),
  );
}

describe('connections export', () => {
  it.each([
    ['RSA-OAEP-256', {}],
    ['ECDH-ES+A256KW', { crv: 'P-256' }],
    ['ECDH-ES+A256KW', { crv: 'X25519' }],
  ])(
    'gives every living connection to the holder of a private key (%s %o), and to nobody else',
    async (alg, options) => {
      const app = await addApp();
      const added = await Promise.all([addConnection(app), addConnection(app, { customerRef: 'c-2' })]);
      await addConnection(app, { state: 'revoked' });
      const { file: jwk, privateKey } = await recipient(alg, options);
      const file = join(folder, 'out.ndjson');
      const result = await evergrant(keeper, ['connections', 'export', app, file, '--recipient', jwk, '--json']);
      expect([result.code, result.err]).toEqual([0, '']);
      expect(result.json()).toEqual({ app, file, exported: 2, skipped: 1, failed: 0 });
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      const records = await read(file, privateKey);
      expect(
        records.map(({ principal_id, refresh_token, geolocation, customer_ref }) => ({
          principal_id,
          refresh_token,
          geolocation,
          customer_ref,
        })),
      ).toEqual(
        added
          .map(({ connection, refreshToken }) => ({
            principal_id: connection.principal,
            refresh_token: refreshToken,
            geolocation: connection.geolocation,
            customer_ref: connection.customerRef,
          }))
          .toSorted((one, other) => (one.principal_id < other.principal_id ? -1 : 1)),
      );
      const text = await readFile(file, 'utf8');
      for (const { refreshToken } of added) expect(text).not.toContain(refreshToken);
    },
  );

  it('puts each on record, with who and why, before it leaves', async () => {
    const app = await addApp();
    const { connection } = await addConnection(app);
    const { file: jwk } = await recipient('RSA-OAEP-256');
    const file = join(folder, 'out.ndjson');
    await evergrant(keeper, ['connections', 'export', app, file, '--recipient', jwk, '--reason', 'we move']);
    const { items } = await createConnectionStore(pool).events(connection, { limit: 10 });
    expect(items).toEqual([
      expect.objectContaining({ type: 'connection.exported', actor: 'cli:tester', reason: 'we move', stateTo: null }),
    ]);
  });

  it('goes through more connections than a page has', async () => {
    const app = await addApp();
    for (let n = 0; n < 3; n += 1) await Promise.all(Array.from({ length: 75 }, () => addConnection(app)));
    const { file: jwk, privateKey } = await recipient('RSA-OAEP-256');
    const file = join(folder, 'out.ndjson');
    await evergrant(keeper, ['connections', 'export', app, file, '--recipient', jwk]);
    expect(new Set((await read(file, privateKey)).map(({ principal_id: id }) => id)).size).toBe(225);
  });

  it('overwrites nothing unless it is told to, and follows nobody’s link', async () => {
    const app = await addApp();
    await addConnection(app);
    const { file: jwk, privateKey } = await recipient('RSA-OAEP-256');
    const file = join(folder, 'out.ndjson');
    await writeFile(file, 'mine');
    const args = ['connections', 'export', app, file, '--recipient', jwk];
    const refused = await evergrant(keeper, args);
    expect([refused.code, await readFile(file, 'utf8')]).toEqual([1, 'mine']);
    expect((await evergrant(keeper, [...args, '--force'])).code).toBe(0);
    expect(await read(file, privateKey)).toHaveLength(1);
    expect(
      (await evergrant(keeper, ['connections', 'export', app, join(folder, 'no', 'x'), '--recipient', jwk])).code,
    ).toBe(2);
  });

  it('is opened by the program in docs/migrating.md, into lines that an import takes', async () => {
    const app = await addApp();
    const { connection } = await addConnection(app, { geolocation: 'https://us2.api.concursolutions.com' });
    const { publicKey, privateKey } = await generateKeyPair('ECDH-ES+A256KW', { extractable: true, crv: 'P-256' });
    const [jwk, own, file] = ['jwk.json', 'own.json', 'out.ndjson'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(jwk, JSON.stringify(await exportJWK(publicKey)));
    await writeFile(own, JSON.stringify(await exportJWK(privateKey)));
    await evergrant(keeper, ['connections', 'export', app, file, '--recipient', jwk]);
    const docs = await readFile(join(root, 'docs/migrating.md'), 'utf8');
    const program = join(folder, 'open.mjs');
    await writeFile(program, /```js\n([\s\S]*?)```/.exec(docs)?.[1] ?? '');
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const { stdout } = spawnSync(process.execPath, [program, own], { input: await readFile(file), encoding: 'utf8' });
    const { rows, invalid } = parseImportFile(stdout, { app, dataCentres: createDataCentres(publishedDataCentres) });
    expect(invalid).toEqual([]);
    expect(rows.map(({ principal }) => principal)).toEqual([connection.principal]);
  });

  it('leaves a token out that does not open, says so, and ends with 1', async () => {
    const app = await addApp();
    const { connection } = await addConnection(app);
    await addConnection(app);
    await pool.query(`UPDATE connections SET current_token_attempt = 'other:1' WHERE id = $1`, [connection.id]);
    const { file: jwk, privateKey } = await recipient('RSA-OAEP-256');
    const file = join(folder, 'out.ndjson');
    const result = await evergrant(keeper, ['connections', 'export', app, file, '--recipient', jwk]);
    expect(result.code).toBe(1);
    expect(result.err).toContain(connection.principal);
    expect(await read(file, privateKey)).toHaveLength(1);
  });

  it('refuses a private key, a key for signatures, a weak one, and what is none', async () => {
    const app = await addApp();
    const file = join(folder, 'out.ndjson');
    const { privateKey } = await generateKeyPair('RSA-OAEP-256', { extractable: true });
    const { publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const rsa = await exportJWK((await generateKeyPair('RSA-OAEP-256', { extractable: true })).publicKey);
    const wrong = [
      [JSON.stringify(await exportJWK(privateKey)), 'private parts'],
      [JSON.stringify(await exportJWK(publicKey)), 'must be an RSA'],
      [JSON.stringify({ ...rsa, use: 'sig' }), 'not for encryption'],
      [JSON.stringify({ ...rsa, alg: 'RSA1_5' }), 'RSA1_5'],
      [JSON.stringify({ ...rsa, n: rsa.n?.slice(0, 170) }), '2048'],
      [JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }), 'no usable key'],
      ['no json', 'one JSON object'],
    ] as const;
    for (const [jwk, message] of wrong) {
      const { code, err } = await evergrant(keeper, ['connections', 'export', app, file, '--recipient', '-'], jwk);
      expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    }
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
