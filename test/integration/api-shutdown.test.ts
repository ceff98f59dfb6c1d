/** The API's process at its end: what was begun is answered, and an end that was asked for is no failure. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { compiledProgram } from '../rig/compiled-product.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { evergrant } from './cli-terminal.ts';

let database: TestDatabase;
let empty: TestDatabase;
beforeAll(async () => {
  [database, empty] = [await createTestDatabase(), await createEmptyDatabase()];
});
afterAll(async () => {
  await database.drop();
  await empty.drop();
});

async function startApi(databaseUrl: string) {
  const port = await freePort();
  const environment = {
    EVERGRANT_MODE: 'development',
    EVERGRANT_HOME: '/nonexistent',
    EVERGRANT_KEKS: `k1:${randomBytes(32).toString('base64url')}`,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    PORT: String(port),
    PUBLIC_URL: `http://localhost:${port}`,
  };
  const child = spawn(process.execPath, [await compiledProgram('api')], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  return { child, port, environment, exited, output: () => output };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

it('answers the request under way with the database still there, then exits with 0', async () => {
  const api = await startApi(database.url);
  try {
    const url = `http://127.0.0.1:${api.port}`;
    const isReady = () =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await expect.poll(isReady, { timeout: 20_000 }).toBe(true);
    const argv = ['clients', 'create', '--json', '--name', 'n', '--scope', 'connections:write', '--app', 'demo'];
    const { token } = (await evergrant(api.environment, argv)).json();

    const socket = connect(api.port, '127.0.0.1').setEncoding('utf8');
    let answer = '';
    socket.on('data', (text: string) => {
      answer += text;
    });
    const body = JSON.stringify({ customer_ref: 'c-1' });
    // The server says that it waits for the body: so the request is under way.
    socket.write(
      `PATCH /v1/apps/demo/connections/${randomUUID()} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n` +
        `Authorization: Bearer ${String(token)}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    await expect.poll(() => answer).toContain('100 Continue');
    api.child.kill('SIGTERM');
    await expect
      .poll(() =>
        fetch(`${url}/healthz`).then(
          () => 'open',
          () => 'closed',
        ),
      )
      .toBe('closed');
    socket.write(body);
    await expect.poll(() => answer).toMatch(/HTTP\/1\.1 404 [\s\S]*not-found/);
    socket.end();
    expect(await api.exited, api.output()).toEqual([0, null]);
  } finally {
    await end(api.child);
  }
});

it('exits with 0, and without a stack, while it waits for migrations', async () => {
  const api = await startApi(empty.url);
  try {
    await expect.poll(api.output, { timeout: 20_000 }).toContain('evergrant migrate');
    api.child.kill('SIGTERM');
    expect(await api.exited, api.output()).toEqual([0, null]);
    expect(api.output()).not.toContain('AbortError');
  } finally {
    await end(api.child);
  }
});
