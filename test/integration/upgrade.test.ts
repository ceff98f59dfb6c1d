/**
 * An upgrade as docs/upgrading.md has it, from this version to one with other workflow code and a newer schema, by the
 * commands of that page: migrations under load, both versions side by side with and without Worker Versioning, ramp,
 * rollback. SAP Concur rotates strictly all the while: one lost answer or one call too many would show.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { resolveTemporalCli } from '../../dev/stack/temporal-cli.ts';
import { connectionWorkflowId, refreshSignal, refreshUpdate } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { nextMigrations } from '../rig/next-migrations.ts';
import { createNextVersion, NEXT_PATCH, type OtherVersion } from '../rig/other-version.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

const DEPLOYMENT = 'evergrant';
const CONNECTIONS = 4;
const STEP_MS = 180_000;
/** How long a transaction that has nothing to do with us keeps a table that a migration wants. */
const LONG_TRANSACTION_MS = 3_000;
/** A reader waits behind a migration that waits for its lock: a second; the rest is a slow machine. */
const LONGEST_READ_MS = 4_000;

const run = promisify(execFile);
let program: string;
let backend: Backend;
let next: OtherVersion;
let api: string;
let bearer: string;
const keys: ConnectionKey[] = [];

beforeAll(async () => {
  program = await resolveTemporalCli({ env: process.env, report: () => undefined });
  backend = await createBackend({ settings: { rotation: 'strict' } });
  next = await createNextVersion();
  const PORT = String(await freePort());
  api = `http://127.0.0.1:${PORT}`;
  await Promise.all([worker.started('old'), backend.startApi({ PORT })]);
  for (let n = 0; n < CONNECTIONS; n += 1) keys.push((await backend.connect()).key);
  const scopes = ['tokens:read', 'connections:read'].flatMap((scope) => ['--scope', scope]);
  const client = ['clients', 'create', '--name', 'upgrade', ...scopes, '--app', 'demo', '--json'];
  const created = await evergrant({ ...backend.environment, PORT, EVERGRANT_HOME: '/nonexistent' }, client);
  bearer = String(created.json().token);
}, STEP_MS);
afterAll(async () => {
  await backend.close();
  await next.remove();
});

type Running = Awaited<ReturnType<Backend['startWorker']>>;

/** Workers by a name of the test's own. */
const worker = {
  running: new Map<string, Running>(),
  async started(name: string, env: Readonly<Record<string, string>> = {}, version?: OtherVersion): Promise<void> {
    this.running.set(name, await backend.startWorker(env, version));
  },
  async stopped(name: string): Promise<void> {
    expect(await this.running.get(name)?.stop()).toBe(0);
  },
};

const build = (buildId: string) => ({ TEMPORAL_DEPLOYMENT_NAME: DEPLOYMENT, TEMPORAL_WORKER_BUILD_ID: buildId });

async function deployment(command: string, ...args: readonly string[]): Promise<void> {
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace } = backend.environment;
  const name = ['--deployment-name', DEPLOYMENT, '--yes', '--disable-config-file'];
  const server = ['--address', address, '--namespace', namespace];
  // A server that is busy gives up; the same again does no harm.
  await waitFor(`temporal worker deployment ${command}`, 60_000, () =>
    run(program, ['worker', 'deployment', command, ...name, ...args, ...server]).then(
      () => true,
      () => null,
    ),
  );
}

/** Has the next workflow task done by any worker that may: as when a worker has more workflows than it keeps in memory. */
async function forgetWorker(key: ConnectionKey): Promise<void> {
  await backend.client.workflowService.resetStickyTaskQueue({
    namespace: backend.environment.TEMPORAL_NAMESPACE,
    execution: { workflowId: connectionWorkflowId(key) },
  });
}

const byUpdate = (key: ConnectionKey): Promise<unknown> =>
  backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] });
/** A workflow takes it whatever has become of its last task. */
const bySignal = (key: ConnectionKey): Promise<unknown> => backend.handle(key).signal(refreshSignal);

/** Refreshes every connection once, wherever its workflow lands. */
async function refreshAll(ask = byUpdate): Promise<void> {
  const before = await versions();
  await Promise.all(
    keys.map(async (key) => {
      await forgetWorker(key);
      await ask(key);
    }),
  );
  const expected = before.map((version) => version + 1);
  await waitFor('every connection to be refreshed once', 30_000, async () =>
    (await versions()).every((version, index) => version === expected[index]) ? true : null,
  );
}

async function versions(): Promise<readonly number[]> {
  return await Promise.all(keys.map(async (key) => (await backend.connection(key)).version));
}

/** By which build the last workflow task of each connection was done; null: by a worker that is none. */
async function builds(): Promise<readonly (string | null)[]> {
  return await Promise.all(
    keys.map(async (key) => {
      const done = (await eventsOf(key)).flatMap((event) => event.workflowTaskCompletedEventAttributes ?? []);
      return done.at(-1)?.deploymentVersion?.buildId ?? null;
    }),
  );
}

/** Process id of who made the last call to SAP Concur for each connection. */
async function callers(): Promise<readonly number[]> {
  return await Promise.all(
    keys.map(async (key) => {
      const events = await eventsOf(key);
      const asked = new Set(
        events
          .filter(({ activityTaskScheduledEventAttributes: task }) => task?.activityType?.name === 'refreshTokens')
          .map(({ eventId }) => String(eventId)),
      );
      const started = events.flatMap((event) => event.activityTaskStartedEventAttributes ?? []);
      const call = started.findLast(({ scheduledEventId }) => asked.has(String(scheduledEventId)));
      return Number.parseInt(call?.identity ?? '', 10);
    }),
  );
}

/** Workflows and their calls. Which build gets them reaches the server's task queues within a moment. */
async function untilAllAreWith(build: string | null, ask = byUpdate): Promise<void> {
  const own = build === null ? null : worker.running.get(build)?.pid;
  await waitFor(`all workflows to be with build ${build}`, 60_000, async () => {
    await refreshAll(ask);
    if (!(await builds()).every((found) => found === build)) return null;
    return own === null || (await callers()).every((pid) => pid === own) ? true : null;
  });
}

async function eventsOf(key: ConnectionKey) {
  return (await backend.handle(key).fetchHistory()).events ?? [];
}

/** Why workflow tasks of a connection failed. */
async function failedTasks(key: ConnectionKey): Promise<readonly string[]> {
  return (await eventsOf(key)).flatMap(
    ({ workflowTaskFailedEventAttributes: failed }) => failed?.failure?.message ?? [],
  );
}

async function hasTakenPatch(key: ConnectionKey): Promise<boolean> {
  const details = (await eventsOf(key)).flatMap(({ markerRecordedEventAttributes: marker }) =>
    Object.values(marker?.details ?? {}).flatMap(({ payloads }) => payloads ?? []),
  );
  return details.some(({ data }) => data != null && Buffer.from(data).toString().includes(NEXT_PATCH));
}

async function get(path: string): Promise<number> {
  const response = await fetch(`${api}${path}`, { headers: { authorization: `Bearer ${bearer}` } });
  await response.arrayBuffer();
  return response.status;
}

describe('an upgrade', { retry: 0, timeout: STEP_MS }, () => {
  it('migrates while the old version works: no read fails, no refresh fails, nobody waits for long', async () => {
    let isOver = false;
    const answers: { readonly status: number; readonly ms: number }[] = [];
    const reading = keys.map(async ({ app, principal }) => {
      const path = `/v1/apps/${app}/connections/${principal}`;
      while (!isOver) {
        for (const what of [`${path}/token`, path]) {
          const sentAtMs = Date.now();
          const status = await get(what);
          answers.push({ status, ms: Date.now() - sentAtMs });
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    let rounds = 0;
    const refreshing = (async () => {
      for (; !isOver; rounds += 1) await refreshAll();
    })();
    const other = new pg.Client({ connectionString: backend.database.ownerUrl });
    await other.connect();
    await other.query('BEGIN');
    await other.query('SELECT count(*) FROM connections');
    const release = new Promise((resolve) => setTimeout(resolve, LONG_TRANSACTION_MS)).then(() => other.end());

    const environment = { ...backend.environment, MIGRATION_DATABASE_URL: backend.database.ownerUrl };
    const { stdout } = await run(execPath, [join(next.place, 'dist/cli/main.js'), 'migrate'], { env: environment });
    expect(stdout.trim().split('\n')).toEqual(Object.keys(nextMigrations).map((name) => `Applied ${name}.`));
    const before = rounds;
    await waitFor('two rounds on the new schema', 30_000, () => (rounds > before + 1 ? true : null));
    isOver = true;
    await Promise.all([...reading, refreshing, release]);

    expect(answers.length).toBeGreaterThan(50);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(LONGEST_READ_MS);
    expect(await get('/readyz')).toBe(200);
  });

  it('has both versions poll the same queues, patches held: whoever gets a workflow can replay it', async () => {
    await worker.started('next', { WORKFLOW_PATCHES: 'held' }, next);
    for (let round = 0; round < 3; round += 1) await refreshAll();
    expect(await builds()).toEqual(keys.map(() => null));
  });

  it('gives a build nothing before it is current, and every workflow from then on', async () => {
    await worker.started('1', build('1'));
    await refreshAll();
    expect(await builds()).toEqual(keys.map(() => null));
    await deployment('set-current-version', '--build-id', '1');
    await untilAllAreWith('1');
    await worker.stopped('old');
  });

  it('ramps, makes the next build current, and goes back', async () => {
    await worker.started('2', { ...build('2'), WORKFLOW_PATCHES: 'held' }, next);
    await deployment('set-ramping-version', '--build-id', '2', '--percentage', '50');
    for (let round = 0; round < 2; round += 1) await refreshAll();
    for (const found of await builds()) expect(['1', '2']).toContain(found);
    for (const current of ['2', '1', '2']) {
      await deployment('set-current-version', '--build-id', current);
      await untilAllAreWith(current);
    }
    expect(await Promise.all(keys.map(hasTakenPatch))).toEqual(keys.map(() => false));
    expect(await Promise.all(keys.map(failedTasks))).toEqual(keys.map(() => []));
  });

  it('stands still where a workflow has taken a patch that an old worker lacks, until a newer one has it again', async () => {
    await worker.stopped('2');
    await worker.started('2', build('2'), next);
    await untilAllAreWith('2');
    expect(await Promise.all(keys.map(hasTakenPatch))).toEqual(keys.map(() => true));
    const [first] = keys;
    if (first === undefined) throw new Error('there are no connections');
    const { version } = await backend.connection(first);
    await deployment('set-current-version', '--build-id', '1');
    await bySignal(first);
    await waitFor('the old build to fail', 30_000, async () => ((await failedTasks(first)).length > 0 ? true : null));
    expect(await backend.connection(first)).toMatchObject({ state: 'active', version });

    await deployment('set-current-version', '--build-id', '2');
    await waitFor('the refresh', 60_000, async () =>
      (await backend.connection(first)).version === version + 1 ? true : null,
    );
    await worker.stopped('1');
    await refreshAll();
  });

  it('leads back to workers without a build', async () => {
    await deployment('set-current-version', '--unversioned');
    // Its patches are held, and it has the workflows in memory as they were before their patches: it fails once, and replays.
    await untilAllAreWith(null, bySignal);
    await worker.stopped('2');
    await refreshAll();
  });

  it('has lost no answer of SAP Concur, and called it as often as it had to', async () => {
    const calls = backend.sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' });
    expect(calls.filter(({ status }) => status !== 200)).toEqual([]);
    const rotations = (await versions()).reduce((sum, version) => sum + version - 1, 0);
    expect([calls.length, rotations]).toEqual([rotations, calls.length]);
    for (const key of keys) expect(await backend.connection(key)).toMatchObject({ state: 'active', lastError: null });
  });
});
