/** Workflows that operators or accidents have ended come back, and no running one notices. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReconcileActivities } from '../../activities/index.ts';
import type { ConnectionKey } from '../../core/connection.ts';
import { createReconcileStore } from '../../db/reconcile-store.ts';
import { createPool } from '../../db/pool.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { systemClock } from '../../runtime/clock.ts';
import { temporalProgress } from '../../worker/heartbeat.ts';
import { applyReconcilerSchedule, ensureReconcilerSchedule } from '../../worker/reconciler-schedule.ts';
import { connectionWorkflowId, reconcilerScheduleId, refreshUpdate } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';

const HOUR_MS = 3_600_000;

let backend: Backend;
let workerPort: number;

beforeAll(async () => {
  backend = await createBackend({ settings: { rotation: 'strict' } });
  workerPort = await freePort();
  await backend.startWorker({ WORKER_PORT: String(workerPort) });
});
afterAll(() => backend.close());

/** As if nobody had looked after the connection for two hours. */
async function makeOverdue(key: ConnectionKey): Promise<void> {
  await backend.connections.transact(key, ({ connection }) => {
    if (connection === null) throw new Error('there is no such connection');
    return { result: null, changes: { connection: { ...connection, nextActionAtMs: Date.now() - 2 * HOUR_MS } } };
  });
}

const schedule = () => backend.client.schedule.getHandle(reconcilerScheduleId('evergrant'));

/** Has the Schedule run once more and gives what that run did. */
async function runReconciler(): Promise<unknown> {
  const ended = async () => (await schedule().describe()).info;
  const before = (await ended()).numActionsTaken;
  await schedule().trigger();
  const taken = await waitFor('the Schedule to start its workflow', 10_000, async () => {
    const { numActionsTaken, recentActions } = await ended();
    return numActionsTaken > before ? recentActions.at(-1)?.action : null;
  });
  return await backend.client.workflow.getHandle(taken?.workflow.workflowId ?? '').result();
}

async function startedByReconciler(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${workerPort}/metrics`)).text();
  return Number(/^evergrant_reconcile_started_total (\d+)/m.exec(text)?.[1]);
}

describe('the Schedule of the reconciler', () => {
  it('is there, with a first run soon after the start of the worker, and never runs twice at once', async () => {
    const description = await waitFor('the first run', 10_000, async () => {
      const found = await schedule().describe();
      return found.info.numActionsTaken > 0 ? found : null;
    });
    expect(description).toMatchObject({
      spec: { intervals: [{ every: 600_000 }] },
      action: { workflowType: 'reconciler', taskQueue: 'evergrant' },
      policies: { overlap: 'SKIP' },
    });
  });

  it('undoes a *Terminate* of an overdue connection, which goes on where the database has it', async () => {
    const { key } = await backend.connect();
    await backend.handle(key).terminate('an operator, by mistake');
    await makeOverdue(key);
    const before = await startedByReconciler();
    expect(await runReconciler()).toEqual({ seen: 1, started: 1, failed: 0 });
    expect(await startedByReconciler()).toBe(before + 1);
    const healed = await waitFor('the overdue refresh', 10_000, async () => {
      const connection = await backend.connection(key);
      return connection.version > 1 ? connection : null;
    });
    expect(healed).toMatchObject({ state: 'active', version: 2 });
    expect(healed.nextActionAtMs).toBeGreaterThan(Date.now());
  });

  it('leaves a loop alone that runs, however overdue its row is', async () => {
    const { key } = await backend.connect();
    await makeOverdue(key);
    const before = await backend.handle(key).describe();
    const count = await startedByReconciler();
    expect(await runReconciler()).toEqual({ seen: 1, started: 0, failed: 0 });
    const after = await backend.handle(key).describe();
    expect([after.runId, after.historyLength]).toEqual([before.runId, before.historyLength]);
    expect(await startedByReconciler()).toBe(count);
    await backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] });
  });
});

describe('the Schedule, when somebody has been at it,', () => {
  const deps = () => ({ client: backend.client, taskQueue: 'evergrant' });

  it('stays paused by the start of another worker, and runs again when it is let', async () => {
    await schedule().pause('an operator looks into something');
    const { numActionsTaken } = (await schedule().describe()).info;
    await applyReconcilerSchedule(deps());
    const { state, info } = await schedule().describe();
    expect([state.paused, state.note, info.numActionsTaken]).toEqual([
      true,
      'an operator looks into something',
      numActionsTaken,
    ]);
    await schedule().unpause();
    expect(await runReconciler()).toMatchObject({ failed: 0 });
  });

  it('is made again, with a run at once, when it is gone', async () => {
    expect(await ensureReconcilerSchedule(deps())).toBe('there');
    await schedule().delete();
    await waitFor('the Schedule to be gone', 10_000, async () =>
      schedule()
        .describe()
        .then(
          () => null,
          () => true,
        ),
    );
    expect(await ensureReconcilerSchedule(deps())).toBe('created');
    await waitFor('its first run', 10_000, async () =>
      (await schedule().describe()).info.numActionsTaken > 0 ? true : null,
    );
  });
});

describe('a try of the reconciler', () => {
  it('goes on where the one before it was lost', async () => {
    const pages: unknown[] = [];
    const { reconcile } = createReconcileActivities({
      clock: systemClock,
      log: silentLog,
      store: {
        async manyOverdue({ cursor }) {
          pages.push(cursor);
          return { items: [], nextCursor: null };
        },
        manyOpen: async () => ({ items: [], nextCursor: null }),
      },
      intakes: { manyOverdue: async () => [] },
      lifecycles: {
        ensureRunning: async () => 'running',
        startAnew: async () => 'started',
        ensureUnidentified: async () => undefined,
      },
      progress: temporalProgress,
      onStarted: () => undefined,
    });
    const environment = new MockActivityEnvironment({ heartbeatDetails: 'noted-before' });
    await environment.run(reconcile, { cursor: 'given' });
    await new MockActivityEnvironment().run(reconcile, { cursor: 'given' });
    await new MockActivityEnvironment().run(reconcile, { cursor: null });
    expect(pages).toEqual(['noted-before', 'given', undefined]);
  });
});

describe('a *Reset*', () => {
  it('never uses an older token than the database has, however far back it leads', async () => {
    const { key } = await backend.connect();
    for (let n = 0; n < 2; n += 1) await backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] });
    expect(await backend.connection(key)).toMatchObject({ state: 'active', version: 3 });
    const { runId } = await backend.handle(key).describe();
    const { events } = await backend.handle(key).fetchHistory();
    const first = events?.find(({ workflowTaskCompletedEventAttributes: attributes }) => attributes != null);
    await backend.client.workflowService.resetWorkflowExecution({
      namespace: backend.environment.TEMPORAL_NAMESPACE,
      workflowExecution: { workflowId: connectionWorkflowId(key), runId },
      reason: 'an operator tries what the button does',
      requestId: runId,
      // Back to where nothing had been done yet.
      ...(first?.eventId != null && { workflowTaskFinishEventId: first.eventId }),
    });
    const { version } = await waitFor('the new run to have settled', 10_000, async () => {
      const description = await backend.handle(key).describe();
      const isIdle = description.runId !== runId && !description.raw.pendingActivities?.length;
      return isIdle && description.historyLength > 10 ? await backend.connection(key) : null;
    });
    const result = await backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] });
    expect(result).toMatchObject({ settled: true, state: 'active' });
    expect(await backend.connection(key)).toMatchObject({ state: 'active', version: version + 1, lastError: null });
    // SAP Concur kills the old token at each rotation here: using one would have been refused.
    const calls = backend.sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' });
    expect(calls.length).toBeGreaterThan(3);
    expect(calls.filter(({ status }) => status !== 200)).toEqual([]);
  });
});

describe('evergrant reconcile', () => {
  it('gives every connection that has not ended its workflow back at once', async () => {
    const { key: living } = await backend.connect();
    const { key: dead } = await backend.connect();
    await backend.connections.transact(dead, ({ connection }) => {
      if (connection === null) throw new Error('there is no such connection');
      const state = 'reauthorization-required' as const;
      return { result: null, changes: { connection: { ...connection, state, nextActionAtMs: null } } };
    });
    for (const key of [living, dead]) await backend.handle(key).terminate('an accident');

    const environment = { ...backend.environment, EVERGRANT_HOME: '/nonexistent' };
    const first = await evergrant(environment, ['reconcile', '--json']);
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.json()).toEqual({ seen: 5, started: 2, running: 3, failed: 0 });
    for (const key of [living, dead]) {
      expect((await backend.handle(key).describe()).status.name).toBe('RUNNING');
    }
    const second = await evergrant(environment, ['reconcile']);
    expect(second).toMatchObject({ code: 0, err: '' });
    expect(second.out).toBe('5 connections: 0 workflows started, 5 were running.\n');
  });

  it('says that it may be tried again when Temporal is away', async () => {
    const environment = { ...backend.environment, EVERGRANT_HOME: '/nonexistent', TEMPORAL_ADDRESS: '127.0.0.1:1' };
    expect(await evergrant(environment, ['reconcile'])).toMatchObject({ code: 75, out: '' });
  });
});

it('pages come to an end with times finer than a millisecond, as only PostgreSQL has them', async () => {
  const pool = createPool({ url: backend.environment.DATABASE_URL, log: silentLog });
  try {
    await pool.query("UPDATE connections SET next_action_at = timestamptz '2020-01-01' + interval '1.000001 s'");
    const store = createReconcileStore(pool);
    const seen: string[] = [];
    for (let cursor: string | undefined | null; cursor !== null; ) {
      const page = await store.manyOverdue({ dueByMs: Date.now(), limit: 1, ...(cursor !== undefined && { cursor }) });
      seen.push(...page.items.map(({ principal }) => principal));
      cursor = page.nextCursor;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBe(5);
  } finally {
    await pool.end();
  }
});
