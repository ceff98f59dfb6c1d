import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { connectionWorkflowId } from '../../workflows/contract.ts';
import { compiledProgram } from '../rig/compiled-product.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

let backend: Backend;
let key: ConnectionKey;
let environment: Readonly<Record<string, string>>;

beforeAll(async () => {
  backend = await createBackend();
  environment = { ...backend.environment, EVERGRANT_HOME: '/nonexistent' };
  await backend.startWorker();
  ({ key } = await backend.connect());
});
afterAll(() => backend.close());

function command(name: string, ...more: readonly string[]) {
  return evergrant(environment, ['connections', name, key.app, key.principal, '--json', ...more]);
}

describe('commands to a connection, with everything up', () => {
  it('refresh it now: a new version is on file when the verb returns', async () => {
    const before = await backend.connection(key);
    const refreshed = await command('refresh');
    expect(refreshed).toMatchObject({ code: 0, err: '' });
    expect(refreshed.json()).toMatchObject({ state: 'active', version: before.version + 1 });
  });

  it('pause it and let it go on, each once, by name and with the reason', async () => {
    expect((await command('pause', '--reason', 'vacation')).json()).toMatchObject({
      state: 'paused',
      reason: 'vacation',
    });
    expect(await command('pause')).toMatchObject({ code: 0, err: '' });
    expect((await command('resume')).json()).toMatchObject({ state: 'active' });
    const { items } = await backend.connections.events(key, { limit: 50 });
    const commands = items
      .filter(({ type }) => type.startsWith('command.'))
      .map(({ type, actor }) => `${type} ${actor}`);
    expect(commands).toEqual(['command.resumed cli:tester', 'command.paused cli:tester', 'command.refresh cli:tester']);
  });

  it('bring a workflow back that was terminated', async () => {
    await backend.handle(key).terminate('a test');
    const { version } = await backend.connection(key);
    expect((await command('refresh')).json()).toMatchObject({ version: version + 1 });
    const handle = backend.client.workflow.getHandle(connectionWorkflowId(key));
    const { status, staticSummary } = await handle.describe();
    expect(status.name).toBe('RUNNING');
    expect(await staticSummary()).toBe(`SAP Concur connection of app demo and principal ${key.principal}`);
  });

  it('revive it when SAP Concur knows its tokens again, and only then', async () => {
    expect(await command('revive')).toMatchObject({ code: 1 });
    const { sandbox } = backend;
    const fault = sandbox.fault({
      kind: 'code',
      code: 108,
      times: 'always',
      match: { endpoint: 'token', grantType: 'refresh_token' },
    });
    expect((await command('refresh')).json()).toMatchObject({ state: 'reauthorization-required' });
    expect((await command('revive')).json()).toMatchObject({ state: 'reauthorization-required' });
    fault.remove();
    expect((await command('revive', '--reason', 'an incident')).json()).toMatchObject({ state: 'active' });
  });

  it('revoke it at SAP Concur, and say so again when asked again', async () => {
    const revoked = await command('revoke', '--reason', 'contract ended');
    expect(revoked).toMatchObject({ code: 0, err: '' });
    expect(revoked.json()).toMatchObject({ state: 'revoked' });
    expect(await command('revoke')).toMatchObject({ code: 0, err: '' });
    expect((await command('refresh')).code).toBe(1);
  });
});

describe('the program itself', () => {
  it('prints its result on standard output alone and ends with the exit code', async () => {
    const listed = await run(['connections', 'list', key.app, '--json']);
    expect(listed.code).toBe(0);
    expect(JSON.parse(listed.out).items).toHaveLength(1);
    const nothing = await run([]);
    expect(nothing).toMatchObject({ code: 2, out: '' });
  }, 30_000);
});

/** `evergrant` as a process of its own. */
async function run(argv: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }> {
  const program = await compiledProgram('cli');
  return await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...argv], {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      env: { PATH: process.env.PATH ?? '', ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out: Buffer.concat(chunks).toString() }));
  });
}
