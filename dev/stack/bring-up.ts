/** The order in which the parts come up: the servers side by side, then, side by side, what needs them. */
import { buildAppsFile, demoApps } from './demo-apps.ts';
import { ensureToken } from './dev-token.ts';
import { ensureKeks } from './development-keys.ts';
import type { BringUpInput } from './bring-up-input.ts';
import type { LinksInput } from './links.ts';
import { nodeCommand, startNodePart } from './node-part.ts';
import { LOOPBACK } from './ports.ts';
import { writePrivateFile } from './private-file.ts';
import type { RunningStack } from './running-file.ts';
import { bringConcur, bringDatabase, bringTemporal, isEverywhere } from './servers.ts';
import type { ConcurService, Database, TemporalService } from './servers.ts';

/** Of the 15 s in which the whole tree ends, the worker may use most: it waits for calls that are under way. */
const API_GRACE_MS = 2_500;
const WORKER_GRACE_MS = 7_000;

export interface BroughtUp {
  readonly running: Omit<RunningStack, 'pid' | 'pids'>;
  readonly links: Omit<LinksInput, 'home' | 'seconds'>;
}

/** Brings up everything, or throws what kept the first part that failed. Ending what is up is left to the caller. */
export async function bringUp(input: BringUpInput): Promise<BroughtUp> {
  const { plan, settings, programs, say, signal, write } = input;
  const [database, temporal, concur] = await Promise.all([
    bringDatabase(input),
    bringTemporal(input),
    bringConcur(input),
  ]);
  const { environment, hasDemoApps } = await buildEnvironment(input, { database, temporal, concur });
  const env = { ...input.variables, ...environment };
  const [cli, ...cliArgs] = nodeCommand(programs.cli);

  const api = startNodePart(input, { id: 'api', name: 'API', module: programs.api, graceMs: API_GRACE_MS, env }).then(
    () => {
      say('API', plan.publicUrl);
      return plan.publicUrl;
    },
  );
  const worker = startNodePart(input, {
    id: 'worker',
    name: 'Worker',
    module: programs.worker,
    graceMs: WORKER_GRACE_MS,
    env,
  }).then(() => say('Worker', `task queue ${settings.temporal.taskQueue}`));
  const path = input.home.file('dev-token');
  const token = ensureToken({ path, command: cli, args: cliArgs, env, api, app: demoApps[0].app, signal }).then(
    () => true,
    (error: unknown) => {
      // Everything else works without it.
      if (!signal.aborted) write(error instanceof Error ? error.message : String(error));
      return false;
    },
  );
  const [apiUrl, , hasToken] = await Promise.all([api, worker, token]);
  const { address: temporalAddress, uiUrl: temporalUiUrl } = temporal;
  const addresses = { apiUrl, temporalAddress, temporalUiUrl, sandboxUrl: concur.sandboxUrl };
  const opsUrl = settings.opsPort === null ? apiUrl : `http://localhost:${settings.opsPort}`;
  return {
    running: {
      ...addresses,
      databaseUrl: database.url,
      environment: { ...environment, MIGRATION_DATABASE_URL: database.ownerUrl },
    },
    links: { ...addresses, opsUrl, namespace: settings.temporal.namespace, hasDemoApps, hasToken },
  };
}

interface Servers {
  readonly database: Database;
  readonly temporal: TemporalService;
  readonly concur: ConcurService;
}

/** What the parts are told on top of the launcher's own environment: the addresses of what came up, keys, apps. */
async function buildEnvironment(
  { home, plan, settings, variables }: BringUpInput,
  { database, temporal, concur }: Servers,
): Promise<{ readonly environment: Readonly<Record<string, string>>; readonly hasDemoApps: boolean }> {
  const environment: Record<string, string> = {
    EVERGRANT_MODE: 'development',
    EVERGRANT_HOME: home.path,
    PORT: String(plan.apiPort),
    PUBLIC_URL: plan.publicUrl,
    WORKER_PORT: String(plan.workerPort),
    EVERGRANT_WORKER_METRICS_URL: `http://${isEverywhere(settings.host) ? LOOPBACK : settings.host}:${plan.workerPort}/metrics`,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: settings.temporal.namespace,
    CONCUR_BASE_URIS: concur.baseUris,
  };
  if (concur.legacyBaseUris !== null) environment.CONCUR_LEGACY_BASE_URIS = concur.legacyBaseUris;
  // A variable and its `_FILE` twin must not both be set: what the user gave stays as it was given.
  if (settings.databaseUrl === null) environment.DATABASE_URL = database.url;
  if (settings.keks.length === 0) {
    environment.EVERGRANT_KEKS_FILE = home.file('keks');
    await ensureKeks(environment.EVERGRANT_KEKS_FILE);
  }
  const isReal = concur.sandboxUrl === null && !concur.baseUris.includes('"http://');
  const hasDemoApps = (variables.APPS_FILE ?? '') === '' && !isReal;
  if (hasDemoApps) {
    environment.APPS_FILE = home.file('apps.json');
    const sandboxUrl = concur.sandboxUrl ?? new URL(firstBaseUri(concur.baseUris)).origin;
    await writePrivateFile(environment.APPS_FILE, buildAppsFile({ sandboxUrl }));
  }
  return { environment, hasDemoApps };
}

function firstBaseUri(baseUris: string): string {
  const [uri] = Object.values(JSON.parse(baseUris) as Readonly<Record<string, string>>);
  return uri ?? '';
}
