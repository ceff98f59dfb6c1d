/** Due connections through the whole refresh, against Temporal's bare bones, and against a cron job on PostgreSQL. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { ConnectionKey } from '../core/connection.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import { refreshSignal } from '../workflows/contract.ts';
import type { Benchmark, Claim, Effort, Findings } from './benchmark.ts';
import { connectMany } from './connect-many.ts';
import { createCronRival, type CronRival } from './cron-rival.ts';
import { inLanes } from './in-lanes.ts';
import { interleave } from './interleave.ts';
import type { Place } from './place.ts';
import { once, ratios, spreadOf } from './statistics.ts';
import { createTimerRival } from './timer-rival.ts';

/** The least that there may be between two refreshes of a connection; with it the fleet asks for more than can be done. */
const EVERY_MS = 5_000;
/** As Concur would give it: a third of its life is kept as reserve. */
const SHORT_LIFE_MS = 7_000;
const LONG_LIFE_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const QUIET_MS = 120_000;
/** Of the sandbox's answers while a process is killed: so that some are always on their way. */
const ANSWER_MS = 300;
const WORKER = {
  CONCUR_RATE_PER_DATACENTER: '10000',
  // What was under way when a worker was killed is tried again after 2.4 times of it.
  CONCUR_TIMEOUT: '5s',
  // Here the killed attempts are what is measured, not the brake that holds the others.
  MASS_DEATH_LIMIT: '100000,1',
  NODE_ENV: 'production',
};

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
  const worker = await backend.startWorker(WORKER);
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
    say('a kill -9 of each in the middle of it');
    const lost = await loseByKill(backend, database, { keys, worker, cron });
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
        ...killClaims(lost),
        { what: 'Evergrant, rotations/s', measured: spreadOf(evergrant), target: null },
        { what: 'bare timer and empty activity, rotations/s', measured: spreadOf(bare), target: null },
        { what: 'cron and SKIP LOCKED, rotations/s', measured: spreadOf(sql), target: null },
      ],
      raw: { rotationsPerSecond: rates, lost, demandedPerSecond: demanded, connections: count },
      notes: [
        `${count} connections of each, due every ${EVERY_MS / 1_000} s: ${demanded} a second are asked for, and a rate near that is ` +
          'no limit of the contender. The kill: Concur takes the old token away at once, and its answers are ' +
          `${ANSWER_MS} ms on their way. Temporal keeps its data in memory, PostgreSQL on the disk.`,
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
  await untilLongLived(database);
  return rate;
}

async function untilLongLived(database: pg.Pool): Promise<void> {
  await waitFor('all connections to have a long-lived token, or none', QUIET_MS, async () => {
    const { rows } = await database.query<{ count: string }>(
      `SELECT count(*) FROM connections
       WHERE state <> 'reauthorization-required' AND access_token_expires_at < now() + $1::float8 * interval '1 ms'`,
      [HOUR_MS],
    );
    return rows[0]?.count === '0' ? true : null;
  });
}

interface Losses {
  readonly evergrant: number;
  readonly cron: number;
  /** Calls that the kill found on their way. */
  readonly inFlight: { readonly evergrant: number; readonly cron: number };
}

/** A kill that found nothing under way says nothing about anybody. */
function killClaims({ evergrant, cron, inFlight }: Losses): readonly Claim[] {
  if (inFlight.evergrant === 0 || inFlight.cron === 0) return [];
  const claim = (who: string, lost: number, under: number): Claim => ({
    what: `connections that a kill -9 lost, ${who} (${under} calls on their way)`,
    measured: once(lost),
    target: null,
  });
  return [claim('Evergrant', evergrant, inFlight.evergrant), claim('cron', cron, inFlight.cron)];
}

/** Kills each with SIGKILL in the middle of its refreshes, starts it again, and counts what needs a human afterwards. */
async function loseByKill(
  backend: Backend,
  database: pg.Pool,
  parts: {
    readonly keys: readonly ConnectionKey[];
    readonly worker: { kill(): Promise<void> };
    readonly cron: CronRival;
  },
): Promise<Losses> {
  const { sandbox } = backend;
  const { keys, worker, cron } = parts;
  const open = (): number =>
    sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' }).filter(({ endedAtMs }) => endedAtMs === null)
      .length;
  const ownId = backend.clientIdOf('demo');
  for (const clientId of [ownId, cron.clientId]) sandbox.setRotation(clientId, 'strict');
  sandbox.set({ accessTokenTtlMs: LONG_LIFE_MS });
  const match = { endpoint: 'token', grantType: 'refresh_token' } as const;
  sandbox.fault({ kind: 'delay', ms: ANSWER_MS, when: 'after', match });
  const inFlight = { evergrant: 0, cron: 0 };

  const signals = inLanes(20, keys, (key) => backend.handle(key).signal(refreshSignal));
  await pause(2_000);
  inFlight.evergrant = open();
  await worker.kill();
  await signals;
  sandbox.clearFaults();
  await backend.startWorker(WORKER);
  // Killed attempts are looked at again once nobody can answer them any more; a read of each shows what is left.
  await pause(15_000);
  await inLanes(20, keys, (key) => backend.handle(key).signal(refreshSignal));
  await pause(15_000);
  await untilLongLived(database);
  const { rows } = await database.query<{ count: string }>(
    `SELECT count(*) FROM connections WHERE state = 'reauthorization-required'`,
  );

  sandbox.fault({ kind: 'delay', ms: ANSWER_MS, when: 'after', match });
  const lost = await cron.loseByKill(600, () => {
    inFlight.cron = open();
    sandbox.clearFaults();
  });
  return { evergrant: Number(rows[0]?.count), cron: lost, inFlight };
}
