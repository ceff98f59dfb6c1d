/**
 * The whole configuration, from the environment. The only reader of `process.env`.
 *
 * Guarantees: it is parsed once, and whatever is wrong with it is said in one error that names every variable,
 * what is wrong with it and what to set; secrets are never quoted.
 */
import { AppError } from '../core/errors.ts';
import type { RefreshPolicy } from '../core/refresh-policy.ts';
import { createEnvironment, type Environment, type Problem, type Variables } from './environment.ts';
import { readSettings } from './read-settings.ts';
import type { Config, Role, Settings } from './settings.ts';

/** Temporal's own default, for roles that may never talk to it. */
const DEFAULT_TEMPORAL_ADDRESS = '127.0.0.1:7233';

/**
 * The configuration of a process of this role.
 *
 * @throws `configuration-invalid` with every wrong or missing value in one message; `details.variables` names them.
 */
export function parseConfig(variables: Variables, role: Role): Config {
  const env = createEnvironment(variables);
  const settings = readSettings(env, variables, role);
  reportMissing(env, settings, role);
  assertSound(env.problems());
  const { migrationDatabaseUrl: owner, databaseUrl, temporal } = settings;
  const address = temporal.address ?? DEFAULT_TEMPORAL_ADDRESS;
  return {
    ...settings,
    databaseUrl: (role === 'migrate' ? (owner ?? databaseUrl) : databaseUrl) ?? '',
    temporal: { ...temporal, address, connection: { ...temporal.connection, address } },
  };
}

/**
 * The same for `npm start`, which brings along whatever has no address here. In its mode, `development`, unless
 * told otherwise.
 */
export function parseSettings(variables: Variables): Settings {
  const inMode = { ...variables, EVERGRANT_MODE: variables.EVERGRANT_MODE || 'development' };
  const env = createEnvironment(inMode);
  const settings = readSettings(env, inMode, 'start');
  assertSound(env.problems());
  return settings;
}

export function loadConfig(role: Role): Config {
  return parseConfig(process.env, role);
}

export function loadSettings(): Settings {
  return parseSettings(process.env);
}

/** The environment as it is, for the command line, which completes it with what `npm start` has up. */
export function currentVariables(): Variables {
  return process.env;
}

/** The part that says when to refresh. */
export function refreshPolicyOf(settings: Settings): RefreshPolicy {
  return {
    accessTokenMarginMs: settings.accessTokenMarginMs,
    refreshAheadMs: settings.refreshAheadMs,
    warmWindowMs: settings.warmWindowMs,
    keepAliveEveryMs: settings.keepAliveEveryMs,
    jitter: settings.jitter,
    retrySlowEveryMs: settings.retrySlowEveryMs,
    suspendedRetryEveryMs: settings.suspendedRetryEveryMs,
    appProbeEveryMs: settings.appProbeEveryMs,
    concurTimeoutMs: settings.concurTimeoutMs,
    massDeathLimit: settings.massDeathLimit,
  };
}

function reportMissing(env: Environment, settings: Settings, role: Role): void {
  const isProduction = settings.mode === 'production';
  const need = (isThere: boolean, name: string, what: string) => {
    if (!isThere && env.isSound(name)) env.report(name, `is not set; it must be ${what}`);
  };
  const database = 'the URL of a PostgreSQL database, such as postgres://user:password@host:5432/evergrant';
  if (role === 'migrate') {
    const isThere = settings.migrationDatabaseUrl !== null || settings.databaseUrl !== null;
    need(isThere, 'MIGRATION_DATABASE_URL', `${database}, with the role that owns the tables`);
    return;
  }
  need(settings.databaseUrl !== null, 'DATABASE_URL', `${database} (npm start brings its own)`);
  if (role === 'cli') return;
  const temporal = settings.temporal.address !== null || !env.isSound('TEMPORAL_*');
  need(
    temporal,
    'TEMPORAL_ADDRESS',
    'the address of a Temporal server, such as temporal:7233 (npm start brings its own)',
  );
  need(settings.keks.length > 0, 'EVERGRANT_KEKS', 'kid:base64url-of-32-bytes (npm start makes one)');
  if (role !== 'api' || !isProduction) return;
  need(env.isSet('PUBLIC_URL'), 'PUBLIC_URL', 'the https URL that browsers see');
  const separate = settings.opsPort !== null || !settings.serve.includes('ops');
  need(separate, 'OPS_PORT', 'a port of its own for /metrics and /healthz, or leave "ops" out of SERVE');
  if (
    settings.opsPort === settings.port &&
    settings.serve.includes('ops') &&
    env.isSound('OPS_PORT', 'PORT', 'SERVE')
  ) {
    env.report('OPS_PORT', `must not be PORT (${settings.port}): what operators read is not for everybody`);
  }
}

function assertSound(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? 'one value is' : `${problems.length} values are`;
  const lines = problems.map(({ name, message }) => `  ${name}: ${message}`);
  throw new AppError(
    'configuration-invalid',
    `The configuration is wrong, ${count} to be changed:\n${lines.join('\n')}`,
    {
      details: { variables: problems.map(({ name }) => name) },
    },
  );
}
