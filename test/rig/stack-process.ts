/** `npm start` as a process of a test: in a home of its own, on ports of its own, and gone without a trace afterwards. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { splitLines } from '../../dev/stack/run-command.ts';
import { freePort } from '../../dev/stack/ports.ts';
import type { RunningStack } from '../../dev/stack/running-file.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The real one, and one whose API, worker and command line are stand-ins. */
export const stackScripts = {
  real: 'dev/stack/start.ts',
  fixture: 'test/rig/fixture-stack/start.ts',
} as const;

const UP_MS = 60_000;
const END_MS = 20_000;
const POLL_MS = 50;

/** A folder for EVERGRANT_HOME with free ports to go with it. */
export interface StackPlace {
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  /** Ends whatever is still running there and removes the folder. */
  remove(): Promise<void>;
}

export async function createStackPlace(): Promise<StackPlace> {
  const home = await mkdtemp(join(tmpdir(), 'evergrant-home-'));
  const [port, uiPort, sandboxPort] = [await freePort(), await freePort(), await freePort()];
  return {
    home,
    env: {
      EVERGRANT_HOME: home,
      PORT: String(port),
      TEMPORAL_UI_PORT: String(uiPort),
      SANDBOX_PORT: String(sandboxPort),
    },
    remove: async () => {
      for (const pid of await processesOf(home)) tryKill(pid);
      await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

export interface StackProcess {
  readonly child: ChildProcess;
  /** Everything printed so far. */
  output(): string;
  /** Resolves with `running.json` once the links are printed; rejects with the output when the process ends before. */
  up(): Promise<RunningStack>;
  /** Resolves with the exit code, or the signal's name. */
  ended(): Promise<number | string>;
  /** Sends a signal to the launcher alone and waits for its end. */
  end(signal?: NodeJS.Signals): Promise<number | string>;
}

export interface StackStart {
  readonly place: StackPlace;
  readonly script?: (typeof stackScripts)[keyof typeof stackScripts];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the launcher as the leader of a process group, as a shell does. */
export function startStackProcess({ place, script = stackScripts.real, env = {} }: StackStart): StackProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    cwd: root,
    env: { ...inherited(), ...place.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) splitLines(stream, (line) => lines.push(line));
  const output = (): string => lines.join('\n');
  let end: number | string | null = null;
  const ending = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => {
      end = code ?? signal ?? 'unknown';
      resolve(end);
    });
  });
  const ended = async (): Promise<number | string> => {
    const late = new Promise<never>((_resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`it did not end in ${END_MS} ms:\n${output()}`)), END_MS);
      void ending.then(() => clearTimeout(timer));
    });
    return await Promise.race([ending, late]);
  };
  return {
    child,
    output,
    ended,
    up: async () => {
      const deadlineMs = Date.now() + UP_MS;
      while (!output().includes('Evergrant is up')) {
        if (end !== null) throw new Error(`npm start ended (${end}) before it was up:\n${output()}`);
        if (Date.now() > deadlineMs) throw new Error(`npm start is not up after ${UP_MS} ms:\n${output()}`);
        await pause(POLL_MS);
      }
      return JSON.parse(await readFile(join(place.home, 'running.json'), 'utf8')) as RunningStack;
    },
    end: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return await ended();
    },
  };
}

/** Ids of all processes that have the folder in their command line or environment. */
export async function processesOf(home: string): Promise<readonly number[]> {
  const { stdout } = await promisify(execFile)('ps', ['axeww', '-o', 'pid=,args='], { maxBuffer: 64 * 1024 * 1024 });
  return stdout
    .split('\n')
    .filter((line) => line.includes(home))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid);
}

/** What of this process's environment may act on a stack: nothing that names a server of somebody else's. */
function inherited(): NodeJS.ProcessEnv {
  const ours =
    /^(EVERGRANT_|TEMPORAL_(?!CLI_PATH)|CONCUR_|SANDBOX_|DATABASE_URL|MIGRATION_|APPS_FILE|PORT$|HOST$|LOG_LEVEL$|NODE_ENV$|VITEST)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
