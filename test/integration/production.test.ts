/**
 * The production build as the images run it: in mode production, as an unprivileged user, on file systems that cannot be
 * written; and its end, which fails nobody and loses nothing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drainOf } from '../../api/drain.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { HANDLER_WAIT_MS, refreshSignal } from '../../workflows/contract.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { createAuthority } from '../rig/certificates.ts';
import { lockDown, type LockedDown, type LockedProcess } from '../rig/locked-down.ts';
import { startTlsFront, type TlsFront } from '../rig/tls-front.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

let front: TlsFront;
let backend: Backend;
let locked: LockedDown;
let environment: Readonly<Record<string, string>>;
const running = new Set<LockedProcess>();

beforeAll(async () => {
  // SAP Concur is called by https alone: the sandbox gets it here.
  const authority = createAuthority('Test authority');
  const port = await freePort();
  front = await startTlsFront(authority.certify('localhost'), port);
  backend = await createBackend({ port, publicUrl: `https://localhost:${front.port}` });
  locked = await lockDown();
  writeFileSync(join(locked.place, 'authority.pem'), authority.certificate);
  environment = {
    ...backend.environment,
    EVERGRANT_MODE: 'production',
    PUBLIC_URL: 'https://connect.example.com',
    NODE_EXTRA_CA_CERTS: join(locked.place, 'authority.pem'),
  };
}, 180_000);
afterAll(async () => {
  for (const { child, ended } of running) {
    child.kill('SIGKILL');
    await ended;
  }
  locked.remove();
  await backend.close();
  await front.close();
});

async function start(program: 'api' | 'worker', more: Readonly<Record<string, string>>): Promise<LockedProcess> {
  const started = await locked.start(program, { ...environment, ...more });
  running.add(started);
  void started.ended.then(() => running.delete(started));
  return started;
}

const statusOf = (url: string): Promise<number> =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  );
const refreshes = () => backend.sandbox.calls({ endpoint: 'token', grantType: 'refresh_token' });

describe('the production build', () => {
  it('is tried by a user who has no rights and cannot write anywhere', () => {
    const found = locked.run(`
      const { readFileSync, writeFileSync } = require('node:fs');
      const tried = [process.cwd(), '/tmp', '/var/tmp', '/dev/shm', '/'].map((folder) => {
        try { writeFileSync(folder + '/planted', ''); return folder + ' was written'; } catch ({ code }) { return code; }
      });
      const [, capabilities] = /CapEff:\\s*(\\w+)/.exec(readFileSync('/proc/self/status', 'utf8'));
      console.log(JSON.stringify({ tried, capabilities: Number('0x' + capabilities), user: process.getuid() }));`);
    const { tried, capabilities, user } = JSON.parse(found) as { tried: string[]; capabilities: number; user: number };
    for (const code of tried) expect(code).toMatch(/^(EROFS|EACCES|ENOENT)$/);
    if (process.getuid?.() === 0) expect({ capabilities, user }).toEqual({ capabilities: 0, user: 1_000 });
  });

  it('connects, hands out tokens, and ends without failing a request or losing an answer', async () => {
    const [port, opsPort, workerPort] = [await freePort(), await freePort(), await freePort()];
    const worker = await start('worker', { WORKER_PORT: String(workerPort) });
    const api = await start('api', { PORT: String(port), OPS_PORT: String(opsPort), SHUTDOWN_DELAY: '2s' });
    const ofApi = `http://127.0.0.1:${opsPort}`;
    const ofWorker = `http://127.0.0.1:${workerPort}`;
    for (const url of [ofApi, ofWorker]) expect(await statusOf(`${url}/readyz`)).toBe(200);
    // Apart: what is for operators is not on the port that everybody reaches.
    expect(await statusOf(`http://127.0.0.1:${port}/metrics`)).toBe(404);

    const { key, result } = await backend.connect();
    expect(result).toMatchObject({ settled: true, state: 'active' });
    const scopes = ['--scope', 'tokens:read', '--scope', 'connections:refresh'];
    const created = await evergrant({ ...environment, EVERGRANT_HOME: '/nonexistent' }, [
      ...['clients', 'create', '--json', '--name', 'n', '--app', key.app, ...scopes],
    ]);
    const one = `http://127.0.0.1:${port}/v1/apps/${key.app}/connections/${key.principal}`;
    const headers = { authorization: `Bearer ${String(created.json().token)}` };
    const read = () => fetch(`${one}/token`, { headers });
    expect((await read()).status).toBe(200);

    // The API's end: a request is under way, as SAP Concur takes its time.
    const slow = backend.sandbox.fault({ kind: 'hold', when: 'after', match: { grantType: 'refresh_token' } });
    const underWay = fetch(`${one}/refresh`, { method: 'POST', headers });
    await waitFor('the refresh to reach Concur', 10_000, () => (refreshes().length === 1 ? true : null));
    api.child.kill('SIGTERM');
    await waitFor('the API to say that it is going', 2_000, async () =>
      (await statusOf(`${ofApi}/readyz`)) === 503 ? true : null,
    );
    const late = await read();
    expect({ status: late.status, connection: late.headers.get('connection') }).toEqual({
      status: 200,
      connection: 'close',
    });
    await waitFor('the port to be closed', 10_000, async () => ((await statusOf(one)) === 0 ? true : null));
    expect(await statusOf(`${ofApi}/healthz`)).toBe(200);
    slow.release();
    const answer = await underWay;
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ version: 2 });
    expect(await api.ended, api.output()).toBe(0);
    const { requestsMs } = drainOf({ mode: 'production', shutdownDelayMs: 0 });
    expect(requestsMs).toBeGreaterThan(HANDLER_WAIT_MS);

    // The worker's end: the answer on its way may hold the only live token.
    const hanging = backend.sandbox.fault({ kind: 'hold', when: 'after', match: { grantType: 'refresh_token' } });
    await backend.handle(key).signal(refreshSignal);
    await waitFor('the refresh to reach Concur', 10_000, () => (refreshes().length === 2 ? true : null));
    worker.child.kill('SIGTERM');
    await waitFor('the worker to say that it is going', 5_000, async () =>
      (await statusOf(`${ofWorker}/readyz`)) === 503 ? true : null,
    );
    expect(await statusOf(`${ofWorker}/healthz`)).toBe(200);
    expect(worker.child.exitCode).toBeNull();
    expect((await backend.connection(key)).version).toBe(2);
    hanging.release();
    expect(await worker.ended, worker.output()).toBe(0);
    expect(await backend.connection(key)).toMatchObject({ state: 'active', version: 3 });
    expect(refreshes()).toHaveLength(2);
  }, 90_000);
});
