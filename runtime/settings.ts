/** What the environment says, parsed. Types only, and the words that some of the values may be. */
import type { Kek } from '../core/kek.ts';
import type { AppEntry } from './apps-file.ts';
import type { AuthIssuer } from './auth-issuers.ts';
import type { TracingSettings } from './otel-settings.ts';
import type { TemporalSettings } from './temporal-settings.ts';

export const modes = ['development', 'production'] as const;
export type Mode = (typeof modes)[number];

export const routeGroups = ['connect', 'partner', 'ops'] as const;
export type RouteGroup = (typeof routeGroups)[number];

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What a process is there for: each needs other things to be set. */
export type Role = 'api' | 'worker' | 'cli' | 'migrate';

/** All that the environment says; null where it says nothing and there is no default. Times in milliseconds. */
export interface Settings {
  readonly mode: Mode;
  readonly host: string;
  readonly port: number;
  readonly serve: readonly RouteGroup[];
  /** Null: the API's own port. */
  readonly opsPort: number | null;
  readonly workerPort: number | null;
  /** Under `npm start`, where the worker's metrics are: the API shows them with its own. */
  readonly workerMetricsUrl: string | null;
  /** What browsers see; without a slash at its end. */
  readonly publicUrl: string;
  /** Addresses and ranges whose `X-Forwarded-*` count. */
  readonly trustedProxies: readonly string[];
  readonly databaseUrl: string | null;
  readonly migrationDatabaseUrl: string | null;
  readonly temporal: TemporalSettings;
  readonly temporalUiPort: number;
  /** Folder where `npm start` keeps its things. */
  readonly home: string;
  /** Table of data centres: name to base URI. */
  readonly dataCentres: Readonly<Record<string, string>>;
  readonly legacyBaseUris: Readonly<Record<string, string>>;
  readonly sandboxHosts: readonly string[];
  readonly httpsProxy: string | null;
  readonly noProxy: string | null;
  readonly concurTimeoutMs: number;
  /** Token calls per second and data centre, over all workers. */
  readonly concurRatePerDataCentre: number;
  /** Null: no apps file; the apps are the ones in the database. */
  readonly apps: readonly AppEntry[] | null;
  /** The current one first; empty for roles that can do without. */
  readonly keks: readonly Kek[];
  readonly authIssuers: readonly AuthIssuer[];
  readonly accessTokenMarginMs: number;
  readonly refreshAheadMs: number;
  readonly warmWindowMs: number;
  readonly keepAliveEveryMs: number;
  /** Share, 0 to 0.5. */
  readonly jitter: number;
  readonly retrySlowEveryMs: number;
  readonly suspendedRetryEveryMs: number;
  readonly appProbeEveryMs: number;
  readonly massDeathLimit: { readonly count: number; readonly share: number };
  readonly requestTokenTtlMs: number;
  readonly auditRetentionMs: number;
  /** How long after SIGTERM the API goes on taking requests while it says that it is not ready. */
  readonly shutdownDelayMs: number;
  readonly logLevel: LogLevel;
  /** Null: nothing is traced. */
  readonly tracing: TracingSettings | null;
}

/** The settings of a process that serves: what its role needs is there. */
export interface Config extends Settings {
  /** For the role `migrate` the owner's: `MIGRATION_DATABASE_URL` where it is set. */
  readonly databaseUrl: string;
  readonly temporal: TemporalSettings & { readonly address: string };
}
