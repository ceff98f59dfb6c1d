/**
 * The whole product as its user has it: `npm start` in a home of its own, known by what it wrote into `running.json`.
 * Nothing here knows more than the documented outside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { buildEnvironment, ENDED } from './product-environment.ts';
import { waitFor } from './wait-for.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const START_UP_MS = 90_000;

/** `running.json`, as documented. */
export interface Running {
  readonly pid: number;
  readonly apiUrl: string;
  readonly temporalAddress: string;
  readonly temporalUiUrl: string;
  readonly databaseUrl: string;
  readonly sandboxUrl: string;
  /** What the parts were given; the owner's address of the database is in it. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A stack that is not the test's to stop. */
export interface SharedProduct {
  readonly home: string;
  readonly running: Running;
  /** The JWT of the printed `curl`. */
  readonly token: string;
  /** Every line that any part has printed so far, and the launcher itself. */
  output(): Promise<readonly string[]>;
  api(path: string, init?: RequestInit & { readonly token?: string | null }): Promise<Response>;
  /** `POST /__sandbox/{command}`. */
  sandbox<T>(command: string, body: object): Promise<T>;
  sandboxGet<T>(path: string): Promise<T>;
  evergrant(
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
}

export interface Product extends SharedProduct {
  /** Milliseconds that the end took. */
  stop(): Promise<number>;
}

export async function startProduct(
  env: Readonly<Record<string, string>> = {},
  keep: { readonly home?: string } = {},
): Promise<Product> {
  const home = keep.home ?? (await mkdtemp(join(tmpdir(), 'evergrant-e2e-')));
  const variables = { ...(await buildEnvironment(home)), ...env };
  const child = spawn('npm', ['start'], { cwd: root, env: variables, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => void lines.push(line));
  }
  const running = await waitFor('npm start to be up', START_UP_MS, async () => {
    if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}:\n${lines.join('\n')}`);
    const found = await readRunning(home);
    return found !== null && lines.some((line) => line.includes('curl')) ? found : null;
  });
  return {
    ...(await attach({ home, running, variables, printed: async () => lines })),
    async stop() {
      const startedAt = Date.now();
      if (child.exitCode === null) {
        process.kill(running.pid, 'SIGTERM');
        await exited(child);
      }
      const took = Date.now() - startedAt;
      if (keep.home === undefined) await rm(home, { recursive: true, force: true });
      return took;
    },
  };
}

/** One stack for all files that can do with what `npm start` is by itself: each has companies of its own in it. */
export async function sharedProduct(): Promise<SharedProduct> {
  const { home, variables, printed: path } = inject('product');
  const printed = async (): Promise<readonly string[]> => (await readFile(path, 'utf8')).split('\n');
  const running = await waitFor('npm start to be up', START_UP_MS, async () => {
    const lines = await printed();
    if (lines.includes(ENDED)) throw new Error(`npm start has ended:\n${lines.join('\n')}`);
    const found = await readRunning(home);
    return found !== null && lines.some((line) => line.includes('curl')) ? found : null;
  });
  return await attach({ home, running, variables, printed });
}

interface Attached {
  readonly home: string;
  readonly running: Running;
  /** Of `npm start`, and of the command line. */
  readonly variables: Readonly<Record<string, string>>;
  /** The lines that the launcher has printed. */
  readonly printed: () => Promise<readonly string[]>;
}

async function attach({ home, running, variables, printed }: Attached): Promise<SharedProduct> {
  const token = (await readFile(join(home, 'dev-token'), 'utf8')).trim();
  return {
    home,
    running,
    token,
    async output() {
      const logs = join(home, 'logs');
      const files = await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')));
      return [...(await printed()), ...files.flatMap((text) => text.split('\n'))];
    },
    api: (path, { token: other, ...init } = {}) =>
      fetch(new URL(path, running.apiUrl), {
        redirect: 'manual',
        ...init,
        headers: { ...(other === null ? {} : { authorization: `Bearer ${other ?? token}` }), ...init.headers },
      }),
    async sandbox<T>(command: string, body: object): Promise<T> {
      const response = await fetch(new URL(`/__sandbox/${command}`, running.sandboxUrl), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${command}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    async sandboxGet<T>(path: string): Promise<T> {
      const response = await fetch(new URL(path, running.sandboxUrl), { headers: { accept: 'application/json' } });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    evergrant: (...args) => run('npm', ['run', '--silent', 'evergrant', '--', ...args], variables),
  };
}

async function readRunning(home: string): Promise<Running | null> {
  try {
    return JSON.parse(await readFile(join(home, 'running.json'), 'utf8')) as Running;
  } catch {
    return null;
  }
}

function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
  });
}

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => void out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => void err.push(chunk));
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}
