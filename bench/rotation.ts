/** Due connections through the whole refresh, against Temporal's bare bones, and against a cron job on PostgreSQL. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { ConnectionKey } from '../core/connection.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import { refreshSignal } from '../workflows/contract.ts';
import type { Benchmark, Claim, Effort, Findings } from './benchmark.ts';
import { connectMany } from './connect-many.ts';
import type { Rotation } from '../dev/sandbox/model/types.ts';
import { createCronRival } from './cron-rival.ts';
import { createEvergrantVictim } from './evergrant-victim.ts';
import { inLanes } from './in-lanes.ts';
import { interleave } from './interleave.ts';
import { killOften, type Losses, lossesOf, type Victim } from './kills.ts';
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
const WORKER = {
  CONCUR_RATE_PER_DATACENTER: '10000',
  // What was under way when a worker was killed is tried again after 2.4 times of the first, what timed out after the second.
  CONCUR_TIMEOUT: '8s',
  RETRY_SLOW_EVERY: '5s',
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

async function run(effort: Effort, place: Place): Promise<Findings> {
  return await measure(effort, place, await place.openBackend({ settings: { accessTokenTtlMs: LONG_LIFE_MS } }));
}

async function measure({ isQuick, say }: Effort, place: Place, backend: Backend): Promise<Findings> {
  const { rounds, ms, count } = isQuick
    ? { rounds: 1, ms: EVERY_MS, count: 80 }
    : { rounds: 5, ms: 3 * EVERY_MS, count: 450 };
  const database = new pg.Pool({ connectionString: backend.database.adminUrl, max: 2 });
  database.on('error', () => undefined);
  await backend.addApp('killed', 'strict');
  const start = () => backend.startWorker(WORKER);
  const evergrant = await createEvergrantVictim(backend, database, { app: 'killed', start });
  say(`connecting ${count} companies`);
  const keys = await connectMany(backend, { count });
  const [timer, cron] = await Promise.all([
    createTimerRival(place, { count, everyMs: EVERY_MS }),
    createCronRival(place, backend, { count, everyMs: EVERY_MS, lifeMs: SHORT_LIFE_MS }),
  ]);
  const victims = { evergrant, cron };
  try {
    say('kill -9 of each in the middle of its calls');
    // What became of them is looked up when all has come to rest, which takes half a minute.
    const strict = await killEach(backend, victims, { rotation: 'strict', times: isQuick ? 1 : 5 });
    const strictLosses = isQuick ? null : await strict.losses();
    const lax = isQuick ? null : await killEach(backend, victims, { rotation: 'lax', times: 5 });
    const laxLosses = (await lax?.losses()) ?? null;
    say(`${rounds} rounds of ${ms} ms each`);
    const rates = await interleave(rounds, {
      evergrant: () => evergrantRate(backend, database, keys, ms),
      timer: () => timer.rate(ms),
      cron: async () => {
        backend.sandbox.set({ accessTokenTtlMs: SHORT_LIFE_MS });
        return await cron.rate(ms);
      },
    });
    say('what the kills have cost');
    const lost = { strict: strictLosses ?? (await strict.losses()), lax: laxLosses };
    const { evergrant: ours = [], timer: bare = [], cron: sql = [] } = rates;
    const demanded = (count * 1_000) / EVERY_MS;
    return {
      claims: [
        {
          what: 'Evergrant / bare timer and empty activity, rotations/s',
          measured: spreadOf(ratios(ours, bare)),
          target: { sense: '>=', value: 0.7 },
        },
        {
          what: 'Evergrant / cron and SKIP LOCKED, rotations/s',
          measured: spreadOf(ratios(ours, sql)),
          target: null,
        },
        ...killClaims('strict', lost.strict),
        ...killClaims('lax', lost.lax),
        { what: 'Evergrant, rotations/s', measured: spreadOf(ours), target: null },
        { what: 'bare timer and empty activity, rotations/s', measured: spreadOf(bare), target: null },
        { what: 'cron and SKIP LOCKED, rotations/s', measured: spreadOf(sql), target: null },
      ],
      raw: { rotationsPerSecond: rates, lost, demandedPerSecond: demanded, connections: count },
      notes: [
        `${count} connections of each, due every ${EVERY_MS / 1_000} s: ${demanded} a second are asked for, and a rate near that is ` +
          'no limit of the contender. Temporal keeps its data in memory, PostgreSQL on the disk.',
        'The kill: 20 calls at once that Concur has acted upon, with the answers on their way; SIGKILL when the eighth has been sent. ' +
          'Under strict rotation the old token is dead by then, so what was on its way is lost to anybody; what was lost beyond ' +
          'that had been answered and was not on file yet. Then both run until nothing is open any more, and a connection is lost ' +
          'if the refresh token on file is of no use at Concur.',
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

type Victims = Readonly<Record<'evergrant' | 'cron', Victim>>;
type LossesOfEach = Readonly<Record<keyof Victims, Losses>>;

/** One after the other, so that each has the machine for itself. */
async function killEach(backend: Backend, { evergrant, cron }: Victims, how: Parameters<typeof killOften>[2]) {
  const ours = await killOften(backend, evergrant, how);
  const theirs = await killOften(backend, cron, how);
  return {
    async losses(): Promise<LossesOfEach> {
      return {
        evergrant: await lossesOf(backend, evergrant, ours),
        cron: await lossesOf(backend, cron, theirs),
      };
    },
  };
}

function killClaims(rotation: Rotation, losses: LossesOfEach | null): readonly Claim[] {
  if (losses === null) return [];
  const claim = (who: string, { lost, underWay, kills, calls }: Losses): Claim => ({
    what: `${who}: lost by kill -9, ${rotation} rotation (${kills} kills, ${calls} calls, ${underWay} answers not sent yet)`,
    measured: once(lost),
    target: null,
  });
  return [claim('Evergrant', losses.evergrant), claim('cron', losses.cron)];
}
