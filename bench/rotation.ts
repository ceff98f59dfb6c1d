/** Due connections through the whole refresh, against Temporal's bare bones, and against a cron job on PostgreSQL. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { ConnectionKey } from '../core/connection.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import { refreshSignal } from '../workflows/contract.ts';
import type { Benchmark, Effort, Findings } from './benchmark.ts';
import { connectMany } from './connect-many.ts';
import { createCronRival } from './cron-rival.ts';
import { inLanes } from './in-lanes.ts';
import { interleave } from './interleave.ts';
import type { Place } from './place.ts';
import { ratios, spreadOf } from './statistics.ts';
import { createTimerRival } from './timer-rival.ts';

/** The least that there may be between two refreshes of a connection; with it the fleet asks for more than can be done. */
const EVERY_MS = 5_000;
/** As Concur would give it: a third of its life is kept as reserve. */
const SHORT_LIFE_MS = 7_000;
const LONG_LIFE_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const QUIET_MS = 60_000;

export const rotation: Benchmark = {
  name: 'rotation',
  about:
    'Refreshes per second of warm connections whose tokens live for seconds (timer, call to the sandbox, tokens sealed ' +
    'and saved, audit); against a bare timer and an empty activity, and against cron with FOR UPDATE SKIP LOCKED.',
  run,
};

async function run(effort: Effort): Promise<Findings> {
  const place = await effort.openPlace();
  try {
    const backend = await place.openBackend({ settings: { accessTokenTtlMs: LONG_LIFE_MS } });
    return await measure(effort, place, backend);
  } finally {
    await place.close();
  }
}

async function measure({ isQuick, say }: Effort, place: Place, backend: Backend): Promise<Findings> {
  const { rounds, ms, count } = isQuick
    ? { rounds: 1, ms: EVERY_MS, count: 100 }
    : { rounds: 5, ms: 3 * EVERY_MS, count: 450 };
  await backend.startWorker({ CONCUR_RATE_PER_DATACENTER: '10000', NODE_ENV: 'production' });
  say(`connecting ${count} companies`);
  const keys = await connectMany(backend, { count });
  const [timer, cron] = await Promise.all([
    createTimerRival(place, { count, everyMs: EVERY_MS }),
    createCronRival(place, backend, { count, everyMs: EVERY_MS, lifeMs: SHORT_LIFE_MS }),
  ]);
  const database = new pg.Pool({ connectionString: backend.database.adminUrl, max: 2 });
  database.on('error', () => undefined);
  try {
    say(`${rounds} rounds of ${ms} ms each`);
    const rates = await interleave(rounds, {
      evergrant: () => evergrantRate(backend, database, keys, ms),
      timer: () => timer.rate(ms),
      cron: async () => {
        backend.sandbox.set({ accessTokenTtlMs: SHORT_LIFE_MS });
        return await cron.rate(ms);
      },
    });
    const { evergrant = [], timer: bare = [], cron: sql = [] } = rates;
    const demanded = (count * 1_000) / EVERY_MS;
    return {
      claims: [
        {
          what: 'Evergrant / bare timer and empty activity, rotations/s',
          measured: spreadOf(ratios(evergrant, bare)),
          target: { sense: '>=', value: 0.7 },
        },
        {
          what: 'Evergrant / cron and SKIP LOCKED, rotations/s',
          measured: spreadOf(ratios(evergrant, sql)),
          target: null,
        },
        { what: 'Evergrant, rotations/s', measured: spreadOf(evergrant), target: null },
        { what: 'bare timer and empty activity, rotations/s', measured: spreadOf(bare), target: null },
        { what: 'cron and SKIP LOCKED, rotations/s', measured: spreadOf(sql), target: null },
      ],
      raw: { rotationsPerSecond: rates, demandedPerSecond: demanded, connections: count },
      notes: [
        `${count} connections of each, due every ${EVERY_MS / 1_000} s: ${demanded} a second are asked for, and a rate near that is ` +
          'no limit of the contender. Temporal keeps its data in memory, PostgreSQL on the disk.',
      ],
    };
  } finally {
    await cron.close();
    await database.end();
  }
}

async function evergrantRate(backend: Backend, database: pg.Pool, keys: readonly ConnectionKey[], ms: number) {
  backend.sandbox.set({ accessTokenTtlMs: SHORT_LIFE_MS });
  await inLanes(20, keys, (key) => backend.handle(key).signal(refreshSignal));
  // The first deadlines of all have come.
  await pause(EVERY_MS * 1.5);
  const versions = async (): Promise<number> => {
    const { rows } = await database.query<{ sum: string }>('SELECT sum(version) FROM connections');
    return Number(rows[0]?.sum);
  };
  const before = await versions();
  const startedAtMs = performance.now();
  await pause(ms);
  const rate = ((await versions()) - before) / ((performance.now() - startedAtMs) / 1_000);
  backend.sandbox.set({ accessTokenTtlMs: LONG_LIFE_MS });
  await waitFor('all connections to have a long-lived token', QUIET_MS, async () => {
    const { rows } = await database.query<{ count: string }>(
      `SELECT count(*) FROM connections WHERE access_token_expires_at < now() + $1::float8 * interval '1 ms'`,
      [HOUR_MS],
    );
    return rows[0]?.count === '0' ? true : null;
  });
  return rate;
}
