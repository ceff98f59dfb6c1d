/**
 * What a production build refuses to start with: everything that is wrong at once, whatever kind it is of, and the
 * database of another installation.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../core/secret.ts';
import { assertInstallation } from '../../db/installation.ts';
import { createPool } from '../../db/pool.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { kekFingerprints } from '../../vault/kek.ts';
import { compiledProgram } from '../rig/compiled-product.ts';
import { createTestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';

const EX_CONFIG = 78;
const SECRET = 'sUpErSeCrEt-value';
const programs = {
  api: ['api'],
  worker: ['worker'],
  'command line': ['cli', 'apps', 'list'],
  migration: ['cli', 'migrate'],
} as const;
type Program = keyof typeof programs;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evergrant-refusals-'));
  await compiledProgram('api');
}, 180_000);
afterAll(() => rm(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(program: Program, env: Readonly<Record<string, string>>): Promise<Ended> {
  const [name, ...args] = programs[program];
  const path = await compiledProgram(name);
  return await new Promise((resolve) => {
    const options = { cwd: folder, env: { PATH: process.env.PATH ?? '', ...env }, timeout: 60_000 };
    const child = execFile(process.execPath, [path, ...args], options, (_error, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
  });
}

/** Names of the lines that say what is wrong. */
function namedIn({ err }: Ended): readonly string[] {
  return [...err.matchAll(/^ {2}([A-Z_*]+(?:[[.][^:]*)?): /gm)].map(([, name]) => name ?? '');
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Wrong for every program. */
function wrongEnvironment(): Record<string, string> {
  return {
    LOG_LEVEL: 'loud',
    PORT: 'http',
    OPS_PORT: '70000',
    SERVE: 'everything',
    PUBLIC_URL: 'http://connect.example.com',
    TRUSTED_PROXIES: 'the-proxy',
    DATABASE_URL: `mysql://evergrant:${SECRET}@db/evergrant`,
    MIGRATION_DATABASE_URL_FILE: '/nonexistent/owner-url',
    EVERGRANT_KEKS: `k1:${SECRET}`,
    AUTH_ISSUERS: '[{"issuer":"http://idp.example.com","apps":"*","scopes":[],"algorithms":["HS256"]}]',
    AUDIT_RETENTION: '1d',
    CONCUR_BASE_URIS: '{"glz":"http://glz.example.com"}',
    TEMPORAL_ADDRESS: 'temporal',
    TEMPORAL_TLS_CLIENT_CERT_PATH: '/nonexistent/client.pem',
    TEMPORAL_TLS_CLIENT_KEY_PATH: '/nonexistent/client-key.pem',
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.pem', 'no certificate'),
    NODE_EXTRA_CA_CERTS: '/nonexistent/company-ca.pem',
    HTTPS_PROXY: 'proxy',
  };
}

/** Four apps, each wrong in another way. */
function wrongApps(): string {
  const landing = {
    mode: 'verification-code',
    brand: 'Demo',
    privacyUrl: 'https://example.com/privacy',
    supportUrl: 'https://example.com/support',
  };
  const app = { app: 'demo', clientId: 'c', clientSecretEnv: 'DEMO_SECRET', landing };
  return file(
    'wrong-apps.json',
    JSON.stringify([
      { ...app, clientSecretEnv: undefined, clientSecret: SECRET },
      { ...app, app: 'No Name', clientSecretEnv: 'NOWHERE' },
      { ...app, app: 'third', landing: { ...landing, mode: 'confirm', privacyUrl: undefined } },
      { ...app, app: 'fourth', clientSecretEnv: undefined, clientSecretFile: 'missing-secret' },
    ]),
  );
}

describe('a production build with everything wrong at once', () => {
  const everywhere = [
    'AUDIT_RETENTION',
    'AUTH_ISSUERS[0].algorithms[0]',
    'AUTH_ISSUERS[0].audience',
    'AUTH_ISSUERS[0].issuer',
    'CONCUR_BASE_URIS.glz',
    'DATABASE_URL',
    'EVERGRANT_KEKS',
    'HTTPS_PROXY',
    'LOG_LEVEL',
    'MIGRATION_DATABASE_URL_FILE',
    'NODE_EXTRA_CA_CERTS',
    'OPS_PORT',
    'PORT',
    'PUBLIC_URL',
    'SERVE',
    'TEMPORAL_ADDRESS',
    'TEMPORAL_TLS_CLIENT_CERT_PATH',
    'TEMPORAL_TLS_CLIENT_KEY_PATH',
    'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
    'TRUSTED_PROXIES',
  ];
  const ofTheApps = [
    'APPS_FILE[0].clientSecret',
    'APPS_FILE[1].app',
    'APPS_FILE[1].clientSecretEnv',
    'APPS_FILE[2].landing.mode',
    'APPS_FILE[2].landing.privacyUrl',
    'APPS_FILE[3].clientSecretFile',
  ];

  it.each<[Program, readonly string[]]>([
    ['api', ofTheApps],
    ['worker', []],
    ['command line', []],
    ['migration', []],
  ])('names all of it in one message and ends the %s with 78', async (program, more) => {
    const ended = await run(program, { ...wrongEnvironment(), APPS_FILE: wrongApps(), DEMO_SECRET: SECRET });
    expect(ended.code).toBe(EX_CONFIG);
    const normal = namedIn(ended).map((name) => name.replaceAll(/\.(\d+)/g, '[$1]'));
    expect([...new Set(normal)].toSorted()).toEqual([...everywhere, ...more].toSorted());
    // One message, no stack, and no secret even where it is what is wrong.
    expect(ended.err.match(/The configuration is wrong/g)).toHaveLength(1);
    expect(ended.err).not.toMatch(/^\s+at /m);
    expect(ended.out + ended.err).not.toContain(SECRET);
  });

  it.each<Program>(['api', 'worker', 'command line', 'migration'])(
    'names what the %s lacks together with what is wrong',
    async (program) => {
      const ended = await run(program, { LOG_LEVEL: 'loud' });
      expect(ended.code).toBe(EX_CONFIG);
      const lacking = program === 'migration' ? 'MIGRATION_DATABASE_URL' : 'DATABASE_URL';
      expect(namedIn(ended)).toEqual(expect.arrayContaining(['LOG_LEVEL', lacking]));
    },
  );

  it('takes half a pair of certificate and key for a mistake, and one port for both kinds of readers', async () => {
    const ended = await run('api', {
      PORT: '8080',
      OPS_PORT: '8080',
      TEMPORAL_TLS_CLIENT_CERT_PATH: file('client.pem', '-----BEGIN CERTIFICATE-----\n'),
    });
    expect(ended.code).toBe(EX_CONFIG);
    expect(namedIn(ended)).toEqual(expect.arrayContaining(['OPS_PORT', 'TEMPORAL_TLS_CLIENT_KEY_PATH']));
  });
});

describe("another installation's database", () => {
  const kek = () => randomBytes(32).toString('base64url');

  async function environment(databaseUrl: string, key: string, mode: string): Promise<Record<string, string>> {
    const [port, opsPort] = await Promise.all([freePort(), freePort()]);
    return {
      EVERGRANT_MODE: mode,
      EVERGRANT_KEKS: `k1:${key}`,
      // The owner's would do as well: it is the database that is wrong.
      DATABASE_URL: databaseUrl,
      PUBLIC_URL: 'https://connect.example.com',
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      PORT: String(port),
      OPS_PORT: String(opsPort),
      EVERGRANT_HOME: join(folder, 'no-home'),
    };
  }

  it.each([
    ['production', 'development'],
    ['development', 'production'],
  ] as const)('in mode %s is refused by every program in mode %s', async (installed, mode) => {
    const database = await createTestDatabase();
    const pool = createPool({ url: database.url, log: silentLog });
    const [own, foreign] = [kek(), kek()];
    const fingerprints = kekFingerprints([{ kid: 'k1', key: new Secret(own) }]);
    await assertInstallation(pool, { mode: installed, kekFingerprints: fingerprints });
    await pool.end();
    const ended = await Promise.all(
      (['api', 'worker', 'command line'] as const).map(async (program) =>
        run(program, await environment(database.url, foreign, mode)),
      ),
    );
    for (const { code, err } of ended) {
      expect(code).toBe(EX_CONFIG);
      expect(err).toContain(`EVERGRANT_MODE: this database belongs to an installation in mode ${installed}`);
      expect(err).toContain('EVERGRANT_KEKS: the key that this database was set up with is not among');
      for (const key of [own, foreign]) expect(err).not.toContain(key);
    }
    const migration = await run('migration', {
      ...(await environment(database.url, foreign, mode)),
      MIGRATION_DATABASE_URL: database.ownerUrl,
    });
    expect(migration.code).toBe(EX_CONFIG);
    expect(migration.err).toContain(`EVERGRANT_MODE: this database belongs to an installation in mode ${installed}`);
    await database.drop();
  });

  it('opens to the command line that has its mode, with its keys or none', async () => {
    const database = await createTestDatabase();
    const pool = createPool({ url: database.url, log: silentLog });
    const own = kek();
    const fingerprints = kekFingerprints([{ kid: 'k1', key: new Secret(own) }]);
    await assertInstallation(pool, { mode: 'production', kekFingerprints: fingerprints });
    await pool.end();
    const env = await environment(database.url, own, 'production');
    expect((await run('command line', env)).code).toBe(0);
    expect((await run('command line', { ...env, EVERGRANT_KEKS: '' })).code).toBe(0);
    expect((await run('migration', { ...env, MIGRATION_DATABASE_URL: database.ownerUrl })).code).toBe(0);
    await database.drop();
  });
});
