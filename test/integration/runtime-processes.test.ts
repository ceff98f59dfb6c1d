/** What a main program does as a process of its own: exit codes, signals, and a launcher that goes away. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const children: ChildProcess[] = [];
let folder: string;

beforeAll(() => {
  // Inside the tree, so that the program finds its dependencies.
  folder = mkdtempSync(join(root, 'node_modules/.runtime-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
});

/** Runs a program that is given the parts of `runtime/`. */
function run(body: string, env: NodeJS.ProcessEnv = {}) {
  const from = (name: string) => JSON.stringify(pathToFileURL(join(root, 'runtime', name)).href);
  const path = join(folder, `main-${children.length}-${Date.now()}.mts`);
  writeFileSync(
    path,
    `import { loadConfig } from ${from('config.ts')};
     import { createLogger } from ${from('logger.ts')};
     import { runMain } from ${from('main-guard.ts')};
     import { announceReady } from ${from('ready.ts')};
     import { createShutdown } from ${from('shutdown.ts')};
     await runMain('part', async () => { ${body} });`,
  );
  const child = fork(path, {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { PATH: process.env.PATH, ...env },
  });
  children.push(child);
  const output = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => void (output.out += chunk));
  child.stderr?.on('data', (chunk) => void (output.err += chunk));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
  return { child, ended };
}

const serving = `
  const log = createLogger({ level: 'info', name: 'part' });
  const shutdown = createShutdown({ log });
  const timer = setInterval(() => undefined, 1000);
  shutdown.onClose('timer', () => clearInterval(timer));
  announceReady('http://localhost:1234');`;

describe('a main program', () => {
  it('with a wrong environment says all of it and exits with 78', async () => {
    const { ended } = run(`loadConfig('api');`, { PORT: 'x', LOG_LEVEL: 'loud' });
    const { code, err } = await ended;
    expect(code).toBe(78);
    for (const name of [
      'PORT',
      'LOG_LEVEL',
      'DATABASE_URL',
      'TEMPORAL_ADDRESS',
      'EVERGRANT_KEKS',
      'PUBLIC_URL',
      'OPS_PORT',
    ]) {
      expect(err).toContain(`${name}: `);
    }
    expect(err).not.toContain('    at ');
  });

  it('that fails later, in the background, exits with 1 and a stack', async () => {
    const { ended } = run(
      `setTimeout(() => { Promise.reject(new TypeError('a defect')); }, 1); setInterval(() => 0, 1000);`,
    );
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toMatch(/part: TypeError: a defect\n\s+at /);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('tells its launcher that it is ready, and ends on %s', async (signal) => {
    const { child, ended } = run(serving);
    const [message] = await once(child, 'message');
    expect(message).toEqual({ type: 'ready', url: 'http://localhost:1234' });
    child.kill(signal);
    child.kill(signal);
    const { code, out } = await ended;
    expect(code).toBe(0);
    expect(out).toContain(`"reason":"${signal}"`);
  });

  it('ends when its launcher is gone', async () => {
    const { child } = run(serving);
    await once(child, 'message');
    const exited = once(child, 'exit');
    child.disconnect();
    expect(await exited).toEqual([0, null]);
  });
});
