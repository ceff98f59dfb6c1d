/** What a connection costs where Temporal is paid by the action: counted by the server itself. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectionKey } from '../core/connection.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import { actionsByType, countActions } from './action-counter.ts';
import type { Benchmark, Claim, Effort, Findings } from './benchmark.ts';
import { connectMany } from './connect-many.ts';
import type { Place } from './place.ts';
import { refreshSignal } from '../workflows/contract.ts';
import { once, spreadOf } from './statistics.ts';
import { startTokenClient } from './token-client.ts';

const DAY_MS = 86_400_000;
const MONTH_MS = 30 * DAY_MS;
/** As Concur gives them. */
const TOKEN_LIFE_MS = 3_600_000;
const KEEP_ALIVES_A_MONTH = 1 / 0.975;
/** With a life of an hour, 8 minutes ahead and a mean jitter of 2.5 %. */
const WARM_INTERVAL_MS = (TOKEN_LIFE_MS - 480_000) * 0.975;
/** A warm connection starts a new run about daily. */
const NEW_RUNS_A_MONTH = 30;
const SHORT_LIFE_MS = 8_000;
const READS = 500;
/** Less than lies between two rotations. */
const SETTLE_MS = 2_000;

export const cost: Benchmark = {
  name: 'cost',
  about:
    "Billable actions, from the server's own counter, of rotations, keep-alives and reads; history bytes of a rotation " +
    'and of a connection at rest. Against the least there can be: a timer and an activity.',
  run,
};

async function run(effort: Effort): Promise<Findings> {
  const place = await effort.openPlace();
  try {
    return await measure(effort, place, await place.openBackend({ settings: { accessTokenTtlMs: SHORT_LIFE_MS } }));
  } finally {
    await place.close();
  }
}

async function measure({ isQuick, say }: Effort, place: Place, backend: Backend): Promise<Findings> {
  const { count, turns } = isQuick ? { count: 10, turns: 2 } : { count: 40, turns: 12 };
  const actions = (): Promise<number> => countActions(place.temporalMetricsUrl);
  const env = { CONCUR_RATE_PER_DATACENTER: '1000', NODE_ENV: 'production' };

  say(`${count} warm connections, ${turns} rotations each`);
  const warmWorker = await backend.startWorker(env);
  const beforeConnect = await actions();
  const keys = await connectMany(backend, { count });
  const perConnect = ((await actions()) - beforeConnect) / count;
  const warm = await overRotations(backend, keys, turns, actions);
  const sizes = warm.bytesPerRotation;
  const open = await Promise.all(keys.map((key) => historyBytes(backend, key)));

  say('the same connections at rest, and read');
  backend.sandbox.set({ accessTokenTtlMs: TOKEN_LIFE_MS });
  await untilLongLived(backend, keys);
  const perRead = await actionsPerRead(place, backend, keys, actions);
  await warmWorker.stop();

  say('idle connections: a keep-alive every few seconds instead of every 30 days');
  await backend.startWorker({ ...env, WARM_WINDOW: '0s', KEEP_ALIVE_EVERY: '6s', JITTER: '0' });
  await Promise.all(keys.map((key) => backend.handle(key).signal(refreshSignal)));
  await pause(3_000);
  const idle = await overRotations(backend, keys, turns, actions);

  const rotations = MONTH_MS / WARM_INTERVAL_MS;
  const perMonth = warm.actionsPerRotation * rotations + NEW_RUNS_A_MONTH;
  const least = 2 * rotations + NEW_RUNS_A_MONTH;
  const claims: Claim[] = [
    {
      what: 'warm: actions a month / (2 a rotation + new runs)',
      measured: once(perMonth / least),
      target: { sense: '<=', value: 1.05 },
    },
    {
      what: 'idle: actions a month',
      measured: once(idle.actionsPerRotation * KEEP_ALIVES_A_MONTH),
      target: { sense: '<=', value: 4 },
    },
    { what: 'read of a fresh token: actions', measured: once(perRead), target: { sense: '<=', value: 0 } },
    { what: 'history bytes of a rotation', measured: spreadOf(sizes), target: { sense: '<=', value: 2_500 } },
    {
      what: 'history bytes of an open connection at rest',
      measured: spreadOf(open),
      target: { sense: '<=', value: 80_000 },
    },
    { what: 'actions of a rotation', measured: once(warm.actionsPerRotation), target: null },
    { what: 'actions of a connect', measured: once(perConnect), target: null },
    { what: 'warm: actions a month', measured: once(perMonth), target: null },
  ];
  return {
    claims,
    raw: { warm, idle, openBytes: open, reads: READS, actionsByType: await actionsByType(place.temporalMetricsUrl) },
    notes: [
      `A month of a warm connection: ${Math.round(rotations)} rotations (tokens of an hour, 8 minutes ahead, mean jitter) at the measured ` +
        `actions each, and ${NEW_RUNS_A_MONTH} new runs. An idle one: a keep-alive every 30 days, which is the same rotation.`,
    ],
  };
}

async function overRotations(
  backend: Backend,
  keys: readonly ConnectionKey[],
  turns: number,
  actions: () => Promise<number>,
): Promise<{ rotations: number; actions: number; actionsPerRotation: number; bytesPerRotation: readonly number[] }> {
  const look = async () =>
    await Promise.all(
      keys.map(async (key) => ({
        version: (await backend.connection(key)).version,
        bytes: await historyBytes(backend, key),
      })),
    );
  const before = await look();
  const actionsBefore = await actions();
  await waitFor('the rotations', 600_000, async () => {
    const now = await look();
    return now.every(({ version }, index) => version >= (before[index]?.version ?? 0) + turns) ? true : null;
  });
  // Between two rotations: each has its timer by now.
  await pause(SETTLE_MS);
  const [after, actionsAfter] = [await look(), await actions()];
  const rotations = after.reduce((sum, { version }, index) => sum + version - (before[index]?.version ?? 0), 0);
  const counted = actionsAfter - actionsBefore;
  return {
    rotations,
    actions: counted,
    actionsPerRotation: counted / rotations,
    bytesPerRotation: after.map(({ version, bytes }, index) => {
      const from = before[index] ?? { version: 0, bytes: 0 };
      return (bytes - from.bytes) / (version - from.version);
    }),
  };
}

async function historyBytes(backend: Backend, key: ConnectionKey): Promise<number> {
  return (await backend.handle(key).describe()).historySize ?? Number.NaN;
}

async function untilLongLived(backend: Backend, keys: readonly ConnectionKey[]): Promise<void> {
  await waitFor('every connection to have a token of an hour', 60_000, async () => {
    const connections = await Promise.all(keys.map((key) => backend.connection(key)));
    const isLong = connections.every(
      ({ accessTokenExpiresAtMs }) => (accessTokenExpiresAtMs ?? 0) > Date.now() + TOKEN_LIFE_MS / 2,
    );
    return isLong ? true : null;
  });
}

async function actionsPerRead(
  place: Place,
  backend: Backend,
  keys: readonly ConnectionKey[],
  actions: () => Promise<number>,
): Promise<number> {
  const api = await startTokenClient(place, backend);
  const before = await actions();
  for (let read = 0; read < READS; read += 1) {
    const key = keys[read % keys.length];
    if (key !== undefined) await api.read(key);
  }
  const counted = (await actions()) - before;
  await api.close();
  return counted / READS;
}
