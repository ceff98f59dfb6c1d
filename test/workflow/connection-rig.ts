/**
 * One connection's workflow in skipped time: the real bundle, the real activities and protocol client, SAP Concur as
 * the sandbox's model, and an in-memory store. `histories()` is what the suite replays at its end.
 */
import { randomUUID } from 'node:crypto';
import { type WorkflowHandle, WithStartWorkflowOperation } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import type { AppSource } from '../../activities/deps.ts';
import { createActivities, createAppGuardianActivities } from '../../activities/index.ts';
import { createConcur } from '../../concur/concur.ts';
import { createDataCentres } from '../../concur/data-centres.ts';
import type { ConnectSession } from '../../core/aggregate.ts';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { acceptConnect } from '../../core/exchange-transaction.ts';
import { defaultRefreshPolicy, type RefreshPolicy } from '../../core/refresh-policy.ts';
import { Secret } from '../../core/secret.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { ConcurModel } from '../../dev/sandbox/model/concur-model.ts';
import type { App as ConcurApp, Company, Settings } from '../../dev/sandbox/model/types.ts';
import { createConcurService } from '../../dev/sandbox/protocol/concur-service.ts';
import { createSigningKey } from '../../dev/sandbox/signing-key.ts';
import { systemRng } from '../../runtime/rng.ts';
import { createAppGuardianCaller, createAppSignals } from '../../worker/app-signals.ts';
import { temporalHeartbeat, temporalProgress } from '../../worker/heartbeat.ts';
import {
  appGuardianWorkflowId,
  type CommandResult,
  concurTaskQueue,
  connectionWorkflowId,
  connectUpdate,
  workflowTypes,
} from '../../workflows/contract.ts';
import { buildApp } from '../simulation/builders.ts';
import { createFakeVault } from '../simulation/fake-vault.ts';
import { createMemoryConnectionStore } from '../simulation/memory-connection-store.ts';
import { createModelHttp, type SeenRequest } from '../simulation/model-http.ts';
import { createActivityClock } from './activity-clock.ts';

const ORIGIN = 'https://concur.test';
const DATA_CENTRES = ['glz', 'us2', 'eu2'];

const silent = (): void => {};
const silentLog = { debug: silent, info: silent, warn: silent, error: silent };

export interface RigOptions {
  readonly env: TestWorkflowEnvironment;
  readonly workflowBundle: WorkflowBundleOption;
  readonly settings?: Partial<Settings>;
  readonly policy?: Partial<RefreshPolicy>;
  /** Somebody looks after the app; without, whoever finds it blocked calls in vain. */
  readonly guarded?: boolean;
}

export type ConnectionRig = Awaited<ReturnType<typeof createConnectionRig>>;

export async function createConnectionRig(options: RigOptions) {
  const { env } = options;
  const vault = createFakeVault();
  const taskQueue = `evergrant-${randomUUID()}`;
  const clock = createActivityClock(await env.currentTimeMs());
  const store = createMemoryConnectionStore(clock);
  const policy = { ...defaultRefreshPolicy, ...options.policy };
  const model = new ConcurModel({
    clock,
    rng: systemRng,
    dataCentres: DATA_CENTRES,
    baseUri: (dataCentre) => `${ORIGIN}/${dataCentre}`,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  });
  const company: Company = model.directory.addCompany({ name: 'Aurora', domain: 'aurora.example', dataCentre: 'us2' });
  const concurApp: ConcurApp = model.directory.addApp({ connectUri: 'https://partner.test/connect/demo' });
  let clientSecret = concurApp.secrets.at(-1)?.value ?? '';
  const requests: SeenRequest[] = [];
  const http = createModelHttp(createConcurService(model, createSigningKey(null)), {
    origin: ORIGIN,
    onRequest: (request) => void requests.push(request),
  });
  const dataCentres = createDataCentres(Object.fromEntries(DATA_CENTRES.map((name) => [name, `${ORIGIN}/${name}`])));
  const app = buildApp({ clientId: concurApp.clientId });
  const signals = createAppSignals({ client: env.client, taskQueue });
  const apps: AppSource = {
    one: async () => ({
      app,
      credentials: [{ clientId: concurApp.clientId, clientSecret: new Secret(clientSecret), secretId: 'secret-1' }],
    }),
    worked: silent,
  };
  const concur = createConcur({ http, dataCentres, clock, log: silentLog });
  const guardActivities = createAppGuardianActivities({
    ...{ clock, log: silentLog, concur, apps, policy, signals },
    troubles: store.troubles,
    brakes: store.brakes,
    progress: temporalProgress,
    ratePerDataCentre: 20,
  });
  const activities = createActivities({
    clock,
    log: silentLog,
    vault,
    concur,
    dataCentres,
    policy,
    connections: store,
    apps,
    guardian:
      options.guarded === true ? createAppGuardianCaller({ signals, clock, log: silentLog }) : { wake: async () => {} },
    heartbeat: temporalHeartbeat,
    observer: { refreshed: silent, connected: silent, uncertain: silent, saveFailed: silent },
    workflowId: connectionWorkflowId,
  });
  const { nativeConnection: connection, namespace } = env;
  const workers = await Promise.all([
    Worker.create({
      connection,
      taskQueue,
      workflowBundle: options.workflowBundle,
      activities: { ...activities, ...guardActivities },
      sinks: { traces: { handled: { fn: silent, callDuringReplay: false } } },
      ...(namespace === undefined ? {} : { namespace }),
    }),
    ...DATA_CENTRES.map((name) =>
      Worker.create({
        connection,
        taskQueue: concurTaskQueue(taskQueue, name),
        activities: { ...activities, ...guardActivities },
        ...(namespace === undefined ? {} : { namespace }),
      }),
    ),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));

  const key: ConnectionKey = { app: app.app, principal: company.id };
  const workflowId = `${connectionWorkflowId(key)}`;
  const handle: WorkflowHandle = env.client.workflow.getHandle(workflowId);
  const guardian: WorkflowHandle = env.client.workflow.getHandle(appGuardianWorkflowId(app.app));

  const startOperation = () =>
    new WithStartWorkflowOperation(workflowTypes.connectionLifecycle, {
      workflowId,
      taskQueue,
      args: [key],
      workflowIdConflictPolicy: 'USE_EXISTING',
    });

  /** What the API does once the landing page is completed. `isTold`: the workflow hears that the connection is new. */
  async function connect(requestToken?: string, { isTold = true } = {}): Promise<CommandResult> {
    // Waiting for a run to end may have skipped years.
    clock.advanceTo(await env.currentTimeMs());
    const token =
      requestToken ??
      model.tokens.issueRequestToken(concurApp, { type: 'company', id: company.id, company }, 'connect').value;
    const sessionId = randomUUID();
    const nowMs = await env.currentTimeMs();
    const session: ConnectSession = {
      id: sessionId,
      kind: 'request-token',
      dataCentre: null,
      requestToken: await vault.seal(new Secret(token), sealContexts.requestToken(sessionId)),
      userId: null,
      customerRef: null,
      status: 'completed',
      uses: 0,
      nextTryAtMs: nowMs,
      expiresAtMs: nowMs + 24 * 3_600_000,
      failure: null,
    };
    await store.transact(key, () => ({ result: null, changes: { sessions: [session] } }));
    const { state } = await store.transact(key, (aggregate) =>
      acceptConnect(aggregate, {
        key,
        sessionId,
        actor: 'concur-admin',
        newConnectionId: randomUUID(),
        principalType: 'company',
        nowMs,
        policy,
        workflowId,
      }),
    );
    return await env.client.workflow.executeUpdateWithStart(connectUpdate, {
      args: [{ sessionId, ...(state === 'connecting' && isTold && { isNew: true }) }],
      startWorkflowOperation: startOperation(),
    });
  }

  return {
    key,
    model,
    company,
    concurApp,
    policy,
    requests,
    handle,
    guardian,
    signals,
    troubles: store.troubles,
    startOperation,
    connect,
    connection: (): Connection => store.one(key).connection,
    trail: () => store.trail(key),
    /** The client secret that Evergrant has on file from now on; the one it had before. */
    exchangeClientSecret(other: string): string {
      const before = clientSecret;
      clientSecret = other;
      return before;
    },
    /** The administrator of the customer presses Disconnect: nobody tells the partner. */
    disconnect: () => model.tokens.endGrant(concurApp.clientId, company.id, 'disconnected'),
    /** Every run under the workflow's id so far, first to last. */
    async runIds(): Promise<string[]> {
      const ids: string[] = [];
      let next: string | undefined = (await handle.describe()).runId;
      while (next !== undefined && next !== '') {
        ids.unshift(next);
        const history = await env.client.workflow.getHandle(workflowId, next).fetchHistory();
        next = history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ?? undefined;
      }
      return ids;
    },
    /** Token calls that Concur has seen since the last time this was asked. */
    takeTokenCalls(): number {
      const count = requests.filter(({ endpoint }) => endpoint === 'token').length;
      requests.length = 0;
      return count;
    },
    /** Open workflows without a worker would hold up skipped time for whoever comes next. */
    async close(): Promise<void> {
      await handle.terminate('the test is over').catch(() => undefined);
      await guardian.terminate('the test is over').catch(() => undefined);
      for (const worker of workers) worker.shutdown();
      await running;
    },
  };
}
