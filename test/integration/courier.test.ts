/** The courier of the webhooks and its outbox, on a real database: what may go wrong with some and must not harm others. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { AppError } from '../../core/errors.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { Secret } from '../../core/secret.ts';
import { nextDeliveryAtMs, type WebhookStore } from '../../core/webhooks.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createPool } from '../../db/pool.ts';
import { writeOutbox } from '../../db/outbox.ts';
import { createWebhookStore } from '../../db/webhook-store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type CourierDeps, repeatDeliveries } from '../../worker/webhooks/deliver.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { act, buildApp, buildEntry, buildFullConnection, NOW_MS } from './store-fixtures.ts';

const DAY_MS = 86_400_000;
const good = 'https://good.example/hook';
const hung = 'https://hung.example/hook';

let database: TestDatabase;
let pool: Pool;
let store: WebhookStore;
let app: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  store = createWebhookStore(pool);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  app = `app-${randomUUID().slice(0, 8)}`;
});
afterEach(async () => {
  await pool.query('DELETE FROM outbox');
});

async function configure(...urls: readonly string[]): Promise<void> {
  const webhooks = urls.map((url) => ({ url, events: ['connection.connected'] as const }));
  await createAppStore(pool).apply(buildApp({ app, webhooks }));
}

async function addSecret(): Promise<void> {
  const secret = { id: randomUUID(), sealed: 'sealed', createdAtMs: NOW_MS };
  await store.addSecret(app, secret, { overlapUntilMs: NOW_MS }, act);
}

/** Puts a message on its way to every endpoint, as the transaction of a connect does. */
async function tell(count = 1): Promise<void> {
  const connection = buildFullConnection({ app, principal: randomUUID() });
  for (let n = 0; n < count; n += 1) {
    for (const { text, values } of writeOutbox(connection, [buildEntry()])) await pool.query(text, [...(values ?? [])]);
  }
}

const claim = (nowMs = NOW_MS) => store.claim({ nowMs, leaseMs: 60_000, limit: 20, perEndpoint: 20, busy: [] });

describe('an outbox', () => {
  it('counts as behind, and keeps for ever, nothing that nobody can be told', async () => {
    await configure(good);
    await tell();
    expect(await claim()).toEqual([]);
    expect(await store.lagMs(NOW_MS + 1_000)).toBe(0);
    await addSecret();
    expect(await store.lagMs(NOW_MS + 1_000)).toBe(1_000);
    expect(await store.sweep(NOW_MS)).toBe(0);
    expect(await store.sweep(NOW_MS + 1)).toBe(1);
  });

  it('tells nothing to an endpoint that is no longer configured', async () => {
    await configure(good);
    await addSecret();
    await tell();
    await configure(hung);
    expect(await claim()).toEqual([]);
    await configure(good);
    expect(await claim()).toMatchObject([{ url: good }]);
  });

  it('does not open again what was delivered while a frozen worker still tried', async () => {
    await configure(good);
    await addSecret();
    await tell();
    const [frozen] = await claim();
    const [next] = await claim(NOW_MS + 60_000);
    if (frozen === undefined || next === undefined) throw new Error('nothing was claimed');
    await store.settle(next, { kind: 'delivered', status: 200 }, NOW_MS + 60_001);
    const failed = { kind: 'failed', status: null, error: 'timeout', nextAtMs: NOW_MS + 90_000 } as const;
    await store.settle(frozen, failed, NOW_MS + 60_002);
    expect(await store.deliveries(frozen.messageId)).toMatchObject([{ status: 'delivered', lastStatus: 200 }]);
  });

  it('takes no more of one endpoint than it is told to, and none of a busy one', async () => {
    await configure(good, hung);
    await addSecret();
    await tell(5);
    const some = await store.claim({ nowMs: NOW_MS, leaseMs: 60_000, limit: 20, perEndpoint: 3, busy: [good] });
    expect(some.map(({ url }) => url)).toEqual([hung, hung, hung]);
  });

  it('lets an endpoint ask for a day of rest, and no more', () => {
    expect(nextDeliveryAtMs(1, NOW_MS, 900_000_000)).toBe(NOW_MS + DAY_MS);
  });
});

describe('a courier', () => {
  const stop = new Set<AbortController>();
  const running = new Set<Promise<void>>();
  afterEach(async () => {
    for (const controller of stop) controller.abort();
    await Promise.all(running);
    stop.clear();
    running.clear();
  });

  function start(overrides: Partial<CourierDeps> = {}): string[] {
    const posted: string[] = [];
    const controller = new AbortController();
    stop.add(controller);
    const hang = new Promise<never>((_resolve, reject) => {
      controller.signal.addEventListener('abort', () => reject(new Error('closed')));
    });
    hang.catch(() => {});
    running.add(
      repeatDeliveries({
        store,
        apps: { one: async (name) => ({ app: buildApp({ app: name }) }) },
        vault: { open: async () => new Secret('whsec_secret') },
        poster: {
          post: async (url) => {
            if (url === hung) return await hang;
            posted.push(url);
            return { status: 204, retryAfter: null };
          },
          close: async () => {},
        },
        sign: () => ({}),
        policy: defaultRefreshPolicy,
        clock: systemClock,
        log: silentLog,
        signal: controller.signal,
        onLag: () => {},
        ...overrides,
      }),
    );
    return posted;
  }

  it('serves the others while one endpoint hangs with more than it may have at once', async () => {
    await configure(hung);
    await addSecret();
    await tell(60);
    await configure(hung, good);
    await tell(40);
    const posted = start();
    await vi.waitFor(() => expect(posted).toHaveLength(40), { timeout: 10_000 });
  }, 20_000);

  it('puts a message that cannot be made off like one that was refused, and tells in a word why', async () => {
    await configure(good);
    await addSecret();
    await tell();
    start({ vault: { open: async () => Promise.reject(new AppError('internal', 'sealed under kid-of-nobody')) } });
    const { rows } = await vi.waitFor(async () => {
      const found = await pool.query(
        `SELECT last_error, status, attempts, next_at > now() + interval '2 s' AS later FROM webhook_deliveries
         WHERE app = $1 AND last_error IS NOT NULL`,
        [app],
      );
      expect(found.rows).toHaveLength(1);
      return found;
    });
    expect(rows).toEqual([{ last_error: 'not-made', status: 'pending', attempts: 1, later: true }]);
  });

  it('spends no try of a message while the database does not tell how to make it', async () => {
    await configure(good);
    await addSecret();
    await tell();
    const secrets = vi.fn(async () => Promise.reject(new AppError('database-unavailable', 'away')));
    start({ store: { ...store, secrets } });
    await vi.waitFor(() => expect(secrets).toHaveBeenCalled());
    const { rows } = await pool.query('SELECT status, last_error FROM webhook_deliveries WHERE app = $1', [app]);
    expect(rows).toEqual([{ status: 'pending', last_error: null }]);
  });
});
