/** Ten times as many open connections: what that does to a worker's memory, its start, and the deadlines. */
import pg from 'pg';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import type { ConnectionKey } from '../core/connection.ts';
import type { Benchmark, Claim, Effort, Findings } from './benchmark.ts';
import { seedFleet, startWorkflows } from './create-fleet.ts';
import { readDeadlines, readLateness, type Lateness } from './deadlines.ts';
import { inLanes } from './in-lanes.ts';
import { interleave } from './interleave.ts';
import { observedNodeArgs, startObservedWorker } from './observed-worker.ts';
import { CACHED_WORKFLOWS } from '../worker/worker.ts';
import { statusQuery } from '../workflows/contract.ts';
import type { Place } from './place.ts';
import { ratios, spreadOf } from './statistics.ts';

/** As Concur gives them: with 8 minutes ahead, a warm connection is refreshed every 51 minutes. */
const TOKEN_LIFE_MS = 3_600_000;
/** So short that something is due while a quick measurement lasts. */
const QUICK_LIFE_MS = 300_000;
/** What is not later than this is as good as kept. */
const KEPT_MS = 1_000;
/** Questions at once. */
const LANES = 20;
const LOADED_MS = 1_800_000;
const WORKER = { NODE_ENV: 'production' };
const MEGABYTE = 2 ** 20;

export const fleet: Benchmark = {
  name: 'fleet',
  about:
    'Open connections, all warm, each with its workflow: memory of the worker, its start with all of them waiting and ' +
    'with an empty cache, and how late refreshes begin; 10,000 against 1,000.',
  run,
};

async function run({ isQuick, say }: Effort, place: Place): Promise<Findings> {
  const plan: Plan = isQuick
    ? { few: 30, many: 300, rounds: 1, windowMs: 8_000, restMs: 2_000, lifeMs: QUICK_LIFE_MS }
    : { few: 1_000, many: 10_000, rounds: 3, windowMs: 30_000, restMs: 10_000, lifeMs: TOKEN_LIFE_MS };
  const { few, many, rounds, windowMs, restMs, lifeMs } = plan;
  const [small, large] = [
    await openFleet(place, { count: few, lifeMs }, say),
    await openFleet(place, { count: many, lifeMs }, say),
  ];
  try {
    const smallLoad = await load(small, restMs, say);
    const largeLoad = await load(large, restMs, say);
    say(`${rounds} rounds of ${windowMs} ms at steady state each`);
    const { small: smalls = [], large: larges = [] } = await interleave(rounds, {
      small: () => live(small, windowMs),
      large: () => live(large, windowMs),
    });
    const storage = { small: await storageOf(small), large: await storageOf(large) };
    return judge(plan, { smallLoad, largeLoad, smalls, larges, storage });
  } finally {
    await Promise.all([small.database.end(), large.database.end()]);
  }
}

interface Plan {
  readonly few: number;
  readonly many: number;
  readonly rounds: number;
  readonly windowMs: number;
  /** How long a worker that has loaded everything is looked at. */
  readonly restMs: number;
  readonly lifeMs: number;
}

interface Fleet {
  readonly count: number;
  readonly backend: Backend;
  readonly keys: readonly ConnectionKey[];
  readonly database: pg.Pool;
}

async function openFleet(
  place: Place,
  { count, lifeMs }: { readonly count: number; readonly lifeMs: number },
  say: Effort['say'],
): Promise<Fleet> {
  say(`putting ${count} connections on file`);
  const backend = await place.openBackend(
    { settings: { accessTokenTtlMs: lifeMs } },
    { name: `fleet_${count}`, nodeArgs: observedNodeArgs },
  );
  const database = new pg.Pool({ connectionString: backend.database.adminUrl, max: 2 });
  database.on('error', () => undefined);
  return { count, backend, database, keys: await seedFleet(backend, { count, lifeMs }) };
}

interface Load {
  readonly pollsAfterMs: number;
  readonly loadedAfterMs: number;
  readonly residentBytes: number;
  readonly heapBytes: { readonly main: number; readonly workflows: number };
}

/** All workflows wait for their first task when the worker starts. */
async function load({ backend, keys, count }: Fleet, restMs: number, say: Effort['say']): Promise<Load> {
  say(`starting ${count} workflows, then the worker`);
  await startWorkflows(backend, keys);
  const startedAtMs = performance.now();
  const worker = await startObservedWorker(backend, WORKER);
  const loadedAfterMs = await waitFor('all workflows to have looked at their rows', LOADED_MS, async () => {
    const loaded = await backend.client.workflow.count("ConnectionState = 'active'");
    return loaded.count >= count ? performance.now() - startedAtMs : null;
  });
  const residentBytes = await worker.residentBytes(restMs);
  const heapBytes = await worker.heapBytes();
  await worker.stop();
  return { pollsAfterMs: worker.startMs, loadedAfterMs, residentBytes, heapBytes };
}

interface Life {
  readonly pollsAfterMs: number;
  /** Connections that came due while no worker ran, and how long until the last of them was refreshed. */
  readonly dueAtStart: number;
  readonly caughtUpAfterMs: number;
  readonly residentBytes: number;
  readonly heapBytes: { readonly main: number; readonly workflows: number };
  readonly lateness: Lateness;
  readonly cpuMsPerRotation: number;
  readonly walBytesPerRotation: number;
}

/** A worker that starts with an empty cache, catches up, and then, its cache full, keeps the deadlines for a while. */
async function live({ backend, database, keys }: Fleet, windowMs: number): Promise<Life> {
  const startedAtMs = performance.now();
  const { rows } = await database.query<{ at: Date; due: string }>(
    'SELECT now() AS at, count(*) FILTER (WHERE next_action_at <= now()) AS due FROM connections',
  );
  const startedAt = rows[0]?.at;
  const worker = await startObservedWorker(backend, WORKER);
  const caughtUpAfterMs = await waitFor('what was due to be refreshed', LOADED_MS, async () => {
    const left = await database.query('SELECT FROM connections WHERE next_action_at <= $1 LIMIT 1', [startedAt]);
    return left.rowCount === 0 ? performance.now() - startedAtMs : null;
  });
  // At a few refreshes a second the cache of the small fleet would take half an hour to fill.
  await inLanes(LANES, keys.slice(0, CACHED_WORKFLOWS), (key) => backend.handle(key).query(statusQuery));
  // What came due meanwhile stood behind all that.
  await waitFor('the deadlines to be kept again', LOADED_MS, async () => {
    const late = await database.query(
      `SELECT FROM connections WHERE next_action_at < now() - $1 * interval '1 ms' LIMIT 1`,
      [KEPT_MS],
    );
    return late.rowCount === 0 ? true : null;
  });
  const [before, walBefore, cpuBefore] = [await readDeadlines(database), await walBytes(database), worker.cpuMs()];
  const residentBytes = await worker.residentBytes(windowMs);
  const [lateness, walAfter, cpuAfter] = [
    await readLateness(database, before),
    await walBytes(database),
    worker.cpuMs(),
  ];
  const heapBytes = await worker.heapBytes();
  await worker.stop();
  return {
    ...{ pollsAfterMs: worker.startMs, dueAtStart: Number(rows[0]?.due), caughtUpAfterMs, residentBytes, heapBytes },
    lateness,
    cpuMsPerRotation: (cpuAfter - cpuBefore) / lateness.refreshed,
    walBytesPerRotation: (walAfter - walBefore) / lateness.refreshed,
  };
}

async function walBytes(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ bytes: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes`,
  );
  return Number(rows[0]?.bytes);
}

/** Bytes of each table with its indexes. */
async function storageOf({ database }: Fleet): Promise<Readonly<Record<string, number>>> {
  const { rows } = await database.query<{ name: string; bytes: string }>(
    `SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  return Object.fromEntries(rows.map(({ name, bytes }) => [name, Number(bytes)]));
}

/** Bytes that one more connection takes in each table that grows with them. */
function bytesPerConnection({ few, many }: Plan, { small, large }: Measured['storage']): Record<string, number> {
  const grown = Object.entries(large).map(
    ([name, bytes]) => [name, Math.round((bytes - (small[name] ?? 0)) / (many - few))] as const,
  );
  return Object.fromEntries(grown.filter(([, bytes]) => bytes > 0));
}

interface Measured {
  readonly smallLoad: Load;
  readonly largeLoad: Load;
  readonly smalls: readonly Life[];
  readonly larges: readonly Life[];
  readonly storage: {
    readonly small: Readonly<Record<string, number>>;
    readonly large: Readonly<Record<string, number>>;
  };
}

function judge(plan: Plan, { storage, ...measured }: Measured): Findings {
  const { few, many, windowMs, lifeMs } = plan;
  const { smallLoad, largeLoad, smalls, larges } = measured;
  // Where the small one does not fill the cache, it is the cache that would be compared.
  const isFull = few >= CACHED_WORKFLOWS;
  const perConnection = bytesPerConnection(plan, storage);
  const show = (what: string, of: readonly number[]): Claim => ({ what, measured: spreadOf(of), target: null });
  const atMost = (what: string, of: readonly number[], value: number): Claim => ({
    what,
    measured: spreadOf(of),
    target: { sense: '<=', value },
  });
  const grows = (what: string, of: readonly number[]): Claim => (isFull ? atMost(what, of, 1.3) : show(what, of));
  const each = (what: string, value: (life: Life) => number): readonly Claim[] => [
    show(`${few}: ${what}`, smalls.map(value)),
    show(`${many}: ${what}`, larges.map(value)),
  ];
  const loads = (what: string, value: (load: Load) => number): readonly Claim[] => [
    show(`${few}: ${what}`, [value(smallLoad)]),
    show(`${many}: ${what}`, [value(largeLoad)]),
  ];
  const resident = (one: Load | Life): number => one.residentBytes;
  const perSecond = (lives: readonly Life[]): string =>
    ((lives.reduce((sum, { lateness }) => sum + lateness.refreshed, 0) * 1_000) / (windowMs * lives.length)).toFixed(1);
  return {
    claims: [
      grows(`worker's memory (RSS), ${many} / ${few}`, ratios(larges.map(resident), smalls.map(resident))),
      grows('the same, of the worker that has just loaded all of them', [resident(largeLoad) / resident(smallLoad)]),
      atMost(
        `${many}: lateness of refreshes, p99, s`,
        larges.map(({ lateness }) => lateness.p99Ms / 1_000),
        30,
      ),
      show(
        `${few}: the same`,
        smalls.map(({ lateness }) => lateness.p99Ms / 1_000),
      ),
      ...each('lateness, p50, s', ({ lateness }) => lateness.p50Ms / 1_000),
      ...each('lateness, most, s', ({ lateness }) => lateness.mostMs / 1_000),
      ...each("worker's memory (RSS), MB", (life) => life.residentBytes / MEGABYTE),
      ...loads('the same, with all just loaded, MB', (one) => one.residentBytes / MEGABYTE),
      ...each('heap in use, main thread, MB', ({ heapBytes }) => heapBytes.main / MEGABYTE),
      ...each("heap in use, workflows' thread, MB", ({ heapBytes }) => heapBytes.workflows / MEGABYTE),
      ...loads('the same, with all just loaded, MB', ({ heapBytes }) => heapBytes.workflows / MEGABYTE),
      ...each('start of the process until it polls, s', ({ pollsAfterMs }) => pollsAfterMs / 1_000),
      ...loads('start with all workflows waiting, until all sleep, s', ({ loadedAfterMs }) => loadedAfterMs / 1_000),
      ...each('start with an empty cache: due by then', ({ dueAtStart }) => dueAtStart),
      ...each('until the last of those was refreshed, s', ({ caughtUpAfterMs }) => caughtUpAfterMs / 1_000),
      ...each("worker's CPU, ms a rotation", ({ cpuMsPerRotation }) => cpuMsPerRotation),
      ...each('write-ahead log, bytes a rotation', ({ walBytesPerRotation }) => walBytesPerRotation),
      show('PostgreSQL, bytes of one more connection', [
        Object.values(perConnection).reduce((sum, bytes) => sum + bytes, 0),
      ]),
    ],
    raw: { ...plan, ...measured, bytesPerConnection: perConnection },
    notes: [
      `All connections are warm, with tokens of ${lifeMs / 60_000} minutes (SAP Concur's live for 60), refreshed 8 minutes or a third of ` +
        `that ahead: ${perSecond(larges)} and ${perSecond(smalls)} refreshes a second. Idle ones ask for less of everything. One worker each, ` +
        `they take turns. Lateness from the rows: when the call was sent, against the deadline that was on file; what was due and ` +
        'not refreshed yet counts with its age.',
      isFull
        ? `A worker keeps ${CACHED_WORKFLOWS} workflows in memory; before the steady state is looked at, that cache is filled by queries.`
        : `Too few for more than a look: a worker keeps ${CACHED_WORKFLOWS} workflows in memory, so that its memory grows up to there, and only the ` +
          'full run, of 1,000 and 10,000, is judged by it.',
    ],
  };
}
