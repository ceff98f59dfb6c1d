/** Every variable of the environment with its default and its rule. Defaults of the refresh policy are the core's own. */
import { resolve } from 'node:path';
import { globalLandingZone, namesInBoth, publishedDataCentres } from '../concur/data-centres.ts';
import { defaultRefreshPolicy } from '../core/refresh-policy.ts';
import { readAppsFile } from './apps-file.ts';
import { authIssuers } from './auth-issuers.ts';
import { baseUris, publishedLegacyBaseUris } from './base-uris.ts';
import { formatDuration } from './duration.ts';
import type { Environment, Variables } from './environment.ts';
import { keks } from './keks.ts';
import { readTracingSettings } from './otel-settings.ts';
import { logLevels, modes, type Role, routeGroups, type Settings } from './settings.ts';
import { readTemporalSettings } from './temporal-settings.ts';
import {
  addressRanges,
  anyText,
  duration,
  hostName,
  hostNames,
  listOf,
  massDeathLimit,
  number,
  oneOf,
  port,
  postgresUrl,
  proxyUrl,
  publicUrl,
} from './values.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Roles that apply the apps file; the others take the apps from the database. */
const applyApps: ReadonlySet<Role | 'start'> = new Set(['api', 'start']);
const traced: ReadonlySet<Role | 'start'> = new Set(['api', 'worker', 'start']);

/** Problems are on record in `env`; the settings of a wrong variable are its default. */
export function readSettings(env: Environment, variables: Variables, role: Role | 'start'): Settings {
  const mode = env.read('EVERGRANT_MODE', oneOf(...modes), 'production');
  // With a mode that nobody can read, only what is wrong in both modes is reported.
  const isDevelopment = mode === 'development' || !env.isSound('EVERGRANT_MODE');
  const listener = readListener(env, isDevelopment);
  const sandboxHosts = env.read('SANDBOX_HOSTS', hostNames, []);
  const appsFile = env.read('APPS_FILE', anyText, null);
  return {
    mode,
    ...listener,
    databaseUrl: env.readSecret('DATABASE_URL', postgresUrl, null),
    migrationDatabaseUrl: env.readSecret('MIGRATION_DATABASE_URL', postgresUrl, null),
    temporal: readTemporalSettings(env, variables, isDevelopment),
    workerMetricsUrl: isDevelopment ? env.read('EVERGRANT_WORKER_METRICS_URL', anyText, null) : null,
    temporalUiPort: env.read('TEMPORAL_UI_PORT', port, 8_233),
    home: resolve(env.read('EVERGRANT_HOME', anyText, '.evergrant')),
    ...readBaseUris(env, isDevelopment, sandboxHosts),
    sandboxHosts,
    httpsProxy: env.readSecret('HTTPS_PROXY', proxyUrl, null),
    noProxy: env.read('NO_PROXY', anyText, null),
    concurRatePerDataCentre: env.read('CONCUR_RATE_PER_DATACENTER', number(0.01, 10_000), 20),
    apps: appsFile === null || !applyApps.has(role) ? null : readAppsFile(appsFile, env, isDevelopment),
    keks: env.readSecret('EVERGRANT_KEKS', keks, []),
    authIssuers: env.read('AUTH_ISSUERS', authIssuers(isDevelopment), [{ kind: 'local' }]),
    ...readUpkeep(env),
    massDeathLimit: env.read('MASS_DEATH_LIMIT', massDeathLimit, defaultRefreshPolicy.massDeathLimit),
    requestTokenTtlMs: env.read('REQUEST_TOKEN_TTL', duration(SECOND, 30 * DAY, '24h'), 24 * HOUR),
    auditRetentionMs: env.read('AUDIT_RETENTION', duration(30 * DAY, 3_650 * DAY, '400d'), 400 * DAY),
    shutdownDelayMs: env.read('SHUTDOWN_DELAY', duration(0, 5 * MINUTE, '10s'), 0),
    logLevel: env.read('LOG_LEVEL', oneOf(...logLevels), 'info'),
    tracing: traced.has(role) ? readTracingSettings(env, isDevelopment) : null,
  };
}

function readListener(env: Environment, isDevelopment: boolean) {
  const ownPort = env.read('PORT', port, 8_080);
  return {
    host: env.read('HOST', hostName, '127.0.0.1'),
    port: ownPort,
    serve: env.read('SERVE', listOf(...routeGroups), routeGroups),
    opsPort: env.read('OPS_PORT', port, null),
    workerPort: env.read('WORKER_PORT', port, null),
    publicUrl: env.read('PUBLIC_URL', publicUrl(isDevelopment), `http://localhost:${ownPort}`),
    trustedProxies: env.read('TRUSTED_PROXIES', addressRanges, []),
  };
}

/** Both tables of where SAP Concur is called. */
function readBaseUris(env: Environment, isDevelopment: boolean, sandboxHosts: readonly string[]) {
  const required = [globalLandingZone];
  const dataCentres = env.read(
    'CONCUR_BASE_URIS',
    baseUris(isDevelopment, sandboxHosts, required),
    publishedDataCentres,
  );
  const legacyBaseUris = env.read(
    'CONCUR_LEGACY_BASE_URIS',
    baseUris(isDevelopment, sandboxHosts, []),
    publishedLegacyBaseUris,
  );
  for (const name of namesInBoth(dataCentres, legacyBaseUris)) {
    env.report('CONCUR_LEGACY_BASE_URIS', `must not have an entry "${name}", as CONCUR_BASE_URIS has one`);
  }
  return { dataCentres, legacyBaseUris };
}

/** When tokens are refreshed. Lower bounds leave room for a sandbox with tokens that live for seconds. */
function readUpkeep(env: Environment) {
  const defaults = defaultRefreshPolicy;
  const upkeep = {
    concurTimeoutMs: env.read('CONCUR_TIMEOUT', duration(100, 5 * MINUTE, '75s'), defaults.concurTimeoutMs),
    accessTokenMarginMs: env.read('ACCESS_TOKEN_MARGIN', duration(0, DAY, '2m'), defaults.accessTokenMarginMs),
    refreshAheadMs: env.read('REFRESH_AHEAD', duration(1, DAY, '8m'), defaults.refreshAheadMs),
    warmWindowMs: env.read('WARM_WINDOW', duration(0, 365 * DAY, '2h'), defaults.warmWindowMs),
    // Concur ends a refresh token after six months; a month of them is kept in reserve.
    keepAliveEveryMs: env.read('KEEP_ALIVE_EVERY', duration(SECOND, 150 * DAY, '30d'), defaults.keepAliveEveryMs),
    jitter: env.read('JITTER', number(0, 0.5), defaults.jitter),
    retrySlowEveryMs: env.read('RETRY_SLOW_EVERY', duration(100, DAY, '5m'), defaults.retrySlowEveryMs),
    suspendedRetryEveryMs: env.read(
      'SUSPENDED_RETRY_EVERY',
      duration(100, 30 * DAY, '6h'),
      defaults.suspendedRetryEveryMs,
    ),
    appProbeEveryMs: env.read('APP_PROBE_EVERY', duration(100, DAY, '1m'), defaults.appProbeEveryMs),
  };
  reportMargin(env, upkeep);
  return upkeep;
}

/** The policy keeps them apart in any case; whoever sets both to this had something else in mind. */
function reportMargin(env: Environment, upkeep: Pick<Settings, 'accessTokenMarginMs' | 'refreshAheadMs'>): void {
  const names = ['ACCESS_TOKEN_MARGIN', 'REFRESH_AHEAD'];
  if (!names.every((name) => env.isSet(name)) || !env.isSound(...names)) return;
  if (upkeep.accessTokenMarginMs < upkeep.refreshAheadMs) return;
  const ahead = formatDuration(upkeep.refreshAheadMs);
  env.report('ACCESS_TOKEN_MARGIN', `must be shorter than REFRESH_AHEAD (${ahead}), or readers would wait`);
}
