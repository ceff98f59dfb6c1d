/**
 * How Temporal is reached, by its own environment-configuration standard: `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
 * `TEMPORAL_API_KEY`, `TEMPORAL_TLS_*`, `TEMPORAL_GRPC_META_*`, and a profile of a TOML file.
 */
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { type Environment, readText, type Variables } from './environment.ts';
import { reportTlsFiles, withoutWrongFiles } from './tls-files.ts';
import { deploymentName as deploymentNameText, oneOf, temporalAddress, temporalName } from './values.ts';

export interface TemporalSettings {
  /** `host:port`; null when nobody gave one. */
  readonly address: string | null;
  readonly namespace: string;
  /** For client and worker alike. Holds secrets: never to be logged. */
  readonly connection: ClientConnectConfig['connectionOptions'];
  /** Prefix of the task queues. */
  readonly taskQueue: string;
  /** Which build of which Worker Deployment a worker is. Null: Temporal is not told, and gives tasks to any worker. */
  readonly deployment: WorkerBuild | null;
  /** Whether workflows leave branches behind `patched` alone that they have not taken yet. */
  readonly holdsPatches: boolean;
}

export interface WorkerBuild {
  readonly deploymentName: string;
  readonly buildId: string;
}

export function readTemporalSettings(env: Environment, variables: Variables, development: boolean): TemporalSettings {
  const taskQueue = env.read('TEMPORAL_TASK_QUEUE', temporalName, 'evergrant');
  const deployment = readDeployment(env);
  const holdsPatches = env.read('WORKFLOW_PATCHES', oneOf('active', 'held'), 'active') === 'held';
  env.read('TEMPORAL_ADDRESS', temporalAddress, '');
  env.read('TEMPORAL_NAMESPACE', temporalName, 'default');
  reportPassedOver(env, variables);
  reportTlsFiles(env, variables);
  const given = withoutWrongFiles(env, standardVariables(env, variables));
  // A developer's own profile must not leak into the embedded server's settings.
  const named = given.TEMPORAL_PROFILE !== undefined || given.TEMPORAL_CONFIG_FILE !== undefined;
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({
      overrideEnvVars: given,
      disableFile: development && !named,
    });
    return {
      address: connectionOptions.address ?? null,
      namespace: namespace ?? 'default',
      connection: connectionOptions,
      taskQueue,
      deployment,
      holdsPatches,
    };
  } catch (error) {
    env.report('TEMPORAL_*', `can't be used: ${error instanceof Error ? error.message : String(error)}`);
    return { address: null, namespace: 'default', connection: {}, taskQueue, deployment, holdsPatches };
  }
}

/** By the names that Temporal's Worker Controller for Kubernetes sets. */
function readDeployment(env: Environment): WorkerBuild | null {
  const deploymentName = env.read('TEMPORAL_DEPLOYMENT_NAME', deploymentNameText, null);
  const buildId = env.read('TEMPORAL_WORKER_BUILD_ID', temporalName, null);
  if (deploymentName !== null && buildId !== null) return { deploymentName, buildId };
  const names = ['TEMPORAL_DEPLOYMENT_NAME', 'TEMPORAL_WORKER_BUILD_ID'] as const;
  const missing = names.find((name) => !env.isSet(name));
  const other = names.find((name) => env.isSet(name));
  if (missing !== undefined && other !== undefined) env.report(missing, `must be set, as ${other} is`);
  return null;
}

/**
 * What the standard's own reader takes for "no" or for nothing without a word: `TEMPORAL_TLS=TRUE` would be plain text.
 */
function reportPassedOver(env: Environment, variables: Variables): void {
  for (const name of ['TEMPORAL_TLS', 'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION']) {
    env.read(name, oneOf('true', 'false', '1', '0'), 'false');
  }
  const path = variables.TEMPORAL_CONFIG_FILE?.trim() ?? '';
  const file = path === '' ? null : readText(path);
  if (file?.ok === false) env.report('TEMPORAL_CONFIG_FILE', `names a file that can't be read (${file.why})`);
}

/** The variables that are set, secrets read from their files. */
function standardVariables(env: Environment, variables: Variables): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (value !== undefined && value.trim() !== '') given[name] = value.trim();
  }
  for (const name of ['TEMPORAL_API_KEY', 'TEMPORAL_TLS_CLIENT_KEY_DATA']) {
    const secret = env.secretText(name);
    if (secret !== null) given[name] = secret;
  }
  return given;
}
