import { afterEach, describe, expect, it } from 'vitest';
import { refreshSignal } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type Backend, createBackend } from './backend.ts';

/** Decides the outcome of a call after a second, so that its horizon is short enough for a test. */
const QUICK = { CONCUR_TIMEOUT: '1s' };

let backend: Backend;
afterEach(async () => {
  await backend.close();
});

describe('a worker that is killed in the middle of a refresh', () => {
  it.each(['before', 'after'] as const)(
    'leaves a connection that goes on by itself when Concur was stopped %s it acted',
    async (when) => {
      backend = await createBackend({ settings: { rotation: 'lax' } });
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
    },
    120_000,
  );
});
