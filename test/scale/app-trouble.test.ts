/** The app's own credentials are refused: nothing dies of it, nobody storms Concur, and everything comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { countConnections } from '../../db/connection-counts.ts';
import { createPool } from '../../db/pool.ts';
import { appGuardianWorkflowId, guardianStatusQuery, refreshUpdate } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type Backend, createBackend } from '../integration/backend.ts';
import { evergrant } from '../integration/cli-terminal.ts';
import { silentLog } from '../integration/db-silent-log.ts';
import { seedConnections, startWorkflows } from '../integration/fleet.ts';

/** Calls per second; with the 20 of production the same takes 50 s each way. */
const CAP = 50;
/** A fifth of what it was measured with, so that the whole suite stays short: `FLEET=1000` takes minutes of two cores. */
const FLEET = Number(process.env.FLEET ?? 200);
/** A fleet has taken a look by then, on a machine that is busy with other tests too. */
const PASS_MS = 180_000;

let backend: Backend;
let environment: Readonly<Record<string, string>>;
let pool: Pool;

beforeAll(async () => {
  backend = await createBackend();
  pool = createPool({ url: backend.database.url, log: silentLog, max: 1 });
  environment = { ...backend.environment, EVERGRANT_HOME: '/nonexistent' };
});
afterAll(async () => {
  await pool.end();
  await backend.close();
});

function tokenCalls(dataCentre = 'us2') {
  return backend.sandbox.calls({ endpoint: 'token', dataCentre });
}

/** The most calls in any span of that length. */
function most(times: readonly number[], spanMs: number): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + spanMs).length));
}

async function countStates(): Promise<Record<string, number>> {
  const counts = await countConnections(pool);
  const states: Record<string, number> = {};
  for (const { state, count } of counts) states[state] = (states[state] ?? 0) + count;
  return states;
}

async function showApp() {
  const { code, json } = await evergrant(environment, ['apps', 'show', 'demo', '--json']);
  expect(code).toBe(0);
  return json();
}

describe('a client secret that is exchanged', () => {
  let keys: readonly ConnectionKey[];

  beforeAll(async () => {
    await backend.startWorker({ CONCUR_RATE_PER_DATACENTER: String(CAP) });
    keys = await seedConnections(backend, 5, { dataCentre: 'us2', nextActionAtMs: Date.now() + 86_400_000 });
    await startWorkflows(backend, keys);
  });

  const refreshAll = async (): Promise<readonly Connection[]> => {
    const before = await Promise.all(keys.map((key) => backend.connection(key)));
    const results = await Promise.all(
      keys.map((key) => backend.handle(key).executeUpdate(refreshUpdate, { args: [{}] })),
    );
    expect(results).toEqual(before.map(({ version }) => ({ settled: true, state: 'active', version: version + 1 })));
    return await Promise.all(keys.map((key) => backend.connection(key)));
  };
  const secretAdd = async (secret: string) => {
    const added = await evergrant(environment, ['apps', 'secret-add', 'demo', '--json'], `${secret}\n`);
    expect({ code: added.code, err: added.err }).toEqual({ code: 0, err: '' });
    expect(added.out).not.toContain(secret);
    return added.json();
  };

  it('fails no refresh, whichever of the two Concur takes, and however short ago it was added', async () => {
    const { sandbox, concurApp } = backend;
    const { clientId } = concurApp;
    const oldSecret = concurApp.secrets.at(-1)?.value ?? '';
    await refreshAll();

    // Both are taken for a while.
    const second = sandbox.newSecret({ clientId, old: 'overlaps' });
    expect(await secretAdd(second)).toMatchObject({ outcome: 'added' });
    await refreshAll();
    // The old one is switched off while this process has never used the new one, or has and goes on with it.
    sandbox.deactivateSecret({ clientId, secret: oldSecret });
    await refreshAll();

    // One that is on file before Concur takes it: the one that works goes on working.
    const third = 'added-before-it-is-valid';
    await secretAdd(third);
    await refreshAll();
    // Now it is the only one, from one moment to the next.
    sandbox.newSecret({ clientId, old: 'dies', secret: third });
    const after = await refreshAll();

    expect(after.map(({ lastError, failureCount }) => [lastError, failureCount])).toEqual(keys.map(() => [null, 0]));
    for (const key of keys) {
      const { items } = await backend.connections.events(key, { limit: 50 });
      expect(
        items.map(({ type }) => type).filter((type) => type.includes('failed') || type.includes('blocked')),
      ).toEqual([]);
    }
    expect((await showApp()).troubles).toEqual([]);
  });

  it('is retired when the one that works now is another, the last one only by force', async () => {
    const worked = await waitFor('the secret that works to be noted', 5_000, async () => {
      const { secrets } = (await showApp()) as { secrets: { id: string; last_worked_at: string | null }[] };
      return secrets.length === 3 && secrets[0]?.last_worked_at != null ? secrets : null;
    });
    const retired = await evergrant(environment, ['apps', 'secret-retire', 'demo', '--json']);
    expect(retired.code).toBe(0);
    expect(retired.json().retired).toEqual(worked.slice(1).map(({ id }) => id));
    const last = worked[0]?.id ?? '';
    const refused = await evergrant(environment, ['apps', 'secret-retire', 'demo', last]);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('--force')]);
    await refreshAll();
  });
});

describe('a wrong client secret', () => {
  it(`ends none of ${FLEET} connections, costs a handful of calls, and all are back within 90 s of secret-add`, async ({
    annotate,
  }) => {
    const { sandbox, concurApp, client } = backend;
    const working = sandbox.newSecret({ clientId: concurApp.clientId, old: 'dies' });
    const keys = await seedConnections(backend, FLEET, { dataCentre: 'us2' });
    const others = 5;
    const before = tokenCalls().length;
    await startWorkflows(backend, keys);

    await waitFor('all to be blocked', PASS_MS, async () =>
      (await countStates()).blocked === FLEET ? true : (await sleep(200), null),
    );
    const refused = tokenCalls().slice(before);
    expect(refused.length).toBeLessThanOrEqual(CAP);
    const handle = client.workflow.getHandle(appGuardianWorkflowId('demo'));
    expect(await handle.query(guardianStatusQuery)).toMatchObject({
      troubles: [{ data_center: 'us2', reason: 'client-secret-wrong', concur_code: 64 }],
    });
    expect(await showApp()).toMatchObject({ troubles: [{ data_center: 'us2', blocked: true, concur_code: 64 }] });

    const from = tokenCalls().length;
    const addedAt = performance.now();
    const added = await evergrant(environment, ['apps', 'secret-add', 'demo'], working);
    expect([added.code, added.err]).toEqual([0, '']);
    await waitFor('all to be refreshed', 90_000, async () =>
      tokenCalls().length - from >= FLEET ? true : (await sleep(200), null),
    );
    await waitFor('all to be active', 10_000, async () =>
      (await countStates()).active === FLEET + others ? true : (await sleep(200), null),
    );
    const backMs = Math.round(performance.now() - addedAt);

    const calls = tokenCalls().slice(from);
    const perSpan = most(
      calls.map(({ startedAtMs }) => startedAtMs),
      10_000,
    );
    await annotate(
      `cap ${CAP}/s: ${refused.length} calls while blocked, all ${FLEET} back after ${backMs} ms, ` +
        `${calls.length} calls for that, at most ${perSpan} in 10 s`,
    );
    expect(backMs).toBeLessThan(90_000);
    expect(perSpan).toBeLessThanOrEqual(CAP * 10 + CAP);
    const all = await waitFor('every answer to be on file', 10_000, async () => {
      const found = await Promise.all(keys.map((key) => backend.connection(key)));
      return found.every(({ version }) => version === 2) ? found : (await sleep(500), null);
    });
    expect(all.filter(({ lastError }) => lastError !== null)).toEqual([]);
    expect(await handle.result()).toEqual({ restored: FLEET });
    expect((await showApp()).troubles).toEqual([]);
  }, 300_000);
});
