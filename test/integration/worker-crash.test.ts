import { describe, expect, it, type TestContext } from 'vitest';
import { refreshSignal, refreshUpdate } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type Backend, createBackend } from './backend.ts';
import { createDatabaseProxy, type DatabaseProxy } from './db-proxy.ts';

/** Decides the outcome of a call after a second, so that its horizon is short enough for a test. */
const QUICK = { CONCUR_TIMEOUT: '1s' };

async function start(
  { onTestFinished }: TestContext,
  rotation: 'lax' | 'strict',
): Promise<{ backend: Backend; proxy: DatabaseProxy }> {
  const backend = await createBackend({ settings: { rotation } });
  const proxy = await createDatabaseProxy(backend.environment.DATABASE_URL);
  onTestFinished(async () => {
    await backend.close();
    await proxy.close();
  });
  return { backend, proxy };
}

describe.concurrent('a worker that is killed in the middle of a refresh', () => {
  for (const when of ['before', 'after'] as const) {
    it.concurrent(`leaves a connection that goes on by itself when Concur was stopped ${when} it acted`, async (context) => {
      const { backend } = await start(context, 'lax');
      const { sandbox, handle } = backend;
      const first = await backend.startWorker(QUICK);
      const { key, result } = await backend.connect();
      expect(result).toEqual({ settled: true, state: 'active', version: 1 });

      const fault = sandbox.fault({ kind: 'hold', when, match: { endpoint: 'token', grantType: 'refresh_token' } });
      await handle(key).signal(refreshSignal);
      await waitFor('the refresh to reach Concur', 10_000, () => {
        const calls = sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' });
        return calls.length === 1 ? true : null;
      });
      await first.kill();
      fault.release();
      expect((await backend.connection(key)).version).toBe(1);

      await backend.startWorker(QUICK);
      const healed = await waitFor('the connection to be refreshed', 60_000, async () => {
        const connection = await backend.connection(key);
        return connection.version > 1 ? connection : null;
      });
      expect(healed.state).toBe('active');
      // The attempt that was cut off had its horizon to itself: nobody called beside it.
      const calls = sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' });
      expect(calls.length).toBe(2);
    }, 120_000);
  }
});

it.concurrent('an answer that could not be saved outlives the worker, although Concur killed the old token at once', async (context) => {
  const { backend, proxy } = await start(context, 'strict');
  const { sandbox, handle } = backend;
  const worker = await backend.startWorker({ ...QUICK, DATABASE_URL: proxy.url });
  const { key } = await backend.connect();

  const fault = sandbox.fault({
    kind: 'hold',
    when: 'after',
    match: { endpoint: 'token', grantType: 'refresh_token' },
  });
  await handle(key).signal(refreshSignal);
  await waitFor('the refresh to reach Concur', 10_000, () =>
    sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' }).length === 1 ? true : null,
  );
  proxy.cut();
  fault.release();
  await waitFor('the answer to be on its way to safety', 20_000, async () => {
    const { raw } = await handle(key).describe();
    return raw.pendingActivities?.some(({ heartbeatDetails }) => heartbeatDetails?.payloads?.length) ? true : null;
  });
  await worker.kill();
  expect((await backend.connection(key)).version).toBe(1);

  await backend.startWorker(QUICK);
  const healed = await waitFor('the answer to be saved', 60_000, async () => {
    const connection = await backend.connection(key);
    return connection.version > 1 ? connection : null;
  });
  expect(healed).toMatchObject({ state: 'active', version: 2 });
  // Not by asking again: the old token was dead.
  expect(sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' }).length).toBe(1);
  await handle(key).executeUpdate(refreshUpdate, { args: [{}] });
  expect(await backend.connection(key)).toMatchObject({ state: 'active', version: 3 });
}, 120_000);
