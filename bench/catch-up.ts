/** After an outage everything is due at once: how long that takes under the rate cap, and whether anybody has to wait. */
import { setTimeout as pause } from 'node:timers/promises';
import proto from '@temporalio/proto';
import pg from 'pg';
import type { ConnectionKey } from '../core/connection.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import { refreshSignal } from '../workflows/contract.ts';
import type { Benchmark, Effort, Findings } from './benchmark.ts';
import { connectMany } from './connect-many.ts';
import { inLanes } from './in-lanes.ts';
import type { Place } from './place.ts';
import { once, spreadOf } from './statistics.ts';
import { startTokenClient, type TokenClient } from './token-client.ts';

const { EventType } = proto.temporal.api.enums.v1;
const EVENT_PREFIX = 'EVENT_TYPE_';
const LONG_LIFE_MS = 24 * 3_600_000;
const WINDOW_MS = 10_000;

interface Size {
  readonly count: number;
  /** Calls per second and data centre. */
  readonly cap: number;
  /** So short that all tokens are dead after seconds of outage, as after an hour of it with Concur's. */
  readonly lifeMs: number;
  /** Reads of tokens while the queue is being worked off, evenly over it. */
  readonly reads: number;
  readonly rounds: number;
}

const quick: Size = { count: 120, cap: 10, lifeMs: 12_000, reads: 4, rounds: 1 };
const full: Size = { count: 900, cap: 20, lifeMs: 30_000, reads: 12, rounds: 3 };

export const catchUp: Benchmark = {
  name: 'catch-up',
  about:
    'All connections are due, their tokens dead, when the worker comes back: the time until all are refreshed against ' +
    'due / cap, the calls in any 10 s against the promise, and reads in the middle of it.',
  run,
};

async function run(effort: Effort, place: Place): Promise<Findings> {
  const size = effort.isQuick ? quick : full;
  const settings = { accessTokenTtlMs: size.lifeMs };
  return await measure(effort, place, await place.openBackend({ settings, callLimit: 20_000 }), size);
}

/** One catch-up. */
interface Round {
  readonly tookMs: number;
  /** Most calls in any {@link WINDOW_MS}. */
  readonly mostCalls: number;
  readonly readsMs: readonly number[];
  /** What the slowest read waited for, by the history of its workflow. */
  readonly slowest: readonly string[];
}

async function measure({ say }: Effort, place: Place, backend: Backend, size: Size): Promise<Findings> {
  const { count, cap, lifeMs, rounds } = size;
  const database = new pg.Pool({ connectionString: backend.database.adminUrl, max: 2 });
  database.on('error', () => undefined);
  try {
    say(`connecting ${count} companies`);
    const api = await startTokenClient(place, backend);
    let worker = await backend.startWorker(uncapped);
    await connectMany(backend, { count, lanes: 10 });
    const results: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      if (round > 1) {
        // With a short life again, by a refresh of each.
        worker = await backend.startWorker(uncapped);
        await shortenLives(backend, database, lifeMs);
      }
      await worker.stop();
      say(`round ${round}: no worker until all tokens are dead`);
      await pause(lifeMs);
      backend.sandbox.set({ accessTokenTtlMs: LONG_LIFE_MS });
      worker = await backend.startWorker({ CONCUR_RATE_PER_DATACENTER: String(cap), NODE_ENV: 'production' });
      say(`the worker is back, ${cap} calls a second`);
      results.push(await catchUpOnce(backend, database, api, size));
      await worker.stop();
    }
    await api.close();
    return report(size, results);
  } finally {
    await database.end();
  }
}

const uncapped = { CONCUR_RATE_PER_DATACENTER: '10000', NODE_ENV: 'production' };

async function shortenLives(backend: Backend, database: pg.Pool, lifeMs: number): Promise<void> {
  backend.sandbox.set({ accessTokenTtlMs: lifeMs });
  const { rows } = await database.query<ConnectionKey>('SELECT app, principal FROM connections');
  await inLanes(20, rows, (key) => backend.handle(key).signal(refreshSignal));
  await waitFor('all connections to have a short-lived token', 300_000, async () =>
    (await countLongLived(database)) === 0 ? true : null,
  );
}

async function catchUpOnce(backend: Backend, database: pg.Pool, api: TokenClient, size: Size): Promise<Round> {
  const { count, cap, reads } = size;
  const startedAtMs = performance.now();
  const backAtMs = Date.now();
  const idealMs = (count * 1_000) / cap;
  const done: { readonly key: ConnectionKey; readonly ms: number; readonly atMs: number }[] = [];
  for (let read = 0; read < reads; read += 1) {
    const share = 0.2 + (0.6 * read) / Math.max(1, reads - 1);
    await waitFor('its share of the refreshes', 10 * idealMs, async () =>
      (await countLongLived(database)) >= count * share ? true : null,
    );
    const { rows } = await database.query<ConnectionKey>(
      `SELECT app, principal FROM connections WHERE access_token_expires_at < now() ORDER BY md5(principal) LIMIT 1`,
    );
    const [key] = rows;
    const atMs = Date.now();
    if (key !== undefined) done.push({ key, atMs, ms: await api.read(key) });
  }
  await waitFor('all refreshes', 10 * idealMs, async () => ((await countLongLived(database)) >= count ? true : null));
  const tookMs = performance.now() - startedAtMs;
  const calls = backend.sandbox
    .calls({ endpoint: 'token', grantType: 'refresh_token' })
    .map(({ startedAtMs: atMs }) => atMs)
    .filter((atMs) => atMs >= backAtMs);
  const slowest = done.toSorted((a, b) => b.ms - a.ms)[0];
  return {
    tookMs,
    mostCalls: mostWithin(calls, WINDOW_MS),
    readsMs: done.map(({ ms }) => Math.round(ms)),
    slowest: slowest === undefined ? [] : await eventsSince(backend, slowest.key, slowest.atMs),
  };
}

async function countLongLived(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ count: string }>(
    `SELECT count(*) FROM connections WHERE access_token_expires_at > now() + interval '1 hour'`,
  );
  return Number(rows[0]?.count);
}

/** Each event with the milliseconds that it came after the read. */
async function eventsSince(backend: Backend, key: ConnectionKey, sinceMs: number): Promise<readonly string[]> {
  const { events } = await backend.handle(key).fetchHistory();
  return (events ?? []).flatMap(({ eventTime, eventType }) => {
    const afterMs = Number(eventTime?.seconds) * 1_000 + (eventTime?.nanos ?? 0) / 1_000_000 - sinceMs;
    return afterMs < 0 ? [] : [`${Math.round(afterMs)} ${EventType[eventType ?? 0]?.slice(EVENT_PREFIX.length)}`];
  });
}

function report({ count, cap }: Size, results: readonly Round[]): Findings {
  const idealMs = (count * 1_000) / cap;
  // A second's worth of calls may come at once, from each worker.
  const promised = cap * (WINDOW_MS / 1_000 + 1);
  const readsMs = results.flatMap((round) => round.readsMs);
  return {
    claims: [
      {
        what: 'time until all are refreshed / (due / cap)',
        measured: spreadOf(results.map(({ tookMs }) => tookMs / idealMs)),
        target: { sense: '<=', value: 1.2 },
      },
      {
        what: 'most calls in any 10 s / (cap x 10 and one burst of a second)',
        measured: once(Math.max(...results.map(({ mostCalls }) => mostCalls / promised))),
        target: { sense: '<=', value: 1 },
      },
      {
        what: 'longest read in the middle of it, ms',
        measured: once(Math.max(...readsMs)),
        target: { sense: '<=', value: 2_000 },
      },
      { what: 'reads in the middle of it, ms', measured: spreadOf(readsMs), target: null },
      {
        what: 'time until all are refreshed, s',
        measured: spreadOf(results.map(({ tookMs }) => tookMs / 1_000)),
        target: null,
      },
    ],
    raw: { connections: count, capPerSecond: cap, idealMs, rounds: results },
    notes: [
      `${count} connections, all with a dead token, ${cap} calls a second to their data centre. From the moment the new worker polls. ` +
        'Reads are of connections that are still to come: their refresh waits in the queue already, behind the others.',
    ],
  };
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
