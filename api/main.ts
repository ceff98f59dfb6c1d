/** `npm run api`: the HTTP side of Evergrant. */
import { Client, Connection } from '@temporalio/client';
import type { Pool } from 'pg';
import { createDataCentres } from '../concur/data-centres.ts';
import { createAppStore } from '../db/app-store.ts';
import { createAuditStore } from '../db/audit-store.ts';
import { createClientStore } from '../db/client-store.ts';
import { createCodeStore } from '../db/code-store.ts';
import { createConnectionStore } from '../db/connection-store.ts';
import { manyBlockedApps } from '../db/app-trouble.ts';
import { countConnections } from '../db/connection-counts.ts';
import { manyBrakes } from '../db/crowd.ts';
import { createDataKeyStore } from '../db/data-key-store.ts';
import { createKeyHolderStore } from '../db/key-holder-store.ts';
import { assertInstallation } from '../db/installation.ts';
import { createIdempotencyStore } from '../db/idempotency-store.ts';
import { createIntakeStore } from '../db/intake-store.ts';
import { createIssuerKeyStore } from '../db/issuer-key-store.ts';
import { pendingMigrations } from '../db/migrate.ts';
import { createNotices } from '../db/notices.ts';
import { createPool } from '../db/pool.ts';
import { createSessionStore } from '../db/session-store.ts';
import type { Log } from '../core/ports.ts';
import { systemClock } from '../runtime/clock.ts';
import { loadConfig, refreshPolicyOf } from '../runtime/config.ts';
import { createTracing } from '../runtime/create-tracing.ts';
import { createLogger } from '../runtime/logger.ts';
import { runMain } from '../runtime/main-guard.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { announceReady } from '../runtime/ready.ts';
import { systemRng } from '../runtime/rng.ts';
import type { Config } from '../runtime/settings.ts';
import { createShutdown } from '../runtime/shutdown.ts';
import { findTemporalTrouble } from '../runtime/temporal-trouble.ts';
import { TRACES_FLUSH_MS } from '../runtime/tracing.ts';
import { readVersion } from '../runtime/version.ts';
import { kekFingerprints } from '../vault/kek.ts';
import { createLocalIssuer } from '../vault/local-issuer.ts';
import { createKeyWatch } from '../vault/key-watch.ts';
import { createVault } from '../vault/vault.ts';
import { createHandler } from './app.ts';
import { createAppDirectory } from './app-directory.ts';
import { applyApps } from './apply-apps.ts';
import { createAuthenticator } from './auth/authenticator.ts';
import { createCallerLimits } from './auth/caller-limits.ts';
import { createClientDirectory } from './auth/client-directory.ts';
import { createClientKeyIssuer } from './auth/client-key-issuer.ts';
import { createExternalIssuer } from './auth/external-issuer.ts';
import { createIssuerHttp } from './auth/issuer-http.ts';
import { createIssuerKeys } from './auth/issuer-keys.ts';
import { createLocalTokenIssuer } from './auth/local-issuer.ts';
import type { ApiDeps } from './deps.ts';
import { drainOf } from './drain.ts';
import { createCensus } from './census.ts';
import { createHealth } from './health.ts';
import { createIntake } from './intake.ts';
import { createLifecycleGateway } from './lifecycle-gateway.ts';
import { listen } from './listen.ts';
import { createReadRecorder } from './read-recorder.ts';
import type { RouteGroup } from './route.ts';
import { starting } from './starting.ts';
import { createTokenCache } from './token-cache.ts';
import { createTokenReader } from './token-reader.ts';

/** A Temporal server that does not take a connection for so long is away. */
const CONNECT_MS = 4_000;
const MIGRATION_POLL_MS = 3_000;

await runMain('evergrant api', async () => {
  const config = loadConfig('api');
  const clock = systemClock;
  const rng = systemRng;
  const policy = refreshPolicyOf(config);
  const tracing = await createTracing(config.tracing, { service: 'evergrant-api', version: readVersion() });
  const log = createLogger({ level: config.logLevel, name: 'api', ...(tracing && { fields: tracing.logFields }) });
  tracing?.reportTo(log);
  const metrics = createMetrics(readVersion());
  const drain = drainOf(config);
  const flushMs = tracing === null ? 0 : TRACES_FLUSH_MS;
  const shutdown = createShutdown({ log, deadlineMs: drain.deadlineMs + flushMs });
  if (tracing !== null) shutdown.onClose('traces', () => tracing.close());
  const isEnding = (): boolean => shutdown.signal.aborted;

  // Listening comes first: whoever waits for readiness is told that it is on its way, or what it waits for.
  const doors = [];
  for (const { groups, port, variable } of listenersOf(config)) {
    const door = { groups, handler: starting };
    const listener = await listen((request, response) => door.handler(request, response), {
      host: config.host,
      port,
      variable,
      isEnding,
    });
    log.info({ host: config.host, port: listener.port, groups }, 'listening');
    doors.push({ door, listener });
  }

  const pool = createPool({ url: config.databaseUrl, max: 20, log, applicationName: 'evergrant-api' });
  shutdown.onClose('database', () => pool.end());
  await untilMigrated(pool, log, shutdown.signal);
  const fingerprints = kekFingerprints(config.keks);
  await assertInstallation(pool, { mode: config.mode, kekFingerprints: fingerprints });
  const vault = await createVault({ keks: config.keks, dataKeys: createDataKeyStore(pool) });
  const holders = createKeyHolderStore(pool);
  const keyWatch = await createKeyWatch({ vault, kekFingerprints: fingerprints, holders, role: 'api', clock, log });
  shutdown.onClose('key watch', () => keyWatch.close());
  const apps = createAppStore(pool);
  if (config.apps !== null) await applyApps({ apps, vault, clock, rng, log }, config.apps);

  const { temporal } = config;
  const connection = Connection.lazy({ ...temporal.connection, address: temporal.address, connectTimeout: CONNECT_MS });
  shutdown.onClose('temporal', () => connection.close());
  const client = new Client({
    connection,
    namespace: temporal.namespace,
    ...(tracing && { interceptors: tracing.client }),
  });
  const lifecycle = createLifecycleGateway({ client, taskQueue: temporal.taskQueue, clock, log });
  shutdown.onClose('gateway', () => lifecycle.close());

  const notices = createNotices({ url: config.databaseUrl, pool, log });
  shutdown.onClose('notices', () => notices.close());
  const clients = createClientDirectory({ clients: createClientStore(pool), notices, clock });
  shutdown.onClose('clients', () => clients.close());
  const cache = createTokenCache(notices);
  const connections = createConnectionStore(pool);
  const reads = createReadRecorder({
    connections,
    audit: createAuditStore(pool),
    warmWindowMs: policy.warmWindowMs,
    log,
  });
  shutdown.onClose('reads', () => reads.close());
  const directory = createAppDirectory(apps, clock);
  const issuerHttp = createIssuerHttp({ httpsProxy: config.httpsProxy ?? '', noProxy: config.noProxy ?? '' });
  shutdown.onClose('issuers', () => issuerHttp.close());
  const issuerKeys = createLocalIssuer({ keys: createIssuerKeyStore(pool), vault, clock });

  const deps: ApiDeps = {
    clock,
    rng,
    log,
    vault,
    policy,
    publicUrl: config.publicUrl,
    requestTokenTtlMs: config.requestTokenTtlMs,
    apps: directory,
    connections,
    sessions: createSessionStore(pool),
    codes: createCodeStore(pool),
    idempotency: createIdempotencyStore(pool),
    dataCentres: createDataCentres(config.dataCentres),
    intake: createIntake({
      clock,
      rng,
      vault,
      policy,
      requestTokenTtlMs: config.requestTokenTtlMs,
      connections,
      intakes: createIntakeStore(pool),
      lifecycle,
    }),
    lifecycle,
    tokens: createTokenReader({
      clock,
      vault,
      policy,
      connections,
      apps: directory,
      lifecycle,
      cache,
      reads,
      count: (app, source) => metrics.tokenReadsTotal.inc({ app, source }),
    }),
    authenticator: createAuthenticator({
      issuers: [
        ...(config.authIssuers.some(({ kind }) => kind === 'local')
          ? [createLocalTokenIssuer({ issuer: config.publicUrl, keys: issuerKeys, clock })]
          : []),
        ...config.authIssuers.flatMap((settings) => {
          if (settings.kind === 'local') return [];
          const keys = createIssuerKeys({ ...settings, http: issuerHttp, clock, log });
          return [createExternalIssuer({ settings, keys, clock })];
        }),
        createClientKeyIssuer({ clients, clock }),
      ],
      clients,
      clock,
      limits: createCallerLimits(clock),
    }),
    issuerKeys,
    health: createHealth({
      pendingMigrations: () => pendingMigrations(pool),
      assertTemporalReachable: lifecycle.assertReachable,
      explainTemporal: () => findTemporalTrouble(temporal),
      census: createCensus({
        countConnections: () => countConnections(pool),
        manyBlockedApps: () => manyBlockedApps(pool),
        manyBrakes: () => manyBrakes(pool),
        metrics,
        clock,
        log,
      }),
      metrics,
      isEnding,
      workerMetricsUrl: config.workerMetricsUrl,
      log,
    }),
  };

  for (const { door, listener } of doors.toReversed()) {
    const handler = createHandler(deps, {
      serve: door.groups,
      trustedProxies: config.trustedProxies,
      measure: {
        observe(labels, seconds) {
          metrics.httpRequestDurationSeconds.observe(labels, seconds);
          tracing?.routed(labels);
        },
      },
    });
    door.handler = tracing?.listener(handler) ?? handler;
    // Registered last, closed first: what is under way still has the database and Temporal, and operators see it end.
    shutdown.onClose(`port ${listener.port}`, () => listener.close(drain.requestsMs));
  }
  shutdown.onClose('load balancers', () => clock.sleep(drain.delayMs));
  announceReady(config.publicUrl);
});

/** Operators' routes go to a port of their own where one is set. */
function listenersOf({
  serve,
  port,
  opsPort,
}: Config): { groups: readonly RouteGroup[]; port: number; variable: string }[] {
  if (opsPort === null || opsPort === port || !serve.includes('ops'))
    return [{ groups: serve, port, variable: 'PORT' }];
  const others = serve.filter((group) => group !== 'ops');
  return [
    ...(others.length === 0 ? [] : [{ groups: others, port, variable: 'PORT' }]),
    { groups: ['ops'], port: opsPort, variable: 'OPS_PORT' },
  ];
}

/** Production never migrates by itself: until somebody has, this process is alive and not ready. */
async function untilMigrated(pool: Pool, log: Log, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const pending = await pendingMigrations(pool);
      if (pending.length === 0) return;
      log.error({ pending }, 'not ready: the database lacks migrations; run: evergrant migrate');
      await systemClock.sleep(MIGRATION_POLL_MS, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      // Somebody has ended this process, which is no failure: the shutdown goes on to its exit.
      await new Promise<never>(() => undefined);
    }
  }
}
