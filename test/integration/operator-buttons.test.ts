/**
 * What *Cancel* in the Temporal UI does; *Terminate* and *Reset* are tried with the reconciler. On a real server, as the
 * time-skipping one refuses to continue a cancelled run as new.
 */
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { refreshUpdate, resumeSignal, resumeUpdate } from '../../workflows/contract.ts';
import { recordHistories } from '../replay/recorded-histories.ts';
import { compiledWorkflowBundle } from '../rig/compiled-product.ts';
import { quietTemporal } from '../rig/quiet-temporal.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type Backend, createBackend } from './backend.ts';

quietTemporal();

let backend: Backend;

beforeAll(async () => {
  backend = await createBackend();
  await backend.startWorker();
});
afterAll(() => backend.close());

/** Types of the audit trail, oldest first. */
async function trail(key: ConnectionKey): Promise<string[]> {
  const { items } = await backend.connections.events(key, { limit: 200 });
  return items.map(({ type }) => type).toReversed();
}

describe('a *Cancel*', () => {
  it('reads as a pause and revokes nothing, as often as somebody presses it', async ({ task }) => {
    const { key } = await backend.connect();
    const runIds = new Set([(await backend.handle(key).describe()).runId]);
    for (const resume of ['by update', 'by signal']) {
      const handle = backend.handle(key);
      await handle.cancel();
      await waitFor('the connection to be paused', 5_000, async () => {
        const { state } = await backend.connection(key);
        return state === 'paused' ? true : null;
      });
      expect(await backend.connection(key)).toMatchObject({ reason: 'cancelled in the Temporal UI' });
      const { runId } = await waitFor('a run that can be cancelled again', 5_000, async () => {
        const description = await handle.describe();
        return description.status.name === 'RUNNING' && !description.raw.workflowExtendedInfo?.cancelRequested
          ? description
          : null;
      });
      runIds.add(runId);
      if (resume === 'by update') await handle.executeUpdate(resumeUpdate, { args: [{}] });
      else await handle.signal(resumeSignal);
      await waitFor('the connection to be back', 5_000, async () =>
        (await backend.connection(key)).state === 'active' ? true : null,
      );
    }
    expect(runIds.size).toBe(3);
    expect(await backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] })).toMatchObject({
      settled: true,
      state: 'active',
      version: 2,
    });
    expect(backend.sandbox.calls({ endpoint: 'revoke' })).toEqual([]);
    expect((await trail(key)).filter((type) => /^command\.(paused|resumed)$/.test(type))).toEqual([
      'command.paused',
      'command.resumed',
      'command.paused',
      'command.resumed',
    ]);

    const histories = await Promise.all(
      [...runIds].map(async (runId) => {
        const { workflowId } = backend.handle(key);
        const run = backend.client.workflow.getHandle(workflowId, runId);
        return { workflowId, test: task.name, history: await run.fetchHistory() };
      }),
    );
    for await (const { error } of Worker.runReplayHistories(
      { workflowBundle: await compiledWorkflowBundle() },
      histories,
    )) {
      expect(error).toBeUndefined();
    }
    if (process.env.RECORD_HISTORIES === '1') await recordHistories(histories);
  });

  it('of a run that is cut short by it loses no wish', async () => {
    const { key } = await backend.connect();
    const handle = backend.handle(key);
    await handle.cancel();
    const answers = await Promise.all([
      handle.executeUpdate(resumeUpdate, { args: [{}] }).catch((error: unknown) => error),
      handle.signal(resumeSignal),
    ]);
    expect(answers).toHaveLength(2);
    const healed = await waitFor('the connection to be back', 5_000, async () => {
      const connection = await backend.connection(key);
      return connection.state === 'active' ? connection : null;
    });
    expect(healed.reason).toBeNull();
  });
});
