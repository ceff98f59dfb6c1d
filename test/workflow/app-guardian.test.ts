/** The app's guardian in skipped time: the real workflow and activities, SAP Concur as the sandbox's model. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { guardianStatusQuery, refreshUpdate } from '../../workflows/contract.ts';
import type { History } from '../replay/recorded-histories.ts';
import { recordHistories } from '../replay/recorded-histories.ts';
import { compiledWorkflowBundle } from '../rig/compiled-product.ts';
import { quietTemporal } from '../rig/quiet-temporal.ts';
import { createTimeSkippingEnvironment } from '../rig/time-skipping.ts';
import { type ConnectionRig, createConnectionRig } from './connection-rig.ts';
import { withoutSummary } from './summaries.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

quietTemporal();

let env: TestWorkflowEnvironment;
let bundle: WorkflowBundleOption;
let rig: ConnectionRig;
const histories: { workflowId: string; test: string; history: History }[] = [];

beforeAll(async () => {
  [env, bundle] = await Promise.all([createTimeSkippingEnvironment(), compiledWorkflowBundle()]);
});

afterEach(async ({ task }) => {
  for (const handle of [rig.guardian, rig.handle]) {
    const history = await handle.fetchHistory();
    histories.push({ workflowId: handle.workflowId, test: task.name, history });
  }
  await rig.close();
});

afterAll(async () => {
  try {
    expect(histories.length).toBeGreaterThan(3);
    expect(histories.flatMap(({ history }) => withoutSummary(history))).toEqual([]);
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: bundle }, histories)) {
      expect(error, `the history of ${workflowId} does not replay`).toBeUndefined();
    }
    const guarded = histories.filter(({ workflowId }) => workflowId === rig.guardian.workflowId);
    if (process.env.RECORD_HISTORIES === '1') await recordHistories(guarded);
  } finally {
    await env.teardown();
  }
});

/** A connection whose app's secret is wrong by now, and has been found out to be. */
async function startBlocked(): Promise<{ readonly right: string }> {
  rig = await createConnectionRig({ env, workflowBundle: bundle, guarded: true });
  expect(await rig.connect()).toMatchObject({ state: 'active' });
  const right = rig.exchangeClientSecret('wrong');
  rig.takeTokenCalls();
  expect(await rig.handle.executeUpdate(refreshUpdate, { args: [{}] })).toMatchObject({ state: 'blocked' });
  // The second answer of the kind confirms the first.
  await env.sleep(5 * SECOND);
  expect(await rig.troubles.many('demo')).toMatchObject([{ dataCentre: 'us2', failures: 2 }]);
  return { right };
}

describe('the guardian of an app whose client secret is wrong', () => {
  it('probes ever more rarely, and says what is blocked', async () => {
    await startBlocked();
    await env.sleep(2 * HOUR);
    // Two refreshes, then after 0, 1, 3, 7, 15 minutes, and every quarter of an hour.
    const calls = rig.takeTokenCalls();
    expect(calls).toBeGreaterThan(8);
    expect(calls).toBeLessThan(18);
    expect(await rig.guardian.query(guardianStatusQuery)).toMatchObject({
      app: 'demo',
      troubles: [{ data_center: 'us2', reason: 'client-secret-wrong', concur_code: 64 }],
      waiting: [{ data_center: 'us2', waits_for: 'credentials', count: 1 }],
    });
    expect(rig.connection().state).toBe('blocked');
  });

  it('brings the connection back by itself once the secret works, and ends', async () => {
    const { right } = await startBlocked();
    await env.sleep(HOUR);
    rig.exchangeClientSecret(right);
    await env.sleep(16 * MINUTE);
    expect(rig.connection()).toMatchObject({ state: 'active', lastError: null });
    expect((await rig.guardian.describe()).status.name).toBe('COMPLETED');
    expect(await rig.troubles.many('demo')).toEqual([]);
  });

  it('does so within seconds of a signal without any input', async () => {
    const { right } = await startBlocked();
    await env.sleep(HOUR);
    rig.exchangeClientSecret(right);
    await rig.guardian.signal('probe');
    await env.sleep(10 * SECOND);
    expect(rig.connection()).toMatchObject({ state: 'active', lastError: null, version: 2 });
  });
});
