/** The environment. Longer than 300 lines: each variable with what is taken and what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishedDataCentres } from '../../concur/data-centres.ts';
import { isAppError } from '../../core/errors.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { loadConfig, parseConfig, parseSettings, refreshPolicyOf } from '../../runtime/config.ts';
import type { Role } from '../../runtime/settings.ts';

const key = Buffer.alloc(32, 7).toString('base64url');
const otherKey = Buffer.alloc(32, 8).toString('base64url');

const production = {
  DATABASE_URL: 'postgres://app:hush@db:5432/evergrant',
  TEMPORAL_ADDRESS: 'temporal:7233',
  EVERGRANT_KEKS: `k1:${key}`,
  PUBLIC_URL: 'https://connect.partner.example',
  OPS_PORT: '9464',
};
const development = { ...production, EVERGRANT_MODE: 'development', PUBLIC_URL: undefined, OPS_PORT: undefined };

/** What is wrong, as `name: message` lines; empty when nothing is. */
function problemsOf(variables: Record<string, string | undefined>, role: Role = 'api'): readonly string[] {
  try {
    parseConfig(variables, role);
    return [];
  } catch (error) {
    if (!isAppError(error, 'configuration-invalid')) throw error;
    return error.message.split('\n').slice(1);
  }
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'evergrant-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('the configuration', () => {
  it('has the documented defaults', () => {
    const config = parseConfig(production, 'api');
    expect(config).toMatchObject({
      mode: 'production',
      host: '127.0.0.1',
      port: 8_080,
      serve: ['connect', 'partner', 'ops'],
      opsPort: 9_464,
      workerPort: null,
      publicUrl: 'https://connect.partner.example',
      trustedProxies: [],
      databaseUrl: production.DATABASE_URL,
      migrationDatabaseUrl: null,
      temporalUiPort: 8_233,
      home: resolve('.evergrant'),
      dataCentres: publishedDataCentres,
      sandboxHosts: [],
      httpsProxy: null,
      noProxy: null,
      concurTimeoutMs: 75_000,
      concurRatePerDataCentre: 20,
      apps: null,
      authIssuers: [{ kind: 'local' }],
      massDeathLimit: { count: 5, share: 0.01 },
      requestTokenTtlMs: 24 * 3_600_000,
      auditRetentionMs: 400 * 24 * 3_600_000,
      logLevel: 'info',
    });
    expect(config.temporal).toMatchObject({
      address: 'temporal:7233',
      namespace: 'default',
      taskQueue: 'evergrant',
      connection: { address: 'temporal:7233' },
      deployment: null,
      holdsPatches: false,
    });
    expect(Object.keys(config.legacyBaseUris)).toEqual(['www', 'eu1', 'implementation', 'eu1imp']);
    expect(refreshPolicyOf(config)).toEqual(defaultRefreshPolicy);
  });

  it('reads every variable', () => {
    const config = parseConfig(
      {
        ...development,
        PORT: '0',
        HOST: '0.0.0.0',
        SERVE: 'partner, ops',
        OPS_PORT: '9000',
        WORKER_PORT: '9465',
        PUBLIC_URL: 'http://localhost:3000/',
        TRUSTED_PROXIES: '10.0.0.0/8, ::1',
        MIGRATION_DATABASE_URL: 'postgresql://owner@db/evergrant',
        TEMPORAL_NAMESPACE: 'concur',
        TEMPORAL_TASK_QUEUE: 'grants',
        TEMPORAL_DEPLOYMENT_NAME: 'production/evergrant',
        TEMPORAL_WORKER_BUILD_ID: '1.2.0-ab12',
        WORKFLOW_PATCHES: 'held',
        TEMPORAL_UI_PORT: '8000',
        EVERGRANT_HOME: '/var/lib/evergrant',
        SANDBOX_HOSTS: 'sandbox',
        CONCUR_BASE_URIS: '{"glz":"http://sandbox:9400/glz","us2":"http://127.0.0.1:9400/us2/"}',
        CONCUR_LEGACY_BASE_URIS: '{"www":"http://localhost:9400/www"}',
        HTTPS_PROXY: 'http://proxy:3128',
        NO_PROXY: 'localhost',
        CONCUR_TIMEOUT: '5s',
        CONCUR_RATE_PER_DATACENTER: '0.5',
        EVERGRANT_KEKS: `k2:${otherKey}, k1:${key}`,
        ACCESS_TOKEN_MARGIN: '1m',
        REFRESH_AHEAD: '4m',
        WARM_WINDOW: '1h',
        KEEP_ALIVE_EVERY: '20d',
        JITTER: '0.1',
        RETRY_SLOW_EVERY: '1m',
        SUSPENDED_RETRY_EVERY: '1h',
        APP_PROBE_EVERY: '30s',
        MASS_DEATH_LIMIT: '10,0.05',
        REQUEST_TOKEN_TTL: '12h',
        AUDIT_RETENTION: '30d',
        LOG_LEVEL: 'debug',
      },
      'api',
    );
    expect(config).toMatchObject({
      mode: 'development',
      port: 0,
      host: '0.0.0.0',
      serve: ['partner', 'ops'],
      opsPort: 9_000,
      workerPort: 9_465,
      publicUrl: 'http://localhost:3000',
      trustedProxies: ['10.0.0.0/8', '::1'],
      migrationDatabaseUrl: 'postgresql://owner@db/evergrant',
      temporalUiPort: 8_000,
      home: '/var/lib/evergrant',
      sandboxHosts: ['sandbox'],
      dataCentres: { glz: 'http://sandbox:9400/glz', us2: 'http://127.0.0.1:9400/us2/' },
      legacyBaseUris: { www: 'http://localhost:9400/www' },
      httpsProxy: 'http://proxy:3128',
      noProxy: 'localhost',
      concurRatePerDataCentre: 0.5,
      massDeathLimit: { count: 10, share: 0.05 },
      requestTokenTtlMs: 12 * 3_600_000,
      auditRetentionMs: 30 * 24 * 3_600_000,
      logLevel: 'debug',
    });
    expect(config.temporal).toMatchObject({
      namespace: 'concur',
      taskQueue: 'grants',
      deployment: { deploymentName: 'production/evergrant', buildId: '1.2.0-ab12' },
      holdsPatches: true,
    });
    expect(config.keks.map(({ kid, key: secret }) => [kid, secret.reveal()])).toEqual([
      ['k2', otherKey],
      ['k1', key],
    ]);
    expect(refreshPolicyOf(config)).toEqual({
      accessTokenMarginMs: 60_000,
      refreshAheadMs: 240_000,
      warmWindowMs: 3_600_000,
      keepAliveEveryMs: 20 * 24 * 3_600_000,
      jitter: 0.1,
      retrySlowEveryMs: 60_000,
      suspendedRetryEveryMs: 3_600_000,
      appProbeEveryMs: 30_000,
      concurTimeoutMs: 5_000,
      massDeathLimit: { count: 10, share: 0.05 },
    });
  });

  it('takes an empty variable for one that is not set', () => {
    expect(parseConfig({ ...production, PORT: '', LOG_LEVEL: ' ', HTTPS_PROXY: '' }, 'api')).toMatchObject({
      port: 8_080,
      logLevel: 'info',
      httpsProxy: null,
    });
  });

  it('lets the address that browsers see follow the port in development', () => {
    expect(parseConfig({ ...development, PORT: '8181' }, 'api').publicUrl).toBe('http://localhost:8181');
  });
});

describe('what is wrong', () => {
  it('is said in one error, every value by its name', () => {
    const wrong = {
      EVERGRANT_MODE: 'test',
      PORT: '80800',
      HOST: 'not a host',
      SERVE: 'connect,everything',
      OPS_PORT: '-1',
      WORKER_PORT: 'x',
      PUBLIC_URL: 'connect.partner.example',
      TRUSTED_PROXIES: '10.0.0.0/33',
      DATABASE_URL: 'mysql://app:hush@db/evergrant',
      MIGRATION_DATABASE_URL: 'hush',
      TEMPORAL_ADDRESS: 'temporal',
      TEMPORAL_NAMESPACE: 'a b',
      TEMPORAL_TASK_QUEUE: '?',
      TEMPORAL_UI_PORT: '1.5',
      SANDBOX_HOSTS: 'http://sandbox',
      CONCUR_BASE_URIS: '{"us2":',
      CONCUR_LEGACY_BASE_URIS: '[]',
      HTTPS_PROXY: 'proxy',
      CONCUR_TIMEOUT: '75',
      CONCUR_RATE_PER_DATACENTER: '0',
      APPS_FILE: '/does/not/exist.json',
      EVERGRANT_KEKS: `k1:${key.slice(1)}`,
      AUTH_ISSUERS: '"local"',
      ACCESS_TOKEN_MARGIN: 'short',
      REFRESH_AHEAD: '-1s',
      WARM_WINDOW: '2 hours',
      KEEP_ALIVE_EVERY: '200d',
      JITTER: '0.9',
      RETRY_SLOW_EVERY: '0s',
      SUSPENDED_RETRY_EVERY: '1y',
      APP_PROBE_EVERY: 'P1D',
      MASS_DEATH_LIMIT: '5',
      REQUEST_TOKEN_TTL: '24',
      AUDIT_RETENTION: '1h',
      LOG_LEVEL: 'loud',
    };
    const problems = problemsOf(wrong);
    const named = problems.map((line) => line.trim().split(':')[0]);
    expect(named.toSorted()).toEqual(Object.keys(wrong).toSorted());
    for (const problem of problems) expect(problem).toMatch(/must be|names a file/);
    expect(problems.join('\n')).not.toMatch(new RegExp(`hush|${key.slice(1)}`));
    expect(problems.join('\n')).toContain(
      'CONCUR_TIMEOUT: must be a duration such as 75s, from 100ms to 5m (it is "75")',
    );
  });

  it('comes with the names as details, so that a program can tell too', () => {
    expect(() => parseConfig({ ...production, PORT: 'x', LOG_LEVEL: 'y' }, 'api')).toThrow(
      expect.objectContaining({ code: 'configuration-invalid', details: { variables: ['PORT', 'LOG_LEVEL'] } }),
    );
  });

  it.each([
    ['api', ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'EVERGRANT_KEKS', 'PUBLIC_URL', 'OPS_PORT']],
    ['worker', ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'EVERGRANT_KEKS']],
    ['cli', ['DATABASE_URL']],
    ['migrate', ['MIGRATION_DATABASE_URL']],
  ] as const)('is also what is missing: the %s in production needs %j', (role, names) => {
    expect(problemsOf({}, role).map((line) => line.trim().split(':')[0])).toEqual(names);
  });

  it.each([
    ['TEMPORAL_DEPLOYMENT_NAME', 'TEMPORAL_WORKER_BUILD_ID', '1.2.0'],
    ['TEMPORAL_WORKER_BUILD_ID', 'TEMPORAL_DEPLOYMENT_NAME', 'evergrant'],
  ])('includes a %s that is missing beside its %s', (missing, other, value) => {
    expect(problemsOf({ ...production, [other]: value }, 'worker')).toEqual([
      `  ${missing}: must be set, as ${other} is`,
    ]);
  });

  it('is not said twice about a variable that is there but wrong', () => {
    expect(problemsOf({ ...production, DATABASE_URL: 'x', EVERGRANT_KEKS: 'y', PUBLIC_URL: 'z' })).toHaveLength(3);
  });

  it('does not include a space behind a word: TLS stays on', () => {
    const { connection } = parseConfig({ ...production, TEMPORAL_TLS: 'true ' }, 'worker').temporal;
    expect(connection.tls).toBeTruthy();
  });

  it.each([
    ['TEMPORAL_TLS', 'maybe', 'must be one of true, false, 1, 0'],
    ['TEMPORAL_TLS_DISABLE_HOST_VERIFICATION', 'no', 'must be one of true, false, 1, 0'],
    ['TEMPORAL_CONFIG_FILE', '/nowhere/temporal.toml', "names a file that can't be read (ENOENT)"],
    ['WORKFLOW_PATCHES', 'hold', 'must be one of active, held'],
    ['TEMPORAL_ADDRESS', 'temporal:99999', 'must be an address such as temporal.example:7233'],
    ['DATABASE_URL', 'postgres:evergrant', 'must be a URL such as postgres://'],
    ['DATABASE_URL', 'postgres:///evergrant', 'must be a URL such as postgres://'],
  ])('includes a %s that would be passed over: %s', (name, value, message) => {
    expect(problemsOf({ ...production, [name]: value })).toEqual([expect.stringContaining(`${name}: ${message}`)]);
  });

  it.each(['postgres:///evergrant?host=/run/postgresql', 'postgresql://db/evergrant', 'postgres://[::1]:5432/x'])(
    'leaves out a database at %s',
    (url) => {
      expect(problemsOf({ ...production, DATABASE_URL: url })).toEqual([]);
    },
  );

  it('includes a margin that is not shorter than the time ahead', () => {
    expect(problemsOf({ ...production, ACCESS_TOKEN_MARGIN: '5m', REFRESH_AHEAD: '5m' })).toEqual([
      '  ACCESS_TOKEN_MARGIN: must be shorter than REFRESH_AHEAD (5m), or readers would wait',
    ]);
    // One of them alone is clamped by the policy.
    expect(problemsOf({ ...production, REFRESH_AHEAD: '5s' })).toEqual([]);
  });
});

describe('development and production', () => {
  it('differ in what may go without TLS', () => {
    const plain = { PUBLIC_URL: 'http://localhost:8080', CONCUR_BASE_URIS: '{"glz":"http://127.0.0.1:9400/glz"}' };
    expect(problemsOf({ ...development, ...plain })).toEqual([]);
    expect(problemsOf({ ...production, ...plain })).toEqual([
      expect.stringContaining('PUBLIC_URL: must be an https origin'),
      expect.stringContaining('CONCUR_BASE_URIS.glz: must be https'),
    ]);
  });

  it.each([
    ['http://sandbox:9400/glz', false],
    ['http://10.0.0.1/glz', false],
    ['http://localhost:9400/glz', true],
    ['http://[::1]:9400/glz', true],
    ['http://127.1.2.3/glz', true],
    ['https://anything.example', true],
    ['https://user@anything.example', false],
    ['https://anything.example/?x', false],
    ['ftp://anything.example', false],
  ])('in development a base URI %s is fine: %s', (uri, fine) => {
    expect(problemsOf({ ...development, CONCUR_BASE_URIS: JSON.stringify({ glz: uri }) })).toHaveLength(fine ? 0 : 1);
  });

  it('need a landing zone and proper names in the table of data centres', () => {
    const table = (value: unknown) => problemsOf({ ...production, CONCUR_BASE_URIS: JSON.stringify(value) });
    expect(table({ us2: 'https://us2.example' })).toEqual(['  CONCUR_BASE_URIS: must have an entry "glz"']);
    expect(table({ glz: 'https://glz.example', www: 'https://www.example' })).toEqual([
      '  CONCUR_LEGACY_BASE_URIS: must not have an entry "www", as CONCUR_BASE_URIS has one',
    ]);
    expect(table({ glz: 'https://glz.example', 'US 2': 'https://us2.example' })).toHaveLength(1);
    expect(table({ glz: 1 })).toEqual(['  CONCUR_BASE_URIS.glz: must be text: a base URI']);
  });

  it('both allow an API without operators’ routes to have no port for them', () => {
    expect(problemsOf({ ...production, OPS_PORT: undefined, SERVE: 'partner' })).toEqual([]);
    expect(problemsOf({ ...development })).toEqual([]);
  });

  it('are told apart by npm start itself, which needs nothing to be set', () => {
    expect(parseSettings({})).toMatchObject({
      mode: 'development',
      databaseUrl: null,
      keks: [],
      temporal: { address: null },
    });
    expect(parseSettings({ EVERGRANT_MODE: 'production', DATABASE_URL: 'postgres://db/x' })).toMatchObject({
      mode: 'production',
      databaseUrl: 'postgres://db/x',
    });
    expect(() => parseSettings({ PORT: 'x' })).toThrow(expect.objectContaining({ code: 'configuration-invalid' }));
  });
});

describe('a role', () => {
  it('cli works without keys, and without a Temporal server until it needs one', () => {
    const config = parseConfig({ DATABASE_URL: 'postgres://db/x' }, 'cli');
    expect(config).toMatchObject({ keks: [], temporal: { address: '127.0.0.1:7233' } });
  });

  it('migrate prefers the owner’s URL', () => {
    const owner = 'postgres://owner@db/x';
    expect(parseConfig({ DATABASE_URL: 'postgres://db/x', MIGRATION_DATABASE_URL: owner }, 'migrate').databaseUrl).toBe(
      owner,
    );
    expect(parseConfig({ DATABASE_URL: 'postgres://db/x' }, 'migrate').databaseUrl).toBe('postgres://db/x');
  });

  it('other than the API leaves the apps file alone', () => {
    expect(parseConfig({ ...production, APPS_FILE: '/does/not/exist' }, 'worker').apps).toBeNull();
  });

  it('reads the environment of the process', () => {
    expect(() => loadConfig('migrate')).toThrow(expect.objectContaining({ code: 'configuration-invalid' }));
  });
});

describe('a secret', () => {
  it('may be in a file instead', () => {
    const config = parseConfig(
      {
        ...production,
        DATABASE_URL: undefined,
        EVERGRANT_KEKS: undefined,
        DATABASE_URL_FILE: file('database-url', 'postgres://from-file/x\n'),
        EVERGRANT_KEKS_FILE: file('keks', `k1:${key}\n`),
        TEMPORAL_API_KEY_FILE: file('api-key', 'api-key-1\n'),
      },
      'api',
    );
    expect(config.databaseUrl).toBe('postgres://from-file/x');
    expect(config.keks.map(({ kid }) => kid)).toEqual(['k1']);
    expect(config.temporal.connection).toMatchObject({ apiKey: 'api-key-1', tls: true });
  });

  it('in a file that is not there, or empty, or beside its variable is a mistake, said once', () => {
    const without = { ...production, DATABASE_URL: undefined };
    expect(problemsOf({ ...without, DATABASE_URL_FILE: join(folder, 'none') })).toEqual([
      "  DATABASE_URL_FILE: names a file that can't be read (ENOENT)",
    ]);
    expect(problemsOf({ ...without, DATABASE_URL_FILE: file('empty', '\n') })).toEqual([
      '  DATABASE_URL_FILE: names an empty file',
    ]);
    expect(problemsOf({ ...production, DATABASE_URL_FILE: file('twice', 'postgres://x/y') })).toEqual([
      '  DATABASE_URL: is set twice; set DATABASE_URL or DATABASE_URL_FILE, not both',
    ]);
  });

  it.each([
    ['no kid', key],
    ['31 bytes', `k1:${Buffer.alloc(31).toString('base64url')}`],
    ['plain base64', `k1:${Buffer.alloc(32, 0xff).toString('base64')}`],
    ['the same kid twice', `k1:${key},k1:${otherKey}`],
    ['a hole', `k1:${key},`],
  ])('among the key-encryption keys with %s is refused without being shown', (_what, value) => {
    const problems = problemsOf({ ...production, EVERGRANT_KEKS: value });
    expect(problems).toEqual([expect.stringContaining('EVERGRANT_KEKS: must be kid:base64url-of-32-bytes')]);
    expect(problems[0]).not.toContain(value);
  });
});

describe('Temporal', () => {
  it('is reached as its own standard says: TLS, API key, headers, a profile of a file', () => {
    const toml = file(
      'temporal.toml',
      '[profile.cloud]\naddress = "cloud.example:7233"\nnamespace = "ns.acct"\napi_key = "from-profile"\n',
    );
    const { temporal } = parseConfig(
      {
        ...production,
        TEMPORAL_ADDRESS: undefined,
        TEMPORAL_CONFIG_FILE: toml,
        TEMPORAL_PROFILE: 'cloud',
        TEMPORAL_TLS_SERVER_NAME: 'inner.example',
        TEMPORAL_GRPC_META_X_TENANT: 'a',
      },
      'worker',
    );
    expect(temporal).toMatchObject({
      address: 'cloud.example:7233',
      namespace: 'ns.acct',
      connection: { apiKey: 'from-profile', tls: { serverNameOverride: 'inner.example' } },
    });
  });

  it('with a profile or a certificate that is not there is a mistake', () => {
    expect(
      problemsOf({
        ...production,
        TEMPORAL_PROFILE: 'none',
        TEMPORAL_CONFIG_FILE: file('none.toml', '[profile.other]\n'),
      }),
    ).toEqual([expect.stringContaining("TEMPORAL_*: can't be used: Profile 'none' not found")]);
    expect(problemsOf({ ...production, TEMPORAL_TLS_CLIENT_CERT_PATH: join(folder, 'no.pem') })).toEqual([
      expect.stringContaining("TEMPORAL_TLS_CLIENT_CERT_PATH: names a file that can't be read (ENOENT)"),
      expect.stringContaining('TEMPORAL_TLS_CLIENT_KEY_PATH: is not set, and the certificate is'),
    ]);
  });

  it('in development does not pick up a profile that nobody named', () => {
    const config = join(folder, 'config');
    const variables = { ...development, XDG_CONFIG_HOME: config, HOME: folder };
    expect(parseConfig(variables, 'worker').temporal.connection.apiKey).toBeUndefined();
  });
});

describe('AUTH_ISSUERS', () => {
  const issuersOf = (value: unknown, base: Record<string, string | undefined> = production) =>
    parseConfig({ ...base, AUTH_ISSUERS: JSON.stringify(value) }, 'api').authIssuers;
  const wrongIn = (value: unknown) => problemsOf({ ...production, AUTH_ISSUERS: JSON.stringify(value) });
  const external = { issuer: 'https://idp.example/', audience: 'evergrant', apps: '*', scopes: ['tokens:read'] };

  it('are completed with defaults', () => {
    expect(issuersOf(['local', external])).toEqual([
      { kind: 'local' },
      {
        kind: 'external',
        issuer: 'https://idp.example/',
        audience: 'evergrant',
        jwksUri: null,
        algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
        typ: null,
        scopeClaim: 'scope',
        apps: '*',
        scopes: ['tokens:read'],
      },
    ]);
  });

  it('are refused with each mistake by its place', () => {
    expect(wrongIn([{ ...external, issuer: 'http://idp.example', algorithms: ['HS256'], extra: 1 }])).toEqual([
      expect.stringContaining('AUTH_ISSUERS.0.issuer: must be an https URL'),
      expect.stringContaining('AUTH_ISSUERS.0.algorithms.0: must be an asymmetric'),
      expect.stringContaining('AUTH_ISSUERS.0'),
    ]);
    expect(wrongIn([{ issuer: 'https://idp.example', audience: 'x' }])).toEqual([
      expect.stringContaining('apps: is required'),
      expect.stringContaining('scopes: is required'),
    ]);
    for (const value of [[], ['remote'], [external, external], {}, 7]) expect(wrongIn(value)).toHaveLength(1);
  });

  it('may be on loopback in development', () => {
    const local = { ...external, issuer: 'http://localhost:9000' };
    expect(issuersOf([local], development)).toHaveLength(1);
    expect(wrongIn([local])).toHaveLength(1);
  });
});
