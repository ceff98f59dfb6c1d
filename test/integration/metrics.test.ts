/** Each metric of the documented list is driven by what it counts, with real processes, and read from their pages. */
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createPool } from '../../db/pool.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { lifecycleTaskQueue, refreshSignal, refreshUpdate, workflowTypes } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { buildApp } from '../simulation/builders.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';
import { createDatabaseProxy, type DatabaseProxy } from './db-proxy.ts';
import { silentLog } from './db-silent-log.ts';
import { type Sample, parsePage, valueOf } from './metrics-page.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** `CommandType` of Temporal's API. */
const START_TIMER = 3;

let backend: Backend;
let proxy: DatabaseProxy;
let pool: ReturnType<typeof createPool>;
let apiUrl: string;
let workerUrl: string;
let worker: Awaited<ReturnType<Backend['startWorker']>>;
let token: string;
/** Reads its tokens. */
let read: ConnectionKey;
/** Its workflow was terminated long ago. */
let lost: ConnectionKey;

beforeAll(async () => {
  backend = await createBackend();
  const { environment } = backend;
  proxy = await createDatabaseProxy(environment.DATABASE_URL);
  pool = createPool({ url: environment.DATABASE_URL, log: silentLog });
  const before = await backend.startWorker();
  [read, lost] = [(await backend.connect()).key, (await backend.connect('eu2')).key];
  await before.stop();
  await backend.handle(lost).terminate('by mistake');
  await leaveForeignHistory();
  await change(lost, { nextActionAtMs: Date.now() - 2 * HOUR_MS, refreshTokenExpiresAtMs: Date.now() + 5 * DAY_MS });

  const ports = [await freePort(), await freePort()];
  [apiUrl, workerUrl] = [`http://127.0.0.1:${ports[0]}`, `http://127.0.0.1:${ports[1]}`];
  const quick = { CONCUR_TIMEOUT: '1s', APP_PROBE_EVERY: '1h', DATABASE_URL: proxy.url };
  await Promise.all([
    backend.startWorker({ ...quick, WORKER_PORT: String(ports[1]) }).then((started) => (worker = started)),
    backend.startApi({ PORT: String(ports[0]), EVERGRANT_WORKER_METRICS_URL: `${workerUrl}/metrics` }),
  ]);
  const argv = ['clients', 'create', '--json', '--name', 'n', '--scope', 'tokens:read', '--app', 'demo'];
  const cli = { ...environment, EVERGRANT_HOME: '/nonexistent', PORT: String(ports[0]) };
  token = String((await evergrant(cli, argv)).json().token);
}, 90_000);

afterAll(async () => {
  await pool.end();
  await backend.close();
  await proxy.close();
});

async function change(key: ConnectionKey, over: Partial<Connection>): Promise<void> {
  await backend.connections.transact(key, ({ connection }) => {
    if (connection === null) throw new Error('there is no such connection');
    return { result: null, changes: { connection: { ...connection, ...over } } };
  });
}

/** As a worker of another version would have left it: a guardian whose first step was a timer. */
async function leaveForeignHistory(): Promise<void> {
  const { workflow, workflowService, connection } = backend.client;
  const { namespace } = backend.client.options;
  const taskQueue = lifecycleTaskQueue('evergrant');
  await workflow.start(workflowTypes.appGuardian, { workflowId: 'foreign', taskQueue, args: [{ app: 'demo' }] });
  await waitFor('the task of the foreign workflow', 20_000, async () => {
    const task = await connection.withDeadline(Date.now() + 10_000, () =>
      workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue }, identity: 'another version' }),
    );
    if (task.workflowExecution?.workflowId !== 'foreign') return null;
    const { taskToken } = task;
    const startTimerCommandAttributes = { timerId: '1', startToFireTimeout: { seconds: 1 } };
    const command = { commandType: START_TIMER, startTimerCommandAttributes };
    const commands = [temporal.api.command.v1.Command.fromObject(command)];
    await workflowService.respondWorkflowTaskCompleted({ namespace, taskToken, identity: 'another version', commands });
    return true;
  });
}

/** API and worker on one page, as under `npm start`. */
async function page(): Promise<string> {
  const response = await fetch(`${apiUrl}/metrics`);
  expect(response.status).toBe(200);
  return await response.text();
}

/** Until the series is there with a value as wanted. */
async function until(
  name: string,
  labels: Readonly<Record<string, string>>,
  isWanted: (value: number) => boolean = (value) => value > 0,
): Promise<number> {
  return await waitFor(`${name} ${JSON.stringify(labels)}`, 25_000, async () => {
    const value = valueOf(parsePage(await page()), name, labels);
    return value !== null && isWanted(value) ? value : null;
  });
}

async function readToken({ principal }: ConnectionKey = read): Promise<number> {
  const url = `${apiUrl}/v1/apps/demo/connections/${principal}/token`;
  return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
}

describe('what is measured', () => {
  it('how connections are: by state, and by the days that their refresh tokens have left', async () => {
    await until('evergrant_connections', { app: 'demo', state: 'active' }, (value) => value === 2);
    await until('evergrant_refresh_token_days_left', { app: 'demo', bucket: '60+' });
  });

  it('what the reconciler had to start, and how late its refresh began', async () => {
    await until('evergrant_reconcile_started_total', {}, (value) => value === 1);
    await until('evergrant_refresh_total', { app: 'demo', data_center: 'eu2', outcome: 'ok' });
    const samples = parsePage(await page());
    expect(valueOf(samples, 'evergrant_refresh_duration_seconds_count', {})).toBeGreaterThan(0);
    expect(valueOf(samples, 'evergrant_refresh_lateness_seconds_count', {})).toBeGreaterThan(0);
    expect(valueOf(samples, 'evergrant_refresh_lateness_seconds_bucket', { le: '3600' })).toBe(0);
  });

  it('calls to SAP Concur', async () => {
    await until('evergrant_concur_requests_total', { data_center: 'eu2', endpoint: 'token', code: '200' });
  });

  it('connects', async () => {
    await backend.connect();
    await until('evergrant_connects_total', { app: 'demo', outcome: 'ok' });
  });

  it('reads of tokens by where they come from, and requests by the pattern of their route', async () => {
    expect([await readToken(), await readToken()]).toEqual([200, 200]);
    await until('evergrant_token_reads_total', { app: 'demo', source: 'database' });
    await until('evergrant_token_reads_total', { app: 'demo', source: 'memory' });
    const { key: stale } = await backend.connect();
    await change(stale, { accessTokenSentAtMs: Date.now() - HOUR_MS, accessTokenExpiresAtMs: Date.now() + 30_000 });
    expect(await readToken(stale)).toBe(200);
    await until('evergrant_token_reads_total', { app: 'demo', source: 'refresh' });
    const route = '/v1/apps/:app/connections/:principal/token';
    await until('http_request_duration_seconds_count', { route, method: 'GET', status: '200' }, (value) => value >= 3);
  });

  it('calls whose end is not known in time', async () => {
    const { key } = await backend.connect();
    const match = { endpoint: 'token', grantType: 'refresh_token', principalId: key.principal } as const;
    backend.sandbox.fault({ kind: 'delay', ms: 2_000, when: 'after', match, times: 1 });
    await backend.handle(key).signal(refreshSignal);
    await until('evergrant_uncertain_total', {});
  });

  it('answers that could not be saved at once', async () => {
    const { key } = await backend.connect();
    const match = { endpoint: 'token', grantType: 'refresh_token', principalId: key.principal } as const;
    const fault = backend.sandbox.fault({ kind: 'hold', when: 'after', match });
    await backend.handle(key).signal(refreshSignal);
    await waitFor('the refresh to reach Concur', 10_000, () =>
      backend.sandbox.calls({ endpoint: 'token', principalId: key.principal }).length > 1 ? true : null,
    );
    proxy.cut();
    fault.release();
    await until('evergrant_save_failures_total', {});
    proxy.mend();
  });

  it('apps whose credentials SAP Concur refuses', async () => {
    await backend.addApp('refused', 'same');
    const [one, other] = await Promise.all([backend.connect('us2', 'refused'), backend.connect('us2', 'refused')]);
    await until('evergrant_app_blocked', { app: 'refused' }, (value) => value === 0);
    backend.sandbox.newSecret({ clientId: backend.clientIdOf('refused'), old: 'dies' });
    for (const { key } of [one, other]) await backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] });
    await until('evergrant_app_blocked', { app: 'refused' });
    await until('evergrant_app_blocked', { app: 'demo' }, (value) => value === 0);
  });

  it('where the brake is on, until it is released', async () => {
    await pool.query(`INSERT INTO brakes (app, data_centre, tripped_at) VALUES ('demo', 'us2', now())`);
    await until('evergrant_brake_on', { app: 'demo', data_center: 'us2' });
    await pool.query(`UPDATE brakes SET released_at = now()`);
    await until('evergrant_brake_on', { app: 'demo', data_center: 'us2' }, (value) => value === 0);
  });

  it('histories that do not replay, which the log tells of in the format of all its lines', async () => {
    const page = await waitFor('the failed workflow task', 25_000, async () => {
      const failed = parsePage(await (await fetch(`${workerUrl}/metrics`)).text()).filter(
        ({ name }) => name === 'temporal_workflow_task_execution_failed',
      );
      return failed.length > 0 ? failed : null;
    });
    expect(page.map(({ labels }) => labels)).toMatchObject([
      { failure_reason: 'NonDeterminismError', workflow_type: 'appGuardian' },
    ]);
    const lines = worker.output().split('\n').filter(Boolean);
    const warnings = lines.map((line) => JSON.parse(line) as { level: string; msg: string; part?: string });
    const ofTheSdk = warnings.filter(({ part }) => part === 'temporal-sdk');
    expect(ofTheSdk).toContainEqual(expect.objectContaining({ level: 'warn' }));
    // That the workers of data centres run no workflows is meant.
    expect(ofTheSdk.map(({ msg }) => msg).join()).not.toContain('No workflows registered');
    await backend.client.workflow.getHandle('foreign').terminate();
  });

  it('webhooks that nobody takes', async () => {
    const url = `http://127.0.0.1:${await freePort()}/hook`;
    const { clientId } = backend.concurApp;
    const webhooks = [{ url, events: ['connection.connected' as const] }];
    await createAppStore(pool).apply(buildApp({ app: 'demo', clientId, webhooks }));
    const environment = { ...backend.environment, EVERGRANT_HOME: '/nonexistent' };
    expect((await evergrant(environment, ['webhooks', 'rotate-secret', 'demo', '--json'])).code).toBe(0);
    await backend.connect();
    await until('evergrant_outbox_lag_seconds', {}, (value) => value > 2);
  });
});

describe('the pages', () => {
  const isOurs = ({ name }: Sample): boolean => /^(evergrant_|http_)/.test(name);

  it('say what runs, and have the metrics of the SDK, the worker’s own page too', async () => {
    const [all, workers] = await Promise.all([page(), fetch(`${workerUrl}/metrics`).then((reply) => reply.text())]);
    for (const text of [all, workers]) {
      const samples = parsePage(text);
      expect(samples.find(({ name }) => name === 'evergrant_build_info')?.labels).toMatchObject({
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      });
      for (const task of ['workflow_task', 'activity_task']) {
        const pollers = samples.find(
          ({ name, labels }) => name === 'temporal_num_pollers' && labels.poller_type === task,
        );
        expect(pollers?.value, task).toBeGreaterThan(0);
      }
    }
  });

  it('have each series once', async () => {
    const samples = parsePage(await page());
    const series = samples.map(({ name, labels }) => `${name}${JSON.stringify(labels)}`);
    expect(series.length).toBeGreaterThan(100);
    expect(new Set(series).size).toBe(series.length);
  });

  it('hold no id of a company, and no label that could', async () => {
    const text = await page();
    const samples = parsePage(text);
    expect(samples.filter(isOurs).length).toBeGreaterThan(50);
    for (const { principal } of [read, lost]) expect(text).not.toContain(principal);
    const withId = samples.filter(({ labels }) =>
      Object.values(labels).some((value) => /[0-9a-f]{8}-[0-9a-f]{4}-|concur-connection:/i.test(value)),
    );
    expect(withId).toEqual([]);
    const known = ['app', 'state', 'data_center', 'outcome', 'source', 'bucket', 'endpoint', 'code', 'le'];
    const names = new Set(samples.filter(isOurs).flatMap(({ labels }) => Object.keys(labels)));
    for (const name of ['route', 'method', 'status', 'version', 'node', ...known]) names.delete(name);
    expect([...names]).toEqual([]);
  });
});
