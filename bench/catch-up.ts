/** After an outage everything is due at once: how long that takes under the rate cap, and whether anybody has to wait. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import type { Benchmark, Effort, Findings } from './benchmark.ts';
import { connectMany } from './connect-many.ts';
import type { Place } from './place.ts';
import { once } from './statistics.ts';
import { startTokenClient } from './token-client.ts';

/** So short that all tokens are dead after seconds of outage, as after an hour of it with Concur's. */
const SHORT_LIFE_MS = 30_000;
const LONG_LIFE_MS = 24 * 3_600_000;
const WINDOW_MS = 10_000;

export const catchUp: Benchmark = {
  name: 'catch-up',
  about:
    'All connections are due, their tokens dead, when the worker comes back: the time until all are refreshed against ' +
    'due / cap, the calls in any 10 s against the promise, and a read in the middle of it.',
  run,
};

async function run(effort: Effort): Promise<Findings> {
  const place = await effort.openPlace();
  try {
    const settings = { accessTokenTtlMs: SHORT_LIFE_MS };
    return await measure(effort, place, await place.openBackend({ settings, callLimit: 20_000 }));
  } finally {
    await place.close();
  }
}

async function measure({ isQuick, say }: Effort, place: Place, backend: Backend): Promise<Findings> {
  const { count, cap } = isQuick ? { count: 100, cap: 8 } : { count: 900, cap: 20 };
  const database = new pg.Pool({ connectionString: backend.database.adminUrl, max: 2 });
  database.on('error', () => undefined);
  try {
    say(`connecting ${count} companies`);
    const api = await startTokenClient(place, backend);
    const before = await backend.startWorker({ CONCUR_RATE_PER_DATACENTER: '10000', NODE_ENV: 'production' });
    const keys = await connectMany(backend, { count });
    await before.stop();
    say('no worker until all tokens are dead');
    await pause(SHORT_LIFE_MS);
    backend.sandbox.set({ accessTokenTtlMs: LONG_LIFE_MS });

    const refreshed = async (): Promise<number> => {
      const { rows } = await database.query<{ count: string }>(
        `SELECT count(*) FROM connections WHERE access_token_expires_at > now() + interval '1 hour'`,
      );
      return Number(rows[0]?.count);
    };
    await backend.startWorker({ CONCUR_RATE_PER_DATACENTER: String(cap), NODE_ENV: 'production' });
    const startedAtMs = performance.now();
    const backAtMs = Date.now();
    say(`the worker is back, ${cap} calls a second`);
    const idealMs = (count * 1_000) / cap;
    const readsMs: number[] = [];
    for (const share of [0.3, 0.5, 0.7]) {
      await waitFor('its share of the refreshes', 10 * idealMs, async () =>
        (await refreshed()) >= count * share ? true : null,
      );
      const { rows } = await database.query<{ app: string; principal: string }>(
        `SELECT app, principal FROM connections WHERE access_token_expires_at < now() ORDER BY md5(principal) LIMIT 1`,
      );
      const [key] = rows;
      if (key !== undefined) readsMs.push(await api.read(key));
    }
    await waitFor('all refreshes', 10 * idealMs, async () => ((await refreshed()) >= keys.length ? true : null));
    const tookMs = performance.now() - startedAtMs;
    const calls = backend.sandbox
      .calls({ endpoint: 'token', grantType: 'refresh_token' })
      .map(({ startedAtMs: atMs }) => atMs)
      .filter((atMs) => atMs >= backAtMs);
    await api.close();
    return {
      claims: [
        {
          what: 'time until all are refreshed / (due / cap)',
          measured: once(tookMs / idealMs),
          target: { sense: '<=', value: 1.2 },
        },
        {
          what: 'most calls in any 10 s / (cap x 10 and one burst of a second)',
          measured: once(mostWithin(calls, WINDOW_MS) / (cap * (WINDOW_MS / 1_000 + 1))),
          target: { sense: '<=', value: 1 },
        },
        {
          what: 'longest read in the middle of it, ms',
          measured: once(Math.max(...readsMs)),
          target: { sense: '<=', value: 2_000 },
        },
        { what: 'time until all are refreshed, s', measured: once(tookMs / 1_000), target: null },
      ],
      raw: { connections: count, capPerSecond: cap, idealMs, tookMs, readsMs, calls: calls.length },
      notes: [
        `${count} connections, all with a dead token, ${cap} calls a second to their data centre. From the moment the new worker polls. ` +
          'Reads are of connections that are still to come.',
      ],
    };
  } finally {
    await database.end();
  }
}

/** The most of these moments that lie within one window. */
function mostWithin(atMs: readonly number[], windowMs: number): number {
  const sorted = [...atMs].sort((a, b) => a - b);
  let most = 0;
  let first = 0;
  sorted.forEach((at, last) => {
    while (at - (sorted[first] ?? at) >= windowMs) first += 1;
    most = Math.max(most, last - first + 1);
  });
  return most;
}
