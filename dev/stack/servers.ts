/** The servers under the application: PostgreSQL, Temporal, the Concur sandbox, each embedded unless its address is given. */
import type { BringUpInput } from './bring-up-input.ts';
import { buildSandboxApps } from './demo-apps.ts';
import { startNodePart } from './node-part.ts';
import { LOOPBACK } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { resolveTemporalCli } from './temporal-cli.ts';
import { startTemporal } from './temporal.ts';

const SANDBOX_GRACE_MS = 1_000;

export interface Database {
  /** The application's. */
  readonly url: string;
  /** The owner's, who migrates. */
  readonly ownerUrl: string;
}

/** Migrated, in any case. */
export async function bringDatabase({ plan, home, settings, launcher, say, signal }: BringUpInput): Promise<Database> {
  let database: Database;
  if (plan.postgresPort === null) {
    const url = settings.databaseUrl ?? '';
    database = { url, ownerUrl: settings.migrationDatabaseUrl ?? url };
  } else {
    const server = await startPostgres({
      folder: home.file('postgres'),
      port: plan.postgresPort,
      durable: true,
      signal,
      spawn: (options) => launcher.spawn('postgres', options),
    });
    database = { url: server.url('application'), ownerUrl: server.url('owner') };
    say('PostgreSQL', `${LOOPBACK}:${server.port}`);
  }
  const { migrate } = await import('../../db/migrate.ts');
  const { applied } = await migrate(database.ownerUrl);
  if (plan.postgresPort === null || applied.length > 0) say('Migrations', `${applied.length} applied`);
  return database;
}

export interface TemporalService {
  readonly address: string;
  /** Null when it is not the embedded one. */
  readonly uiUrl: string | null;
}

export async function bringTemporal(input: BringUpInput): Promise<TemporalService> {
  const { plan, home, settings, variables, launcher, write, say, signal } = input;
  if (plan.temporal === null) return { address: settings.temporal.address ?? '', uiUrl: null };
  const { address, uiUrl } = await startTemporal({
    program: await resolveTemporalCli({ env: variables, report: write, signal }),
    ...plan.temporal,
    databaseFile: home.file('temporal.db'),
    namespace: settings.temporal.namespace,
    cwd: home.path,
    signal,
    spawn: (options) => launcher.spawn('temporal', options),
  });
  say('Temporal', `${address}, UI ${uiUrl}`);
  return { address, uiUrl };
}

export interface ConcurService {
  /** In the form of `CONCUR_BASE_URIS`. */
  readonly baseUris: string;
  /** In the form of `CONCUR_LEGACY_BASE_URIS`; null: as the environment says, or the published ones. */
  readonly legacyBaseUris: string | null;
  /** Null when it is not the embedded sandbox. */
  readonly sandboxUrl: string | null;
}

export async function bringConcur(input: BringUpInput): Promise<ConcurService> {
  const { plan, home, settings, variables, programs, say } = input;
  if (plan.sandboxPort === null) {
    return { baseUris: variables.CONCUR_BASE_URIS ?? '', legacyBaseUris: null, sandboxUrl: null };
  }
  const url = await startNodePart(input, {
    id: 'sandbox',
    name: 'Concur sandbox',
    module: programs.sandbox,
    graceMs: SANDBOX_GRACE_MS,
    env: {
      ...variables,
      HOST: LOOPBACK,
      SANDBOX_PORT: String(plan.sandboxPort),
      SANDBOX_STATE_FILE: variables.SANDBOX_STATE_FILE || home.file('sandbox.json'),
      SANDBOX_APPS: variables.SANDBOX_APPS || buildSandboxApps({ publicUrl: plan.publicUrl }),
      SANDBOX_PARTNER_API_URL: variables.SANDBOX_PARTNER_API_URL || apiUrl({ plan, settings }),
      SANDBOX_PARTNER_TOKEN_FILE: variables.SANDBOX_PARTNER_TOKEN_FILE || home.file('dev-token'),
    },
  });
  const sandboxUrl = url ?? `http://${LOOPBACK}:${plan.sandboxPort}`;
  say('Concur sandbox', sandboxUrl);
  const response = await fetch(`${sandboxUrl}/__sandbox`, {
    headers: { accept: 'application/json' },
    signal: input.signal,
  });
  const { baseUris, legacyBaseUris } = (await response.json()) as Readonly<
    Record<'baseUris' | 'legacyBaseUris', Readonly<Record<string, string>>>
  >;
  const isGiven = (variables.CONCUR_LEGACY_BASE_URIS ?? '') !== '';
  return {
    baseUris: JSON.stringify(baseUris),
    legacyBaseUris: isGiven ? null : JSON.stringify(legacyBaseUris),
    sandboxUrl,
  };
}

/** How parts on this machine reach the API, which may be published under another address. */
function apiUrl({ plan, settings }: Pick<BringUpInput, 'plan' | 'settings'>): string {
  return `http://${isEverywhere(settings.host) ? LOOPBACK : settings.host}:${plan.apiPort}`;
}

/** Whether a host to listen on stands for every address of the machine. */
export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
