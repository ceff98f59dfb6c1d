import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../core/secret.ts';
import type { ApiClient } from '../../core/stores.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createClientStore } from '../../db/client-store.ts';
import { createDataKeyStore } from '../../db/data-key-store.ts';
import { assertInstallation } from '../../db/installation.ts';
import { createIssuerKeyStore } from '../../db/issuer-key-store.ts';
import { createPool } from '../../db/pool.ts';
import { kekFingerprints } from '../../vault/kek.ts';
import { createVault } from '../../vault/vault.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { act, buildApp, NOW_MS } from './store-fixtures.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const buildKek = (kid: string, fill: number) => ({
  kid,
  key: new Secret(Buffer.alloc(32, fill).toString('base64url')),
});

describe('apps', () => {
  it('are added, changed and recognised as unchanged, and come back as they were declared', async () => {
    const apps = createAppStore(pool);
    const app = buildApp({
      app: 'apps-1',
      webhooks: [{ url: 'https://example.com/hook', events: ['connection.connected'] }],
    });
    expect(await apps.apply(app)).toBe('added');
    expect(await apps.apply(app)).toBe('unchanged');
    expect(await apps.maybeOne('apps-1')).toEqual(app);
    const changed = { ...app, landing: { ...app.landing, brand: 'Other' }, legacyClientId: 'old-key' };
    expect(await apps.apply(changed)).toBe('changed');
    expect(await apps.maybeOne('apps-1')).toEqual(changed);
    expect(await apps.many()).toContainEqual(changed);
    expect(await apps.maybeOne('nobody')).toBeNull();
  });

  it('keep their client id: a changed one is refused and changes nothing', async () => {
    const apps = createAppStore(pool);
    const app = buildApp({ app: 'apps-2' });
    await apps.apply(app);
    const change = apps.apply({ ...app, clientId: 'client-2', requiredScopes: [] });
    await expect(change).rejects.toMatchObject({ code: 'conflict', details: { app: 'apps-2' } });
    expect(await apps.maybeOne('apps-2')).toEqual(app);
  });

  it('are added once by processes that start together', async () => {
    const apps = createAppStore(pool);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => apps.apply(buildApp({ app: 'apps-3' }))));
    expect(outcomes.filter((outcome) => outcome === 'added')).toHaveLength(1);
  });

  it('have their secrets newest first, and the same secret once', async () => {
    const apps = createAppStore(pool);
    await apps.apply(buildApp({ app: 'apps-4' }));
    const add = (id: string, fingerprint: string, createdAtMs: number) =>
      apps.addSecret('apps-4', { id, sealed: `sealed-${id}`, fingerprint, createdAtMs });
    expect(await add('s1', 'f1', NOW_MS)).toBe('added');
    expect(await add('s2', 'f2', NOW_MS + 1)).toBe('added');
    expect(await add('s3', 'f1', NOW_MS + 2)).toBe('known');
    const unused = { lastWorkedAtMs: null, retiredAtMs: null };
    expect(await apps.secrets('apps-4')).toEqual([
      { id: 's2', sealed: 'sealed-s2', createdAtMs: NOW_MS + 1, ...unused },
      { id: 's1', sealed: 'sealed-s1', createdAtMs: NOW_MS, ...unused },
    ]);
    expect(await apps.secrets('nobody')).toEqual([]);
  });
});

describe('clients', () => {
  const buildClient = (overrides: Partial<ApiClient> = {}): ApiClient => ({
    id: randomUUID(),
    name: 'Expense service',
    scopes: ['tokens:read'],
    apps: ['demo'],
    principals: null,
    jwk: null,
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 1,
    revokedAtMs: null,
    ...overrides,
  });

  it.each<[string, Partial<ApiClient>]>([
    ['some apps', {}],
    ['all apps', { apps: '*' }],
    ['no app', { apps: [] }],
    [
      'some principals and a key of its own',
      { principals: [randomUUID()], jwk: { kty: 'OKP', crv: 'Ed25519', x: 'abc' } },
    ],
    ['no end', { expiresAtMs: null }],
  ])('with %s come back as they were made', async (_, overrides) => {
    const clients = createClientStore(pool);
    const client = buildClient(overrides);
    await clients.create(client, act);
    expect(await clients.maybeOne(client.id)).toEqual(client);
    expect(await clients.many()).toContainEqual(client);
  });

  it('are revoked once', async () => {
    const clients = createClientStore(pool);
    const client = buildClient();
    await clients.create(client, act);
    expect(await clients.revoke(client.id, NOW_MS + 5, act)).toBe(true);
    expect(await clients.revoke(client.id, NOW_MS + 6, act)).toBe(false);
    expect((await clients.maybeOne(client.id))?.revokedAtMs).toBe(NOW_MS + 5);
    expect(await clients.revoke(randomUUID(), NOW_MS, act)).toBe(false);
    expect(await clients.maybeOne(randomUUID())).toBeNull();
  });
});

describe('keys on file', () => {
  it('are one signing key however many processes make the first', async () => {
    const keys = createIssuerKeyStore(pool);
    await Promise.all(
      ['k1', 'k2', 'k3'].map((kid) =>
        keys.add({ kid, publicJwk: { kty: 'OKP', kid }, sealedPrivateJwk: `sealed-${kid}` }),
      ),
    );
    const found = await keys.many();
    expect(found).toHaveLength(1);
    const [key] = found;
    expect(key).toEqual({
      kid: key?.kid,
      publicJwk: { kty: 'OKP', kid: key?.kid },
      sealedPrivateJwk: `sealed-${key?.kid}`,
    });
  });

  it('are one data key of each purpose, and all processes that started together can read each other', async () => {
    const keks = [buildKek('k1', 3)];
    const vaults = await Promise.all(
      Array.from({ length: 5 }, () => createVault({ keks, dataKeys: createDataKeyStore(pool) })),
    );
    const stored = await createDataKeyStore(pool).many();
    expect(stored.map(({ purpose, current }) => `${purpose} ${current}`).sort()).toEqual([
      'fingerprint true',
      'seal true',
    ]);
    for (const vault of vaults) {
      vault.assertReady();
      const sealed = await vault.seal(new Secret('token'), 'place');
      for (const other of vaults) expect((await other.open(sealed, 'place')).reveal()).toBe('token');
    }
    const prints = await Promise.all(vaults.map((vault) => vault.fingerprint(new Secret('code'), 'codes')));
    expect(new Set(prints).size).toBe(1);
  });
});

describe('the installation', () => {
  it('is bound to the mode and the keys of its first process', async () => {
    const first = kekFingerprints([buildKek('k1', 1)]);
    const rotated = kekFingerprints([buildKek('k2', 2), buildKek('k1', 1)]);
    const foreign = kekFingerprints([buildKek('k1', 9)]);
    await assertInstallation(pool, { mode: 'production', kekFingerprints: first });
    await assertInstallation(pool, { mode: 'production', kekFingerprints: first });
    await assertInstallation(pool, { mode: 'production', kekFingerprints: rotated });
    const refused = { code: 'configuration-invalid' };
    await expect(assertInstallation(pool, { mode: 'development', kekFingerprints: first })).rejects.toMatchObject(
      refused,
    );
    await expect(assertInstallation(pool, { mode: 'production', kekFingerprints: foreign })).rejects.toMatchObject(
      refused,
    );
    await expect(assertInstallation(pool, { mode: 'production', kekFingerprints: [] })).rejects.toMatchObject(refused);
  });
});
