/** The workflow of a connect whose principal nobody knows yet, in skipped time; what its activities say is scripted. */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { UnidentifiedInput, UnidentifiedStep } from '../../activities/unidentified.ts';
import type { UnidentifiedCargo } from '../../core/lifeboat.ts';
import { concurTaskQueue, unidentifiedWorkflowId, workflowTypes } from '../../workflows/contract.ts';
import { type History, recordHistories } from '../replay/recorded-histories.ts';
import { compiledWorkflowBundle } from '../rig/compiled-product.ts';
import { quietTemporal } from '../rig/quiet-temporal.ts';
import { createTimeSkippingEnvironment } from '../rig/time-skipping.ts';
import { withoutSummary } from './summaries.ts';

quietTemporal();

const MINUTE = 60_000;
const principal = 'a1b2c3d4-0000-4000-8000-000000000001';

let env: TestWorkflowEnvironment;
let bundle: WorkflowBundleOption;
const histories: { workflowId: string; test: string; history: History }[] = [];

beforeAll(async () => {
  [env, bundle] = await Promise.all([createTimeSkippingEnvironment(), compiledWorkflowBundle()]);
});

afterAll(async () => {
  try {
    expect(histories).toHaveLength(4);
    expect(histories.flatMap(({ history }) => withoutSummary(history))).toEqual([]);
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: bundle }, histories)) {
      expect(error, `the history of ${workflowId} does not replay`).toBeUndefined();
    }
    if (process.env.RECORD_HISTORIES === '1') await recordHistories(histories);
  } finally {
    await env.teardown();
  }
});

/** Runs it to its end; `steps`: what each try says or throws. */
async function run(steps: readonly (UnidentifiedStep | Error | (() => Promise<UnidentifiedStep>))[]) {
  const taskQueue = `evergrant-${randomUUID()}`;
  const tries: (UnidentifiedInput & { readonly atMs: number })[] = [];
  const introduced: unknown[] = [];
  const saved: UnidentifiedCargo[] = [];
  const activities = {
    async exchangeUnidentified(input: UnidentifiedInput): Promise<UnidentifiedStep> {
      const step = steps[tries.length];
      tries.push({ ...input, atMs: await env.currentTimeMs() });
      if (step === undefined) throw new Error('nobody expected another try');
      if (step instanceof Error) throw step;
      return typeof step === 'function' ? await step() : step;
    },
    async introduceConnect(input: unknown): Promise<null> {
      introduced.push(input);
      return null;
    },
    async saveUnidentified({ cargo }: { readonly cargo: UnidentifiedCargo }): Promise<null> {
      saved.push(cargo);
      return null;
    },
  };
  const queues = [taskQueue, concurTaskQueue(taskQueue, 'us2')];
  const workers = await Promise.all(
    queues.map((queue) =>
      Worker.create({
        connection: env.nativeConnection,
        namespace: env.namespace ?? 'default',
        taskQueue: queue,
        workflowBundle: bundle,
        activities,
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  try {
    const workflowId = unidentifiedWorkflowId('demo', 's1');
    const handle = await env.client.workflow.start(workflowTypes.connectUnidentified, {
      workflowId,
      taskQueue,
      args: [{ app: 'demo', sessionId: 's1', dataCentre: 'us2' }],
    });
    const result: unknown = await handle.result();
    const test = expect.getState().currentTestName ?? '';
    histories.push({ workflowId, test, history: await handle.fetchHistory() });
    return { result, tries, introduced, saved };
  } finally {
    for (const worker of workers) worker.shutdown();
    await running;
  }
}

it('hands over to the connection it turned out to be for', async () => {
  const { result, introduced } = await run([{ done: true, principal }]);
  expect(result).toEqual({ principal });
  expect(introduced).toEqual([{ app: 'demo', principal, sessionId: 's1' }]);
});

it('introduces nobody when nothing came of it', async () => {
  const { result, introduced } = await run([{ done: true, principal: null }]);
  expect(result).toEqual({ principal: null });
  expect(introduced).toEqual([]);
});

it('waits until the next try, and names the same minted principal in each', async () => {
  const later = async (): Promise<UnidentifiedStep> => ({
    done: false,
    nextTryAtMs: (await env.currentTimeMs()) + 5 * MINUTE,
  });
  const { tries } = await run([later, { done: true, principal }]);
  const [first, second] = tries;
  expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(5 * MINUTE);
  expect(second?.mintedPrincipal).toBe(first?.mintedPrincipal);
});

it('saves what a lost call left in the lifeboat before it goes on', async () => {
  const cargo = { kind: 'unidentified', attemptId: 's1', answer: 'sealed', sentAtMs: 1 } as const;
  const failure = ApplicationFailure.create({ message: 'broke', type: 'internal', details: [{}, cargo] });
  const { saved, tries } = await run([failure, { done: true, principal }]);
  expect(saved).toEqual([cargo]);
  expect(tries).toHaveLength(2);
});
