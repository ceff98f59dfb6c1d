/**
 * The whole product as its user has it: `npm start` in a home of its own, known by what it wrote into `running.json`.
 * Nothing here knows more than the documented outside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
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

export interface Product {
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
  /** Milliseconds that the end took. */
  stop(): Promise<number>;
}

export async function startProduct(
  env: Readonly<Record<string, string>> = {},
  keep: { readonly home?: string } = {},
): Promise<Product> {
  const home = keep.home ?? (await mkdtemp(join(tmpdir(), 'evergrant-e2e-')));
  const [port, uiPort, sandboxPort] = await freePorts(3);
  const variables = {
    ...plainEnvironment(),
    EVERGRANT_HOME: home,
    PORT: String(port),
    TEMPORAL_UI_PORT: String(uiPort),
    SANDBOX_PORT: String(sandboxPort),
    ...env,
  };
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
  const token = (await readFile(join(home, 'dev-token'), 'utf8')).trim();

  return {
    home,
    running,
    token,
    async output() {
      const logs = join(home, 'logs');
      const files = await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')));
      return [...lines, ...files.flatMap((text) => text.split('\n'))];
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

async function readRunning(home: string): Promise<Running | null> {
  try {
    return JSON.parse(await readFile(join(home, 'running.json'), 'utf8')) as Running;
  } catch {
    return null;
  }
}

/** The environment without what belongs to Evergrant, so that the machine's own settings change nothing. */
function plainEnvironment(): Record<string, string> {
  const names = /^(PATH|HOME|XDG_|TMPDIR|LANG|TEMPORAL_CLI_PATH|npm_config_|JAVA_HOME|GO)/;
  const entries = Object.entries(process.env).filter(([name, value]) => names.test(name) && value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
  });
}

function run(command: string, args: readonly string[], env: Record<string, string>) {
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
