/** The workflow under a clock that skips time. Longer than 300 lines: all cases share one server. */
import { Client, type WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  appRestoredSignal,
  ensureFreshUpdate,
  pauseSignal,
  pauseUpdate,
  refreshSignal,
  resumeUpdate,
  revokeUpdate,
  searchAttributes,
  statusQuery,
  tokenRejectedSignal,
} from '../../workflows/contract.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import { TRACE_HEADER, type TraceCarrier } from '../../core/trace-context.ts';
import { quietTemporal } from '../rig/quiet-temporal.ts';
import { type History, recordHistories } from '../replay/recorded-histories.ts';
import { createTimeSkippingEnvironment } from '../rig/time-skipping.ts';
import { type ConnectionRig, createConnectionRig, type RigOptions } from './connection-rig.ts';
import { withoutSummary } from './summaries.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

quietTemporal();

let env: TestWorkflowEnvironment;
let bundle: WorkflowBundleOption;
let rig: ConnectionRig;
const histories: { workflowId: string; test: string; history: History }[] = [];

beforeAll(async () => {
  [env, bundle] = await Promise.all([createTimeSkippingEnvironment(), workflowBundle()]);
});

afterAll(async () => {
  try {
    expect(histories.length).toBeGreaterThan(10);
    expect(histories.flatMap(({ history }) => withoutSummary(history))).toEqual([]);
    const sinks = { traces: { handled: { fn: () => undefined, callDuringReplay: false } } };
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: bundle, sinks }, histories)) {
      expect(error, `the history of ${workflowId} does not replay`).toBeUndefined();
    }
    if (process.env.RECORD_HISTORIES === '1') await recordHistories(histories);
  } finally {
    await env.teardown();
  }
});

async function start(options: Partial<RigOptions> = {}): Promise<ConnectionRig> {
  rig = await createConnectionRig({ env, workflowBundle: bundle, ...options });
  return rig;
}

/** As a client that traces sends it. */
async function executeTraced(workflowId: string, version: number, traceparent: string): Promise<void> {
  const headers = { [TRACE_HEADER]: defaultPayloadConverter.toPayload({ traceparent }) };
  const { connection, namespace = 'default' } = env;
  const traced: WorkflowClientInterceptor = { startUpdate: (input, next) => next({ ...input, headers }) };
  const client = new Client({ connection, namespace, interceptors: { workflow: [traced] } });
  await client.workflow.getHandle(workflowId).executeUpdate(ensureFreshUpdate, { args: [{ version }] });
}

/** What activities, and the run itself, were told of traces. */
function carriersOf({ events }: History): { activities: readonly TraceCarrier[]; started: readonly TraceCarrier[] } {
  const read = (header: { fields?: Record<string, object> | null } | null | undefined): TraceCarrier[] => {
    const payload = header?.fields?.[TRACE_HEADER];
    return payload === undefined ? [] : [defaultPayloadConverter.fromPayload<TraceCarrier>(payload)];
  };
  return {
    activities: (events ?? []).flatMap((event) => read(event.activityTaskScheduledEventAttributes?.header)),
    started: (events ?? []).flatMap((event) => read(event.workflowExecutionStartedEventAttributes?.header)),
  };
}

/** Active, with its first token set. */
async function startConnected(options: Partial<RigOptions> = {}): Promise<ConnectionRig> {
  const started = await start(options);
  expect(await started.connect()).toEqual({ settled: true, state: 'active', version: 1 });
  started.takeTokenCalls();
  return started;
}

afterEach(async ({ task }) => {
  for (const runId of await rig.runIds()) {
    const history = await env.client.workflow.getHandle(rig.handle.workflowId, runId).fetchHistory();
    histories.push({ workflowId: rig.handle.workflowId, test: task.name, history });
  }
  await rig.close();
});

describe('a connect', () => {
  it('exchanges the request token and tells whose connection it is', async () => {
    const { connection, handle } = await startConnected();
    expect(connection()).toMatchObject({
      state: 'active',
      identity: 'proven',
      company: { name: 'Aurora', domain: 'aurora.example' },
      dataCentre: 'us2',
    });
    expect(await handle.query(statusQuery)).toMatchObject({ state: 'active', upkeep: 'warm', data_center: 'us2' });
  });

  it('needs one round through a worker where the connection is new, and reads the row first where nobody says so', async () => {
    const activities = async ({ handle }: ConnectionRig): Promise<readonly unknown[]> => {
      const { events } = await handle.fetchHistory();
      return (events ?? []).flatMap(
        ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType?.name ?? [],
      );
    };
    const told = await startConnected();
    expect(await activities(told)).toEqual(['exchangeRequestToken']);
    await told.close();
    const untold = await start();
    expect(await untold.connect(undefined, { isTold: false })).toMatchObject({ state: 'active', version: 1 });
    expect(await activities(untold)).toEqual(['loadConnection', 'exchangeRequestToken']);
  });

  it('ends with connect-failed when Concur rejects the request token', async () => {
    const { connect, connection, handle } = await start();
    expect(await connect('no-such-token')).toMatchObject({ settled: true, state: 'connect-failed' });
    expect(await handle.result()).toBe('ended');
    expect(connection()).toMatchObject({ state: 'connect-failed', reason: 'request-token-rejected' });
  });

  it('starts a new run under the same id after a failed one', async () => {
    const { connect, handle } = await start();
    await connect('no-such-token');
    await handle.result();
    expect(await connect()).toMatchObject({ settled: true, state: 'active', version: 1 });
  });

  it('leaves a living connection alone when a later request token is garbage', async () => {
    const { connect, connection } = await startConnected();
    const before = connection();
    expect(await connect('garbage')).toMatchObject({ settled: true, state: 'active', version: 1 });
    expect(connection()).toEqual(before);
  });

  it('replaces the tokens of a living connection in place', async () => {
    const { connect, connection } = await startConnected();
    expect(await connect()).toMatchObject({ settled: true, state: 'active', version: 2 });
    expect(connection().state).toBe('active');
  });
});

describe('the upkeep', () => {
  it('refreshes a warm connection ahead of its expiry and lets an idle one sleep', async () => {
    const { connection, takeTokenCalls } = await startConnected();
    await env.sleep(55 * MINUTE);
    expect(takeTokenCalls()).toBe(1);
    expect(connection().version).toBe(2);
    // Connecting was the only read: after two hours nobody needs an access token.
    await env.sleep(5 * HOUR);
    expect(takeTokenCalls()).toBe(1);
    expect(connection()).toMatchObject({ state: 'active', version: 3 });
    await env.sleep(20 * DAY);
    expect(takeTokenCalls()).toBe(0);
  });

  it('keeps a connection that nobody reads alive for a year at a dozen calls', async () => {
    const { connection, model, concurApp, company, takeTokenCalls } = await startConnected();
    await env.sleep(365 * DAY);
    expect(connection().state).toBe('active');
    expect(model.tokens.isConnected(concurApp.clientId, company.id)).toBe(true);
    const calls = takeTokenCalls();
    expect(calls).toBeGreaterThanOrEqual(12);
    expect(calls).toBeLessThanOrEqual(17);
  });

  it('answers ensureFresh at once when a newer version is on file', async () => {
    const { handle, takeTokenCalls } = await startConnected();
    expect(await handle.executeUpdate(ensureFreshUpdate, { args: [{ version: 0 }] })).toMatchObject({
      settled: true,
      version: 1,
    });
    expect(takeTokenCalls()).toBe(0);
  });

  it('serves any number of readers of one stale version with one refresh', async () => {
    const { handle, takeTokenCalls } = await startConnected();
    // A token of this very moment would be good enough for them.
    await env.sleep(MINUTE);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => handle.executeUpdate(ensureFreshUpdate, { args: [{ version: 1 }] })),
    );
    for (const answer of answers) expect(answer).toMatchObject({ settled: true, version: 2 });
    expect(takeTokenCalls()).toBe(1);
  });

  it('tries every five minutes while the company is maintained, and recovers by itself', async () => {
    const { model, concurApp, company, connection, trail, takeTokenCalls } = await startConnected();
    model.directory.setMaintenance(company.id, true);
    await env.sleep(2 * HOUR);
    expect(connection()).toMatchObject({ state: 'retrying', reason: 'company-maintenance', version: 1 });
    const tried = takeTokenCalls();
    // Every five minutes, as Concur asks: a maintenance counts as no failure, so its pauses don't grow.
    expect(tried).toBeGreaterThan(10);
    expect(tried).toBeLessThan(26);
    model.directory.setMaintenance(company.id, false);
    await env.sleep(70 * MINUTE);
    expect(connection()).toMatchObject({ state: 'active', lastError: null });
    expect(model.tokens.isConnected(concurApp.clientId, company.id)).toBe(true);
    expect(trail().filter(({ type }) => type === 'connection.retrying')).toHaveLength(1);
  });

  it('waits while the customer has disabled the app, and comes back when it is enabled again', async () => {
    const { model, concurApp, company, connection } = await startConnected();
    model.directory.setAppEnabledAt(concurApp.clientId, company.id, false);
    await env.sleep(HOUR);
    expect(connection()).toMatchObject({ state: 'suspended', lastError: { concurCode: 53 } });
    model.directory.setAppEnabledAt(concurApp.clientId, company.id, true);
    await env.sleep(7 * HOUR);
    expect(connection().state).toBe('active');
  });

  it('tells 60, 30 and 7 days before a refresh token ends that nothing can refresh, and forgets it with a success', async () => {
    const { model, concurApp, company, connection, trail } = await startConnected({
      settings: { refreshTokenTtlMs: 70 * DAY },
      policy: { suspendedRetryEveryMs: DAY, jitter: 0 },
    });
    const connectedAtMs = connection().accessTokenSentAtMs ?? 0;
    model.directory.setAppEnabledAt(concurApp.clientId, company.id, false);
    await env.sleep(69 * DAY);
    const told = trail().filter(({ type }) => type === 'connection.expiring');
    expect(told.map(({ atMs, reason }) => [Math.floor((atMs - connectedAtMs) / DAY), reason])).toEqual([
      [10, 'within 60 days'],
      [40, 'within 30 days'],
      [63, 'within 7 days'],
    ]);
    model.directory.setAppEnabledAt(concurApp.clientId, company.id, true);
    await env.sleep(DAY);
    expect(connection()).toMatchObject({ state: 'active', expiryNoticeDays: null });
  });

  it('survives a wrong client secret: blocked, not dead', async () => {
    const { exchangeClientSecret, connection, handle, model, concurApp, company } = await startConnected();
    const right = exchangeClientSecret('wrong');
    await env.sleep(HOUR);
    expect(connection()).toMatchObject({ state: 'blocked', reason: 'client-secret-wrong' });
    exchangeClientSecret(right);
    // Somebody says that the credentials work: this connection finds out.
    await handle.signal(appRestoredSignal);
    await env.sleep(SECOND);
    expect(connection().state).toBe('active');
    expect(model.tokens.isConnected(concurApp.clientId, company.id)).toBe(true);
  });

  it('starts a new run about daily while it is warm', async () => {
    const { handle, connection, runIds } = await startConnected();
    for (let hour = 0; hour < 30; hour += 1) {
      await handle.executeUpdate(ensureFreshUpdate, { args: [{ version: connection().version }] }).catch(retryOnNewRun);
      await env.sleep(HOUR);
    }
    expect((await runIds()).length).toBeGreaterThan(1);
    expect(connection()).toMatchObject({ state: 'active' });
  });

  it('keeps what a message was for in its trace, and links what comes of itself to it, over runs', async () => {
    const { handle, connection, runIds } = await startConnected();
    await env.sleep(MINUTE);
    const traceId = 'ab'.repeat(16);
    await executeTraced(handle.workflowId, connection().version, `00-${traceId}-${'cd'.repeat(8)}-01`);
    for (let hour = 0; hour < 30; hour += 1) {
      await handle.executeUpdate(ensureFreshUpdate, { args: [{ version: connection().version }] }).catch(retryOnNewRun);
      await env.sleep(HOUR);
    }
    const ids = await runIds();
    expect(ids.length).toBeGreaterThan(1);
    const runs = await Promise.all(
      ids.map(async (runId) =>
        carriersOf(await env.client.workflow.getHandle(handle.workflowId, runId).fetchHistory()),
      ),
    );
    const carriers = runs.flatMap(({ activities }) => activities);
    const ours = carriers.filter(({ traceparent }) => traceparent !== undefined);
    const linked = carriers.filter(({ link }) => link !== undefined);
    expect([ours.length, ours.length + linked.length]).toEqual([1, carriers.length]);
    expect(linked.length).toBeGreaterThan(30);
    expect(new Set(linked.map(({ link }) => link))).toEqual(new Set([ours[0]?.traceparent]));
    expect(ours[0]?.traceparent).toMatch(new RegExp(`^00-${traceId}-(?!cdcd)`));
    expect(runs.flatMap(({ started }) => started)).toContainEqual({ link: ours[0]?.traceparent });
  });
});

describe('an administrator who disconnects', () => {
  it('is noticed at the next refresh', async () => {
    const { disconnect, connection } = await startConnected();
    disconnect();
    await env.sleep(HOUR);
    expect(connection()).toMatchObject({ state: 'reauthorization-required', reason: 'bad-refresh-token' });
  });

  it('is noticed at once when a partner reports a rejected token', async () => {
    const { disconnect, connection, handle } = await startConnected();
    disconnect();
    await handle.signal(tokenRejectedSignal, { version: 1, status: 403 });
    await env.sleep(MINUTE);
    expect(connection().state).toBe('reauthorization-required');
  });

  it('can connect again: same id, same run, next version', async () => {
    const { disconnect, connection, connect, handle } = await startConnected();
    disconnect();
    await handle.signal(tokenRejectedSignal);
    await env.sleep(MINUTE);
    expect(await connect()).toMatchObject({ settled: true, state: 'active', version: 2 });
    expect(connection().state).toBe('active');
  });
});

describe('what operators do', () => {
  it('takes every update and signal without any input, as the Temporal UI sends them', async () => {
    const { handle, connection } = await startConnected();
    await env.sleep(MINUTE);
    expect(await handle.executeUpdate('ensureFresh')).toMatchObject({ settled: true, version: 2 });
    expect(await handle.executeUpdate('refresh')).toMatchObject({ settled: true, version: 3 });
    expect(await handle.executeUpdate('pause')).toMatchObject({ settled: true, state: 'paused' });
    expect(await handle.executeUpdate('resume')).toMatchObject({ settled: true, state: 'active' });
    for (const signal of ['refresh', 'tokenRejected', 'pause', 'resume', 'appRestored']) await handle.signal(signal);
    await env.sleep(MINUTE);
    expect(connection().state).toBe('active');
    await expect(handle.executeUpdate('connect')).rejects.toThrow();
    expect(await handle.executeUpdate('revoke')).toMatchObject({ settled: true, state: 'revoked' });
  });

  it('refreshes by signal without any input', async () => {
    const { handle, connection } = await startConnected();
    await handle.signal(refreshSignal);
    await env.sleep(MINUTE);
    expect(connection().version).toBe(2);
  });

  it('pauses and resumes, and keeps the grant alive in between', async () => {
    const { handle, connection, takeTokenCalls } = await startConnected();
    expect(await handle.executeUpdate(pauseUpdate, { args: [{ actor: 'client:7', reason: 'audit' }] })).toMatchObject({
      state: 'paused',
    });
    await env.sleep(40 * DAY);
    expect(connection()).toMatchObject({ state: 'paused', reason: 'audit' });
    expect(takeTokenCalls()).toBe(1);
    expect(await handle.executeUpdate(resumeUpdate, { args: [{}] })).toMatchObject({ settled: true, state: 'active' });
  });

  it('revokes at Concur, and the run ends', async () => {
    const { handle, model, concurApp, company, connection } = await startConnected();
    expect(await handle.executeUpdate(revokeUpdate, { args: [{ actor: 'client:7' }] })).toMatchObject({
      settled: true,
      state: 'revoked',
    });
    expect(await handle.result()).toBe('ended');
    expect(model.tokens.isConnected(concurApp.clientId, company.id)).toBe(false);
    expect(connection()).toMatchObject({ state: 'revoked', accessTokenExpiresAtMs: null });
  });

  it('refreshes a stale token first when it revokes', async () => {
    const { handle, requests, connection } = await startConnected();
    await handle.signal(pauseSignal);
    await env.sleep(3 * HOUR);
    requests.length = 0;
    expect(await handle.executeUpdate(revokeUpdate, { args: [{}] })).toMatchObject({ state: 'revoked' });
    expect(requests.map(({ endpoint }) => endpoint)).toEqual(['token', 'revoke']);
    expect(connection().state).toBe('revoked');
  });

  it('takes a grant that Concur no longer knows as revoked', async () => {
    const { disconnect, handle } = await startConnected();
    disconnect();
    expect(await handle.executeUpdate(revokeUpdate, { args: [{}] })).toMatchObject({ state: 'revoked' });
  });

  it('shows state and data centre as search attributes', async () => {
    const { handle } = await startConnected();
    const { typedSearchAttributes } = await handle.describe();
    const shown = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    expect(shown).toMatchObject({
      [searchAttributes.state]: 'active',
      [searchAttributes.dataCentre]: 'us2',
      [searchAttributes.app]: 'demo',
    });
  });
});

/** An update may meet a run that is just being continued as new: its sender asks again. */
function retryOnNewRun(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}
