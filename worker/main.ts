/** `npm run worker`: runs the workflows and makes the calls to SAP Concur. */
import { Client } from '@temporalio/client';
import type { ActivityDeps } from '../activities/deps.ts';
import {
  createActivities,
  createAppGuardianActivities,
  createIntakeActivities,
  createReconcileActivities,
} from '../activities/index.ts';
import { createConcur } from '../concur/concur.ts';
import { createDataCentres, originsOf } from '../concur/data-centres.ts';
import { createHttp } from '../concur/http.ts';
import { AppError } from '../core/errors.ts';
import { createAppStore } from '../db/app-store.ts';
import { createAppTroubleStore } from '../db/app-trouble.ts';
import { createConnectionStore } from '../db/connection-store.ts';
import { createBrakeStore } from '../db/crowd.ts';
import { createDataKeyStore } from '../db/data-key-store.ts';
import { createKeyHolderStore } from '../db/key-holder-store.ts';
import { assertInstallation } from '../db/installation.ts';
import { pendingMigrations } from '../db/migrate.ts';
import { createIntakeStore } from '../db/intake-store.ts';
import { createPool } from '../db/pool.ts';
import { createReconcileStore } from '../db/reconcile-store.ts';
import { createSweeper } from '../db/sweeper.ts';
import { createWebhookStore } from '../db/webhook-store.ts';
import { systemClock } from '../runtime/clock.ts';
import { loadConfig, refreshPolicyOf } from '../runtime/config.ts';
import { createTracing } from '../runtime/create-tracing.ts';
import { createLogger } from '../runtime/logger.ts';
import { runMain } from '../runtime/main-guard.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { announceReady } from '../runtime/ready.ts';
import { systemRng } from '../runtime/rng.ts';
import { createShutdown } from '../runtime/shutdown.ts';
import { TRACES_FLUSH_MS } from '../runtime/tracing.ts';
import { readVersion } from '../runtime/version.ts';
import { kekFingerprints } from '../vault/kek.ts';
import { createKeyWatch } from '../vault/key-watch.ts';
import { createVault } from '../vault/vault.ts';
import { signatureHeaders } from '../vault/webhook-signature.ts';
import { connectionWorkflowId } from '../workflows/contract.ts';
import { createAppSignals, createAppGuardianCaller } from './app-signals.ts';
import { createAppSource } from './app-source.ts';
import { workflowBundle } from './bundle.ts';
import { createConnects } from './connects.ts';
import { workerDrainOf } from './drain.ts';
import { temporalHeartbeat, temporalProgress } from './heartbeat.ts';
import { createLifecycles } from './lifecycles.ts';
import { createObserver } from './observer.ts';
import { startOpsServer } from './ops-server.ts';
import { keepReconcilerSchedule } from './reconciler-schedule.ts';
import { ensureSearchAttributes, searchAttributeList } from './search-attributes.ts';
import { createSdkMetrics } from './sdk-metrics.ts';
import { repeatSweeps } from './sweeps.ts';
import { connectToTemporal, installRuntime } from './temporal.ts';
import { repeatDeliveries } from './webhooks/deliver.ts';
import { createPoster } from './webhooks/post.ts';
import { CALLS_AT_ONCE, createWorker } from './worker.ts';

await runMain('evergrant worker', async () => {
  const config = loadConfig('worker');
  const clock = systemClock;
  const policy = refreshPolicyOf(config);
  const tracing = await createTracing(config.tracing, { service: 'evergrant-worker', version: readVersion() });
  const log = createLogger({ level: config.logLevel, name: 'worker', ...(tracing && { fields: tracing.logFields }) });
  tracing?.reportTo(log);
  const metrics = createMetrics(readVersion());
  const drain = workerDrainOf(config);
  const flushMs = tracing === null ? 0 : TRACES_FLUSH_MS;
  const shutdown = createShutdown({ log, deadlineMs: drain.deadlineMs + flushMs });
  if (tracing !== null) shutdown.onClose('traces', () => tracing.close());
  const sdkMetrics = await createSdkMetrics(log);
  installRuntime(log, sdkMetrics.telemetry);

  const pool = createPool({ url: config.databaseUrl, log, applicationName: 'evergrant-worker' });
  shutdown.onClose('database', () => pool.end());
  await assertMigrated(pool);
  const fingerprints = kekFingerprints(config.keks);
  await assertInstallation(pool, { mode: config.mode, kekFingerprints: fingerprints });
  const vault = await createVault({ keks: config.keks, dataKeys: createDataKeyStore(pool) });
  const holders = createKeyHolderStore(pool);
  const keyWatch = await createKeyWatch({ vault, kekFingerprints: fingerprints, holders, role: 'worker', clock, log });
  shutdown.onClose('key watch', () => keyWatch.close());

  const dataCentres = createDataCentres(config.dataCentres, config.legacyBaseUris);
  const proxies = { httpsProxy: config.httpsProxy ?? '', noProxy: config.noProxy ?? '' };
  const http = createHttp({
    allowedOrigins: originsOf(dataCentres),
    // Data centres behind one origin (a gateway, the sandbox) must not take each other's sockets either.
    connectionsPerOrigin: CALLS_AT_ONCE * (dataCentres.names().length + dataCentres.legacyNames().length),
    ...proxies,
  });
  shutdown.onClose('calls to SAP Concur', () => http.close());
  const concur = createConcur({
    http,
    dataCentres,
    clock,
    log,
    onCall: (call) => {
      const { dataCentre, endpoint, code } = call;
      metrics.concurRequestsTotal.inc({ data_center: dataCentre, endpoint, code });
      tracing?.called(call);
    },
  });
  const { namespace, taskQueue, deployment, holdsPatches } = config.temporal;
  const [connection, bundle] = await Promise.all([connectToTemporal(config), workflowBundle()]);
  shutdown.onClose('temporal', () => connection.close());
  const register = config.mode === 'development';
  if (!(await ensureSearchAttributes(connection.operatorService, namespace, { register }))) {
    log.info({ namespace }, `the server does not list its search attributes; needed are ${searchAttributeList}`);
  }
  const client = new Client({ connection, namespace, ...(tracing && { interceptors: tracing.client }) });

  const apps = createAppSource({ apps: createAppStore(pool), vault, clock, log });
  const signals = createAppSignals({ client, taskQueue });
  const intakes = createIntakeStore(pool);
  const activityDeps: ActivityDeps = {
    clock,
    log,
    vault,
    concur,
    dataCentres,
    policy,
    connections: createConnectionStore(pool),
    apps,
    guardian: createAppGuardianCaller({ signals, clock, log }),
    heartbeat: temporalHeartbeat,
    observer: createObserver(metrics),
    workflowId: connectionWorkflowId,
  };
  const activities = createActivities(activityDeps);
  const intakeActivities = createIntakeActivities({
    ...activityDeps,
    intakes,
    rng: systemRng,
    connects: createConnects({ client, taskQueue }),
  });
  const guardActivities = createAppGuardianActivities({
    clock,
    log,
    concur,
    apps,
    troubles: createAppTroubleStore(pool),
    brakes: createBrakeStore(pool),
    signals,
    progress: temporalProgress,
    policy,
    ratePerDataCentre: config.concurRatePerDataCentre,
  });
  const reconcileActivities = createReconcileActivities({
    clock,
    log,
    store: createReconcileStore(pool),
    intakes,
    lifecycles: createLifecycles({ client, taskQueue }),
    progress: temporalProgress,
    onStarted: () => metrics.reconcileStartedTotal.inc(),
  });
  const worker = await createWorker({
    connection,
    namespace,
    taskQueue,
    activities: { ...activities, ...intakeActivities, ...guardActivities, ...reconcileActivities },
    workflowBundle: bundle,
    dataCentres: [...dataCentres.names(), ...dataCentres.legacyNames()],
    ratePerDataCentre: config.concurRatePerDataCentre,
    deployment,
    holdsPatches,
    tracing,
    drainMs: drain.callsMs,
  });

  void keepReconcilerSchedule({ client, taskQueue, clock, log, signal: shutdown.signal });
  void repeatSweeps({ sweeper: createSweeper(pool, config), clock, log, signal: shutdown.signal });

  const poster = createPoster({ allowLoopback: config.mode === 'development' });
  const deliveries = repeatDeliveries({
    ...{ apps, vault, poster, policy, clock, log },
    sign: signatureHeaders,
    store: createWebhookStore(pool),
    signal: shutdown.signal,
    onLag: (lagMs) => metrics.outboxLagSeconds.set(lagMs / 1_000),
  });
  shutdown.onClose('webhooks', async () => {
    await deliveries;
    await poster.close();
  });

  let isRunning = true;
  if (config.workerPort !== null) {
    const isReady = (): boolean => isRunning && !shutdown.signal.aborted;
    const server = await startOpsServer({
      host: config.host,
      port: config.workerPort,
      metrics,
      sdkPage: sdkMetrics.page,
      isReady,
    });
    shutdown.onClose('ops server', () => void server.close());
  }
  const running = worker.run().then(
    () => {
      isRunning = false;
    },
    (error: unknown) => {
      isRunning = false;
      log.error({ err: error }, 'the worker ended');
      void shutdown.begin('the worker ended', 1);
    },
  );
  shutdown.onClose('workers', async () => {
    worker.shutdown();
    await running;
  });
  announceReady(null);
  log.info({ namespace, taskQueue, dataCentres: dataCentres.names(), ...deployment, holdsPatches }, 'worker is up');
});

async function assertMigrated(pool: Parameters<typeof pendingMigrations>[0]): Promise<void> {
  const pending = await pendingMigrations(pool);
  if (pending.length === 0) return;
  throw new AppError(
    'configuration-invalid',
    `The database lacks ${pending.length} migrations (${pending.join(', ')}). Run: evergrant migrate`,
  );
}
