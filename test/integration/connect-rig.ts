/** The browser's routes over real HTTP, PostgreSQL and vault; what Temporal is told is written down. */
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { createArrivalLimit } from '../../api/connect/arrival-limit.ts';
import { renderProblemPage } from '../../api/connect/error-page.ts';
import type { LifecycleGateway } from '../../api/deps.ts';
import { clientAddress } from '../../api/middleware/client-address.ts';
import { problems } from '../../api/middleware/problems.ts';
import { requestId } from '../../api/middleware/request-id.ts';
import { routing } from '../../api/middleware/routing.ts';
import { buildSecurityHeaders, securityHeaders } from '../../api/middleware/security-headers.ts';
import type { RequestState, RouteFacts } from '../../api/route.ts';
import { createAssetRoutes } from '../../api/routes/assets.ts';
import { createConnectRoutes } from '../../api/routes/connect.ts';
import type { ConnectionKey } from '../../core/connection.ts';
import { AppError } from '../../core/errors.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { Secret } from '../../core/secret.ts';
import type { App, Landing } from '../../core/stores.ts';
import { buildVerificationCode, CODE_BYTES, verificationCodeContext } from '../../core/verification-code.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createCodeStore } from '../../db/code-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createDataKeyStore } from '../../db/data-key-store.ts';
import { createPool } from '../../db/pool.ts';
import { createSessionStore } from '../../db/session-store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { systemRng } from '../../runtime/rng.ts';
import { createVault } from '../../vault/vault.ts';
import { createTestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { buildApp } from './store-fixtures.ts';
import { createVisitor, type Visitor } from './visitor.ts';

const HOUR_MS = 3_600_000;

export type ConnectRig = Awaited<ReturnType<typeof createConnectRig>>;

/** `mostArrivals`: new sessions that an address may begin at once. */
export async function createConnectRig({ publicUrl = 'http://localhost:8080', mostArrivals = 1_000 } = {}) {
  const database = await createTestDatabase();
  const pool = createPool({ url: database.url, log: silentLog });
  const kek = { kid: 'test', key: new Secret(randomBytes(32).toString('base64url')) };
  const vault = await createVault({ keks: [kek], dataKeys: createDataKeyStore(pool) });
  const sessions = createSessionStore(pool);
  const connections = createConnectionStore(pool);
  const codes = createCodeStore(pool);
  const apps = createAppStore(pool);
  const pokes: { readonly key: ConnectionKey; readonly sessionId: string }[] = [];
  const temporal = { isAway: false };
  const shift = { ms: 0 };
  const clock = {
    ...systemClock,
    now: () => systemClock.now() + shift.ms,
    monotonic: () => systemClock.monotonic() + shift.ms,
    // An answer that is held back for news is held back shortly.
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 25, signal),
  };

  const lifecycle: LifecycleGateway = {
    async connect(key, sessionId) {
      pokes.push({ key, sessionId });
      if (temporal.isAway) throw new AppError('temporal-unavailable', 'away');
      return null;
    },
    connectUnidentified: notAsked,
    ensureFresh: notAsked,
    refresh: notAsked,
    command: notAsked,
    tokenRejected: notAsked,
    status: notAsked,
  };
  const deps = {
    apps,
    clock,
    connections,
    lifecycle,
    log: silentLog,
    policy: defaultRefreshPolicy,
    publicUrl,
    requestTokenTtlMs: 24 * HOUR_MS,
    rng: systemRng,
    sessions,
    vault,
  };
  const arrivals = createArrivalLimit(clock, { burst: mostArrivals });
  const app = new Koa<RequestState, RouteFacts>();
  for (const step of [
    requestId(systemRng),
    clientAddress(['127.0.0.1']),
    securityHeaders(buildSecurityHeaders({ isHttps: publicUrl.startsWith('https:') })),
    problems({ log: silentLog, renderPage: (ctx, error) => renderProblemPage(ctx, error, deps) }),
    ...routing([...createConnectRoutes(deps, { arrivals }), ...createAssetRoutes()]),
  ]) {
    app.use(step as Koa.Middleware<RequestState, RouteFacts>);
  }
  const handle = app.callback();
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    sessions,
    connections,
    pokes,
    temporal,
    pool,
    /** Lets time pass. */
    skip: (ms: number) => void (shift.ms += ms),
    /** A browser of its own, at an address of its own. */
    visitor: (headers: Readonly<Record<string, string>> = {}): Visitor =>
      createVisitor(url, { 'x-forwarded-for': randomAddress(), ...headers }),
    async addApp(landing: Partial<Landing> = {}, facts: Partial<Pick<App, 'principal'>> = {}): Promise<string> {
      const name = `app-${randomUUID().slice(0, 8)}`;
      const base = buildApp({ app: name });
      await apps.apply({ ...base, ...facts, landing: { ...base.landing, ...landing } });
      return name;
    },
    async addCode(name: string, overrides: Partial<Parameters<typeof codes.create>[0]> = {}): Promise<string> {
      const code = buildVerificationCode(randomBytes(CODE_BYTES));
      await codes.create({
        app: name,
        fingerprint: await vault.fingerprint(new Secret(code), verificationCodeContext(name)),
        label: null,
        customerRef: null,
        principal: null,
        createdBy: 'test',
        createdAtMs: clock.now(),
        expiresAtMs: clock.now() + HOUR_MS,
        ...overrides,
      });
      return code;
    },
    /** What the worker does when an exchange has ended. */
    async settle(key: ConnectionKey, outcome: { readonly company?: string; readonly failure?: string }): Promise<void> {
      await connections.transact(key, ({ connection, sessions: pending }) => ({
        result: null,
        changes: {
          ...(connection !== null && outcome.company !== undefined
            ? { connection: { ...connection, company: { name: outcome.company, domain: 'aurora.test' } } }
            : {}),
          sessions: pending.map((session) => ({
            ...session,
            requestToken: null,
            status: outcome.failure === undefined ? ('connected' as const) : ('failed' as const),
            failure: outcome.failure ?? null,
          })),
        },
      }));
    },
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await pool.end();
      await database.drop();
    },
  };
}

function notAsked(): never {
  throw new Error('pages of the browser ask for a connect only');
}

function randomAddress(): string {
  return `10.${[...randomBytes(3)].join('.')}`;
}
