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
import { startRivalWorker } from './rival-worker.ts';
import { startSignal } from './rivals/workflows.ts';
import { once, spreadOf } from './statistics.ts';
import { startTokenClient } from './token-client.ts';

const DAY_MS = 86_400_000;
const MONTH_MS = 30 * DAY_MS;
/** As Concur gives them. */
const TOKEN_LIFE_MS = 3_600_000;
const KEEP_ALIVES_A_MONTH = 1 / 0.975;
/** A warm connection starts a new run about daily: the continue-as-new, and the activity that reads its row. */
const NEW_RUNS_A_MONTH = 30;
const ACTIONS_A_NEW_RUN = 2;
const SHORT_LIFE_MS = 8_000;
/** Of the bare timers and activities: so that both sides have something to count within seconds. */
const BARE_LOOPS = 5;
/** Timer started and fired, activity scheduled, started and completed, and three for each of two workflow tasks. */
const EVENTS_OF_A_TURN = 11;
/** Every 51 minutes: the 29th comes after 24 hours, and after it a new run begins. */
const ROTATIONS_A_DAY = 29;
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

async function run(effort: Effort, place: Place): Promise<Findings> {
  return await measure(effort, place, await place.openBackend({ settings: { accessTokenTtlMs: SHORT_LIFE_MS } }));
}

async function measure({ isQuick, say }: Effort, place: Place, backend: Backend): Promise<Findings> {
  const { count, turns, idleTurns } = isQuick
    ? { count: 10, turns: 3, idleTurns: 2 }
    : { count: 40, turns: ROTATIONS_A_DAY, idleTurns: 8 };
  const actions = (): Promise<number> => countActions(place.temporalMetricsUrl);
  const env = { CONCUR_RATE_PER_DATACENTER: '1000', NODE_ENV: 'production' };

  say(`${count} warm connections, ${turns} rotations each`);
  const warmWorker = await backend.startWorker(env);
  const beforeConnect = await actions();
  const keys = await connectMany(backend, { count });
  // The row says active before the workflow has set its timer.
  await pause(SETTLE_MS);
  const perConnect = ((await actions()) - beforeConnect) / count;
  const connected = await Promise.all(keys.map((key) => historyBytes(backend, key)));
  const warm = await overRotations(backend, keys, turns, actions);
  const sizes = warm.bytesPerRotation;
  const open = isQuick
    ? connected.map((bytes, index) => bytes + ROTATIONS_A_DAY * (sizes[index] ?? Number.NaN))
    : await Promise.all(keys.map((key) => historyBytes(backend, key)));

  say('the same connections at rest, and read');
  backend.sandbox.set({ accessTokenTtlMs: TOKEN_LIFE_MS });
  const intervalMs = await untilLongLived(backend, keys);
  const perRead = await actionsPerRead(place, backend, keys, actions);
  await warmWorker.stop();

  say('idle connections: a keep-alive every few seconds instead of every 30 days');
  await backend.startWorker({ ...env, WARM_WINDOW: '0s', KEEP_ALIVE_EVERY: '6s', JITTER: '0' });
  await Promise.all(keys.map((key) => backend.handle(key).signal(refreshSignal)));
  await pause(3_000);
  const idle = await overRotations(backend, keys, idleTurns, actions);

  say('bare timers and activities');
  const bareSizes = await bareHistoryBytes(place, isQuick ? 4 : 10);

  const rotations = MONTH_MS / intervalMs;
  const perMonth = warm.actionsPerRotation * rotations + NEW_RUNS_A_MONTH * ACTIONS_A_NEW_RUN;
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
    { what: 'the same of a bare timer and empty activity', measured: spreadOf(bareSizes), target: null },
    {
      what: `history bytes of an open connection after a day: its connect, ${ROTATIONS_A_DAY} rotations${isQuick ? ', computed' : ''}`,
      measured: spreadOf(open),
      target: { sense: '<=', value: 80_000 },
    },
    { what: 'actions of a rotation', measured: once(warm.actionsPerRotation), target: null },
    { what: 'actions of a connect', measured: once(perConnect), target: null },
    { what: 'warm: actions a month', measured: once(perMonth), target: null },
    {
      what: 'warm: minutes between two rotations, of tokens of an hour',
      measured: once(intervalMs / 60_000),
      target: null,
    },
    { what: 'history bytes of a connect', measured: spreadOf(connected), target: null },
  ];
  return {
    claims,
    raw: {
      warm,
      idle,
      bareBytesPerTurn: bareSizes,
      connectBytes: connected,
      openBytes: open,
      intervalMs,
      reads: READS,
      actionsByType: await actionsByType(place.temporalMetricsUrl),
    },
    notes: [
      `A month of a warm connection: ${Math.round(rotations)} rotations (tokens of an hour, at the interval that was on file) at the ` +
        `measured actions each, and ${NEW_RUNS_A_MONTH} new runs of ${ACTIONS_A_NEW_RUN} actions (continue-as-new, and the activity that reads the ` +
        'row). An idle one: a keep-alive every 30 days, which is the same rotation. A new run begins with the first rotation after ' +
        `24 hours, so an open history never has more than ${ROTATIONS_A_DAY} of them` +
        (isQuick
          ? '; here computed from what a connect and a rotation add.'
          : ': that many were made, on short-lived tokens.'),
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

/** Resolves when every connection has a token of an hour: the mean time from its request to the next one, in ms. */
async function untilLongLived(backend: Backend, keys: readonly ConnectionKey[]): Promise<number> {
  return await waitFor('every connection to have a token of an hour', 60_000, async () => {
    const connections = await Promise.all(keys.map((key) => backend.connection(key)));
    const isLong = connections.every(
      ({ accessTokenExpiresAtMs }) => (accessTokenExpiresAtMs ?? 0) > Date.now() + TOKEN_LIFE_MS / 2,
    );
    if (!isLong) return null;
    const intervals = connections.map(
      ({ accessTokenSentAtMs, nextActionAtMs }) => (nextActionAtMs ?? Number.NaN) - (accessTokenSentAtMs ?? 0),
    );
    return intervals.reduce((sum, interval) => sum + interval, 0) / intervals.length;
  });
}

/** What one turn of timer and empty activity adds to a history, of each loop. */
async function bareHistoryBytes(place: Place, turns: number): Promise<readonly number[]> {
  const worker = await startRivalWorker(place);
  const handles = await Promise.all(
    Array.from({ length: BARE_LOOPS }, (_, index) =>
      place.client.workflow.start('timerLoop', { workflowId: `bare-${index}`, taskQueue: 'rival', args: [] }),
    ),
  );
  await Promise.all(handles.map((handle) => handle.signal(startSignal, { everyMs: 500 })));
  const calls = async (atLeast: number): Promise<void> => {
    await waitFor('the bare loops', 60_000, async () => ((await worker.calls()) >= atLeast ? true : null));
  };
  const look = () => Promise.all(handles.map((handle) => handle.describe()));
  await calls(BARE_LOOPS * 2);
  const before = await look();
  await calls(BARE_LOOPS * (turns + 2));
  const after = await look();
  await Promise.all(handles.map((handle) => handle.terminate()));
  return after.map(({ historySize, historyLength }, index) => {
    const from = before[index];
    const bytes = (historySize ?? Number.NaN) - (from?.historySize ?? 0);
    return (bytes * EVENTS_OF_A_TURN) / (historyLength - (from?.historyLength ?? 0));
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
