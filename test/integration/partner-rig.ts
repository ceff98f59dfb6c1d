/**
 * The API over real HTTP, PostgreSQL, notices, vault and issuer; what Temporal is told is written down, and a test
 * says what comes of it. Every answer is held against the OpenAPI document that the same server gives out. Longer
 * than 300 lines: it puts together what `api/main.ts` does, and takes it down again.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { createHandler, createRoutes } from '../../api/app.ts';
import { createAppDirectory } from '../../api/app-directory.ts';
import { createAuthenticator } from '../../api/auth/authenticator.ts';
import { type CallerLimits, createCallerLimits } from '../../api/auth/caller-limits.ts';
import { createClientDirectory } from '../../api/auth/client-directory.ts';
import { createClientKeyIssuer } from '../../api/auth/client-key-issuer.ts';
import { createLocalTokenIssuer } from '../../api/auth/local-issuer.ts';
import type { TokenIssuer } from '../../api/auth/token-issuer.ts';
import type { ApiDeps } from '../../api/deps.ts';
import { createCensus } from '../../api/census.ts';
import { createHealth } from '../../api/health.ts';
import { listen } from '../../api/listen.ts';
import { createReadRecorder } from '../../api/read-recorder.ts';
import { routeGroups } from '../../api/route.ts';
import { scopes as allScopes } from '../../api/schemas/operation.ts';
import { createTokenCache } from '../../api/token-cache.ts';
import { createTokenReader } from '../../api/token-reader.ts';
import { createDataCentres } from '../../concur/data-centres.ts';
import type { Connection } from '../../core/connection.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { Secret } from '../../core/secret.ts';
import type { ApiClient } from '../../core/stores.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createAuditStore } from '../../db/audit-store.ts';
import { createClientStore } from '../../db/client-store.ts';
import { createCodeStore } from '../../db/code-store.ts';
import { manyBlockedApps } from '../../db/app-trouble.ts';
import { countConnections } from '../../db/connection-counts.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { manyBrakes } from '../../db/crowd.ts';
import { createDataKeyStore } from '../../db/data-key-store.ts';
import { createIdempotencyStore } from '../../db/idempotency-store.ts';
import { createIssuerKeyStore } from '../../db/issuer-key-store.ts';
import { pendingMigrations } from '../../db/migrate.ts';
import { createNotices } from '../../db/notices.ts';
import { createPool } from '../../db/pool.ts';
import { createSessionStore } from '../../db/session-store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { systemRng } from '../../runtime/rng.ts';
import { createLocalIssuer } from '../../vault/local-issuer.ts';
import { createVault } from '../../vault/vault.ts';
import { createTestDatabase } from '../rig/test-database.ts';
import { createAnswerCheck } from './answer-check.ts';
import { silentLog } from './db-silent-log.ts';
import { createRecordingGateway } from './recording-gateway.ts';
import { createRecordingIntake } from './recording-intake.ts';
import { act, buildApp, buildEntry, buildFullConnection } from './store-fixtures.ts';

export const PUBLIC_URL = 'http://localhost:8080';
export const LISTING_URL = 'https://www.concursolutions.com/listing/demo';
const HOUR_MS = 3_600_000;

export type PartnerRig = Awaited<ReturnType<typeof createPartnerRig>>;

export interface Call {
  readonly token?: string | null;
  readonly body?: unknown;
  /** Instead of `body`: as it is. */
  readonly raw?: string | ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

interface RigOptions {
  /** Whose tokens are accepted besides those of the built-in one and of clients with a key. */
  readonly issuers?: readonly TokenIssuer[];
  /** Instead of the product's. */
  readonly limits?: CallerLimits;
}

export async function createPartnerRig({ issuers = [], limits = createCallerLimits(systemClock) }: RigOptions = {}) {
  const database = await createTestDatabase();
  const pool = createPool({ url: database.url, log: silentLog });
  const kek = { kid: 'test', key: new Secret(randomBytes(32).toString('base64url')) };
  const vault = await createVault({ keks: [kek], dataKeys: createDataKeyStore(pool) });
  const notices = createNotices({ url: database.url, pool, log: silentLog });
  const clock = systemClock;
  const policy = defaultRefreshPolicy;
  const connections = createConnectionStore(pool);
  const audit = createAuditStore(pool);
  const clients = createClientStore(pool);
  const codes = createCodeStore(pool);
  const appStore = createAppStore(pool);
  const base = buildApp();
  await appStore.apply({ ...base, landing: { ...base.landing, listingUrl: LISTING_URL } });
  await appStore.apply(buildApp({ app: 'other' }));
  const apps = createAppDirectory(appStore, clock);
  const issuerKeys = createLocalIssuer({ keys: createIssuerKeyStore(pool), vault, clock });
  const directory = createClientDirectory({ clients, notices, clock });
  const { gateway: lifecycle, calls, script, temporal } = createRecordingGateway();
  const intake = createRecordingIntake();
  const reads = createReadRecorder({ connections, audit, warmWindowMs: policy.warmWindowMs, log: silentLog });
  const cache = createTokenCache(notices);
  const metrics = createMetrics('test');
  const readiness = { pending: () => pendingMigrations(pool) };
  const sources: string[] = [];

  const deps: ApiDeps = {
    clock,
    rng: systemRng,
    log: silentLog,
    vault,
    policy,
    publicUrl: PUBLIC_URL,
    requestTokenTtlMs: 24 * HOUR_MS,
    apps,
    connections,
    sessions: createSessionStore(pool),
    codes,
    idempotency: createIdempotencyStore(pool),
    dataCentres: createDataCentres({
      us2: 'https://us2.api.concursolutions.com',
      eu2: 'https://eu2.api.concursolutions.com',
    }),
    intake: intake.intake,
    lifecycle,
    tokens: createTokenReader({
      clock,
      vault,
      policy,
      connections,
      apps,
      lifecycle,
      cache,
      reads,
      count: (_app, source) => void sources.push(source),
    }),
    authenticator: createAuthenticator({
      issuers: [
        createLocalTokenIssuer({ issuer: PUBLIC_URL, keys: issuerKeys, clock }),
        ...issuers,
        createClientKeyIssuer({ clients: directory, clock }),
      ],
      clients: directory,
      clock,
      limits,
    }),
    issuerKeys,
    health: createHealth({
      pendingMigrations: () => readiness.pending(),
      assertTemporalReachable: async () => {
        if (temporal.isAway) throw new Error('away');
      },
      census: createCensus({
        countConnections: () => countConnections(pool),
        manyBlockedApps: () => manyBlockedApps(pool),
        manyBrakes: () => manyBrakes(pool),
        metrics,
        clock,
        log: silentLog,
      }),
      metrics,
      workerMetricsUrl: null,
      log: silentLog,
    }),
  };
  const handler = createHandler(deps, {
    serve: routeGroups,
    trustedProxies: [],
    measure: { observe: (labels, seconds) => metrics.httpRequestDurationSeconds.observe(labels, seconds) },
  });
  const listener = await listen(handler, {
    host: '127.0.0.1',
    port: 0,
    variable: 'PORT',
  });
  const url = `http://127.0.0.1:${listener.port}`;
  const answers = createAnswerCheck(await (await fetch(`${url}/openapi.json`)).json());

  async function addClient(over: Partial<ApiClient> = {}): Promise<ApiClient> {
    const client: ApiClient = {
      id: randomUUID(),
      name: 'test',
      scopes: allScopes,
      apps: '*',
      principals: null,
      jwk: null,
      createdAtMs: clock.now(),
      expiresAtMs: null,
      revokedAtMs: null,
      ...over,
    };
    await clients.create(client, act);
    return client;
  }

  async function mintFor(
    { id, scopes, apps: forApps, principals }: ApiClient,
    { ageMs, ttlMs, issuer }: { readonly ageMs: number; readonly ttlMs: number; readonly issuer: string },
  ) {
    const minter = createLocalIssuer({
      keys: createIssuerKeyStore(pool),
      vault,
      clock: { ...clock, now: () => clock.now() - ageMs },
    });
    const { token } = await minter.mint({ issuer, clientId: id, scopes, apps: forApps, principals, ttlMs });
    return { id, token: token.reveal() };
  }

  return {
    url,
    deps,
    routes: createRoutes(deps, routeGroups),
    pool,
    databaseUrl: database.url,
    calls,
    intake,
    script,
    temporal,
    sources,
    clients,
    codes,
    connections,
    vault,
    answers,
    addClient,

    /** Lets readiness find migrations that are missing, or no database; gives back the way to the real one. */
    breakReadiness(pending: () => Promise<readonly string[]>): () => void {
      const real = readiness.pending;
      readiness.pending = pending;
      return () => {
        readiness.pending = real;
      };
    },

    /** A bearer token of the built-in issuer, and the client that it is for. `ageMs`: minted so long ago. */
    async mint(
      over: Partial<ApiClient> & { readonly ageMs?: number; readonly ttlMs?: number; readonly issuer?: string } = {},
    ) {
      const { ageMs = 0, ttlMs = HOUR_MS, issuer = PUBLIC_URL, ...client } = over;
      return await mintFor(await addClient(client), { ageMs, ttlMs, issuer });
    },

    /** Another token for a client. */
    async mintAgain(id: string) {
      const client = await clients.maybeOne(id);
      if (client === null) throw new Error(`there is no client ${id}`);
      return await mintFor(client, { ageMs: 0, ttlMs: HOUR_MS, issuer: PUBLIC_URL });
    },

    /** A connection with tokens on file, as the worker leaves it. */
    async addConnection(over: Partial<Connection> = {}, { lifeMs = HOUR_MS }: { readonly lifeMs?: number } = {}) {
      const nowMs = clock.now();
      const attemptId = `${randomUUID()}:1`;
      const connection = buildFullConnection(
        { app: 'demo', principal: randomUUID() },
        {
          state: 'active',
          reason: null,
          resumeState: null,
          lastError: null,
          stateSinceMs: nowMs,
          accessTokenSentAtMs: nowMs - HOUR_MS + lifeMs,
          accessTokenExpiresAtMs: nowMs + lifeMs,
          refreshTokenExpiresAtMs: nowMs + 180 * 24 * HOUR_MS,
          nextActionAtMs: nowMs + HOUR_MS / 2,
          pausedUntilMs: null,
          lastReadAtMs: null,
          createdAtMs: nowMs,
          ...over,
        },
      );
      const accessToken = `access-${randomUUID()}`;
      const hasGrant = !['connecting', 'connect-failed', 'revoked'].includes(connection.state);
      const sealed = await vault.seal(new Secret(accessToken), sealContexts.accessToken(connection.id, attemptId));
      await connections.transact(connection, () => ({
        result: null,
        changes: {
          connection: hasGrant ? connection : { ...connection, accessTokenExpiresAtMs: null },
          grant: {
            current: hasGrant ? { sealed: 'sealed-refresh-token', attemptId, refused: false } : null,
            previous: null,
          },
          ...(hasGrant ? { accessToken: { sealed, attemptId, tokenType: 'Bearer' as const } } : {}),
          events: [buildEntry({ atMs: nowMs, stateTo: connection.state, version: connection.version })],
        },
      }));
      const path = `/v1/apps/${connection.app}/connections/${connection.principal}`;
      return { connection, accessToken, path };
    },

    async call(method: string, path: string, { token, body, raw, headers = {} }: Call = {}): Promise<Reply> {
      const hasJson = raw === undefined && body !== undefined;
      const response = await fetch(new URL(path, url), {
        method,
        headers: {
          ...(token == null ? {} : { authorization: `Bearer ${token}` }),
          ...(hasJson ? { 'content-type': 'application/json' } : {}),
          ...headers,
        },
        ...(hasJson ? { body: JSON.stringify(body) } : {}),
        ...(raw === undefined ? {} : { body: raw, duplex: 'half' }),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
      answers.assert(method, path, response, json);
      return { status: response.status, headers: response.headers, text, json };
    },

    async close(): Promise<void> {
      await listener.close();
      await reads.close();
      cache.close();
      directory.close();
      await notices.close();
      await pool.end();
      await database.drop();
    },
  };
}
