/**
 * Everything behind the API, real: PostgreSQL, Temporal, the sandbox over HTTP, and processes of their own
 * that a test can kill. It does by itself what the API does when a landing page is completed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { acceptConnect } from '../../core/exchange-transaction.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { Secret } from '../../core/secret.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import type { App, ConnectionStore } from '../../core/stores.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createDataKeyStore } from '../../db/data-key-store.ts';
import { createPool } from '../../db/pool.ts';
import { createSessionStore } from '../../db/session-store.ts';
import type { NewApp } from '../../dev/sandbox/model/directory.ts';
import type { App as ConcurApp } from '../../dev/sandbox/model/types.ts';
import { createSandbox, type SandboxOptions } from '../../dev/sandbox/sandbox.ts';
import { createVault } from '../../vault/vault.ts';
import { type CommandResult, connectionWorkflowId, connectUpdate, workflowTypes } from '../../workflows/contract.ts';
import { buildApp } from '../simulation/builders.ts';
import type { BuiltProduct } from '../rig/built-product.ts';
import { compiledProgram } from '../rig/compiled-product.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { createTestTemporal, type TestTemporal } from '../rig/test-temporal.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const silent = (): void => {};
const silentLog = { debug: silent, info: silent, warn: silent, error: silent };

interface BackendProcess {
  readonly pid: number;
  /** Everything it has printed. */
  readonly output: () => string;
  /** SIGKILL: no last word. */
  kill(): Promise<void>;
  /** SIGTERM; its exit code. */
  stop(): Promise<number | null>;
}

export type Backend = Awaited<ReturnType<typeof createBackend>>;

/**
 * `temporal`: a server that the test has for itself; else a namespace on the run's own. `built`: what its processes run;
 * else the build that all tests share. `database`: one that is no copy of the run's template. `nodeArgs`: options of
 * Node for its processes.
 */
export async function createBackend(
  options: SandboxOptions = {},
  parts: {
    readonly temporal?: TestTemporal;
    readonly built?: Pick<BuiltProduct, 'place'>;
    readonly database?: TestDatabase;
    readonly nodeArgs?: readonly string[];
  } = {},
) {
  const [database, temporal, sandbox] = await Promise.all([
    parts.database ?? createTestDatabase(),
    parts.temporal ?? createTestTemporal(),
    createSandbox(options),
    // Made here, if at all, as tests measure what they wait for later.
    parts.built ?? compiledProgram('worker'),
  ]);
  const pool = createPool({ url: database.url, log: silentLog });
  const kek = { kid: 'test', key: new Secret(randomBytes(32).toString('base64url')) };
  const vault = await createVault({ keks: [kek], dataKeys: createDataKeyStore(pool) });
  const connections: ConnectionStore = createConnectionStore(pool);
  const sessions = createSessionStore(pool);
  const concurApp = sandbox.addApp({ connectUri: 'http://127.0.0.1:1/connect/demo' });
  /** What every process of this installation is told. */
  const environment = {
    EVERGRANT_MODE: 'development',
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    EVERGRANT_KEKS: `${kek.kid}:${kek.key.reveal()}`,
    CONCUR_BASE_URIS: JSON.stringify(sandbox.baseUris),
    CONCUR_LEGACY_BASE_URIS: JSON.stringify(sandbox.legacyBaseUris),
  };
  const concurApps = new Map([['demo', concurApp]]);
  await putApp('demo', concurApp);
  const processes = new Set<BackendProcess>();

  /** One more app of the partner, with a rotation of its own. */
  async function addApp(
    app: string,
    rotation: 'same' | 'lax' | 'strict',
    { atConcur = {}, facts = {} }: { readonly atConcur?: Partial<NewApp>; readonly facts?: Partial<App> } = {},
  ): Promise<ConcurApp> {
    const added = sandbox.addApp({ connectUri: `http://127.0.0.1:1/connect/${app}`, rotation, ...atConcur });
    concurApps.set(app, added);
    await putApp(app, added, facts);
    return added;
  }

  async function putApp(app: string, { clientId, secrets }: ConcurApp, facts: Partial<App> = {}): Promise<void> {
    const apps = createAppStore(pool);
    await apps.apply(buildApp({ app, clientId, ...facts }));
    const id = randomUUID();
    const secret = new Secret(secrets.at(-1)?.value ?? '');
    const [sealed, fingerprint] = await Promise.all([
      vault.seal(secret, sealContexts.clientSecret(id)),
      vault.fingerprint(secret, 'app_secrets'),
    ]);
    await apps.addSecret(app, { id, sealed, fingerprint, createdAtMs: Date.now() });
  }

  /** Resolves when it polls, or listens. */
  async function startProcess(
    name: 'api' | 'worker',
    env: Readonly<Record<string, string>>,
    built = parts.built,
  ): Promise<BackendProcess> {
    const { nodeArgs = [] } = parts;
    const program = built === undefined ? await compiledProgram(name) : join(built.place, `dist/${name}/main.js`);
    const child = spawn(process.execPath, [...nodeArgs, program], {
      cwd: built?.place ?? root,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { PATH: process.env.PATH ?? '', ...environment, ...env },
    });
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => void chunks.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => void chunks.push(chunk));
    const output = (): string => Buffer.concat(chunks).toString();
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${output()}`)));
    });
    const started: BackendProcess = {
      pid: child.pid ?? 0,
      output,
      async kill() {
        processes.delete(started);
        child.kill('SIGKILL');
        await exitOf(child);
      },
      async stop() {
        processes.delete(started);
        child.kill('SIGTERM');
        return await exitOf(child);
      },
    };
    processes.add(started);
    return started;
  }

  /** A company at the sandbox whose administrator has completed the landing page; the exchange has been asked for. */
  async function connect(dataCentre = 'us2', app = 'demo'): Promise<{ key: ConnectionKey; result: CommandResult }> {
    const company = sandbox.addCompany({ name: 'Aurora', domain: `${randomUUID()}.example`, dataCentre });
    sandbox.addUser({ companyId: company.id, webServicesAdmin: true });
    const key: ConnectionKey = { app, principal: company.id };
    return { key, result: await pressConnect(key) };
  }

  /** The administrator of a company that is there presses Connect. */
  async function pressConnect(key: ConnectionKey): Promise<CommandResult> {
    const clientId = concurApps.get(key.app)?.clientId ?? '';
    const { requestToken, userId } = sandbox.pressConnect({ clientId, principalId: key.principal });
    const sessionId = randomUUID();
    const nowMs = Date.now();
    await sessions.open({
      id: sessionId,
      ...key,
      kind: 'request-token',
      dataCentre: null,
      cookieHash: 'unused',
      csrf: 'unused',
      ref: sessionId,
      userId,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + 86_400_000,
      requestToken: await vault.seal(new Secret(requestToken), sealContexts.requestToken(sessionId)),
      requestTokenFingerprint: sessionId,
      addressFingerprint: 'unused',
    });
    const workflowId = connectionWorkflowId(key);
    await sessions.complete({ app: key.app, id: sessionId, nowMs, addressFingerprint: 'unused' }, (aggregate) =>
      acceptConnect(aggregate, {
        key,
        sessionId,
        actor: 'concur-admin',
        newConnectionId: randomUUID(),
        principalType: 'company',
        nowMs,
        policy: defaultRefreshPolicy,
        workflowId,
      }),
    );
    return await temporal.client.workflow.executeUpdateWithStart(connectUpdate, {
      args: [{ sessionId }],
      startWorkflowOperation: new WithStartWorkflowOperation(workflowTypes.connectionLifecycle, {
        workflowId,
        taskQueue: 'evergrant',
        args: [key],
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    });
  }

  return {
    sandbox,
    concurApp,
    clientIdOf: (app: string) => concurApps.get(app)?.clientId ?? '',
    addApp,
    database,
    environment,
    vault,
    connections,
    client: temporal.client,
    /** `version`: another build than that of the other processes. */
    startWorker: (env: Readonly<Record<string, string>> = {}, version?: Pick<BuiltProduct, 'place'>) =>
      startProcess('worker', env, version),
    startApi: (env: Readonly<Record<string, string>> = {}) => startProcess('api', env),
    connect,
    pressConnect,
    handle: (key: ConnectionKey) => temporal.client.workflow.getHandle(connectionWorkflowId(key)),
    async connection(key: ConnectionKey): Promise<Connection> {
      const aggregate = await connections.maybeOne(key);
      if (aggregate?.connection == null) throw new Error('there is no such connection');
      return aggregate.connection;
    },
    async close(): Promise<void> {
      await Promise.all([...processes].map((running) => running.stop()));
      await sandbox.close();
      await pool.end();
      await temporal.close();
      await database.drop();
    },
  };
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode);
    child.once('exit', (code) => resolve(code));
  });
}
