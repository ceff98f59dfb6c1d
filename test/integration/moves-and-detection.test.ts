/** What a customer does at SAP Concur without telling: the tenant moves, an administrator disconnects. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { refreshSignal, refreshUpdate, tokenRejectedSignal } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type Backend, createBackend } from './backend.ts';
import { seedConnections, startWorkflows } from './fleet.ts';

let backend: Backend;

beforeAll(async () => {
  backend = await createBackend();
  await backend.startWorker();
});
afterAll(() => backend.close());

const calls = ({ principal }: ConnectionKey) =>
  backend.sandbox.calls({ endpoint: 'token', principalId: principal, grantType: 'refresh_token' });

async function events(key: ConnectionKey): Promise<{ type: string; reason: string | null }[]> {
  const { items } = await backend.connections.events(key, { limit: 50 });
  return items.map(({ type, reason }) => ({ type, reason }));
}

describe('a tenant that moves to another data centre', () => {
  for (const formerHome of ['redirects', 'serves'] as const) {
    it(`is followed at the next refresh when its old home ${formerHome}`, async () => {
      const { sandbox, handle } = backend;
      const { key } = await backend.connect('us2');
      sandbox.move({ companyId: key.principal, dataCentre: 'eu2', formerHome });
      const answer = await handle(key).executeUpdate(refreshUpdate, { args: [{}] });
      expect(answer).toEqual({ settled: true, state: 'active', version: 2 });
      expect(await backend.connection(key)).toMatchObject({
        dataCentre: 'eu2',
        geolocation: sandbox.baseUris.eu2,
        lastError: null,
      });
      expect(await events(key)).toContainEqual({ type: 'connection.moved', reason: 'us2 to eu2' });
      await waitFor('the search attribute to follow', 5_000, async () => {
        const { typedSearchAttributes } = await handle(key).describe();
        const shown = typedSearchAttributes.getAll().find(({ key: { name } }) => name === 'ConcurDataCenter');
        return shown?.value === 'eu2' ? true : null;
      });

      const before = calls(key).length;
      await handle(key).executeUpdate(refreshUpdate, { args: [{}] });
      // On the queue of its new home, and straight there.
      expect(calls(key).slice(before)).toMatchObject([{ dataCentre: 'eu2', status: 200 }]);
      const { events: history } = await handle(key).fetchHistory();
      const queues = (history ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
        scheduled?.activityType?.name === 'refreshTokens' ? [scheduled.taskQueue?.name] : [],
      );
      expect(queues).toEqual(['evergrant-concur-us2', 'evergrant-concur-eu2']);
      expect((await events(key)).filter(({ type }) => type === 'connection.moved')).toHaveLength(1);
    });
  }
});

describe("an administrator's Disconnect", () => {
  it('is found within seconds when a partner reports a refused token', async () => {
    const { sandbox, concurApp, handle } = backend;
    const { key } = await backend.connect();
    sandbox.disconnect({ clientId: concurApp.clientId, principalId: key.principal });
    await handle(key).signal(tokenRejectedSignal, { version: 1, status: 401 });
    const ended = await waitFor('the connection to end', 5_000, async () => {
      const connection = await backend.connection(key);
      return connection.state === 'reauthorization-required' ? connection : null;
    });
    expect(ended).toMatchObject({ reason: 'bad-refresh-token', lastError: { concurCode: 108 } });
    expect(calls(key)).toHaveLength(1);
  });

  it('is found by the next refresh when nobody reports anything', async () => {
    const { sandbox, concurApp } = backend;
    const [key] = await seedConnections(backend, 1, { dataCentre: 'us2', nextActionAtMs: Date.now() + 2_000 });
    if (key === undefined) throw new Error('there is none');
    await startWorkflows(backend, [key]);
    sandbox.disconnect({ clientId: concurApp.clientId, principalId: key.principal });
    await waitFor('the connection to end', 15_000, async () =>
      (await backend.connection(key)).state === 'reauthorization-required' ? true : null,
    );
    expect(calls(key)).toHaveLength(1);
  });

  it('is asked about once a minute at most, however many report how often', async () => {
    const { handle } = backend;
    const { key } = await backend.connect();
    await Promise.all(Array.from({ length: 20 }, () => handle(key).signal(tokenRejectedSignal, { version: 1 })));
    await waitFor('the check', 5_000, async () => ((await backend.connection(key)).version === 2 ? true : null));
    // The new token is refused too, and without saying which one.
    for (const version of [2, undefined]) {
      await handle(key).signal(tokenRejectedSignal, version === undefined ? {} : { version });
    }
    // Shows that the loop has seen them: a signal that is not held back goes on.
    await handle(key).signal(refreshSignal);
    await waitFor('the refresh beside', 5_000, async () =>
      (await backend.connection(key)).version === 3 ? true : null,
    );
    expect(calls(key)).toHaveLength(2);
  });
});
