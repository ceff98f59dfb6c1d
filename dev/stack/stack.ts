/**
 * `npm start`: PostgreSQL, Temporal, the Concur sandbox, the worker and the API as one tree of processes. Whatever
 * happens, nothing that was started here outlives `runStack`.
 */
import type { Settings } from '../../runtime/settings.ts';
import { bringUp } from './bring-up.ts';
import type { Programs } from './bring-up-input.ts';
import { openHome } from './home.ts';
import type { Home } from './home.ts';
import { Launcher } from './launcher.ts';
import { buildLinks } from './links.ts';
import { PartFailedError } from './part.ts';
import { makePlan } from './plan.ts';
import { ProgramNotFoundError } from './program-source.ts';
import { RememberedPorts } from './remembered-ports.ts';
import { writeRunning } from './running-file.ts';
import { StackProblem } from './stack-problem.ts';

/** EX_CONFIG of sysexits.h, which the parts end with when their environment is wrong. */
const WRONG_CONFIGURATION = 78;
const FAILED = 1;

export interface StackOptions {
  readonly variables: NodeJS.ProcessEnv;
  readonly settings: Settings;
  /** Writes one or more lines to the terminal. */
  readonly write: (text: string) => void;
  /** Ends the stack, also one that is still starting. */
  readonly signal: AbortSignal;
  readonly programs: Programs;
}

/** Runs the stack until it is asked to end or a part fails. Resolves with the exit code when all of it has ended. */
export async function runStack(options: StackOptions): Promise<number> {
  const { settings, write, signal } = options;
  try {
    assertDevelopment(settings);
    const home = await openHome(settings.home, write);
    try {
      return await runIn(home, options);
    } finally {
      await home.close();
    }
  } catch (error) {
    if (signal.aborted) return 0;
    if (error instanceof StackProblem || error instanceof ProgramNotFoundError) {
      write(error.message);
      return FAILED;
    }
    throw error;
  }
}

async function runIn(home: Home, { variables, settings, write, signal, programs }: StackOptions): Promise<number> {
  const startedAtMs = performance.now();
  const remembered = await RememberedPorts.load(home.file('ports.json'));
  const plan = await makePlan(settings, variables, remembered, write);
  const launcher = new Launcher({
    guardian: home.guardian,
    logFolder: home.file('logs'),
    write,
    shownFrom: variables.LOG_LEVEL === undefined || variables.LOG_LEVEL === '' ? 'warn' : settings.logLevel,
  });
  const asked = untilAborted(signal);
  const starting = new AbortController();
  let isUp = false;
  try {
    const bringing = bringUp({
      home,
      plan,
      settings,
      variables,
      launcher,
      programs,
      write,
      say: (part, where) => write(`${part.padEnd(15)} ${where}  (${secondsSince(startedAtMs)} s)`),
      signal: AbortSignal.any([signal, starting.signal]),
    });
    const { running, links } = await Promise.race([bringing, launcher.failed, asked]);
    await writeRunning(home.path, { pid: process.pid, pids: launcher.pids, ...running });
    write(buildLinks({ ...links, home: home.path, seconds: secondsSince(startedAtMs) }));
    isUp = true;
    return await Promise.race([launcher.failed, asked]);
  } catch (error) {
    if (signal.aborted) {
      write('Stopping.');
      return 0;
    }
    if (!(error instanceof PartFailedError)) throw error;
    write(describeFailure(error));
    return !isUp && error.end.code === WRONG_CONFIGURATION ? WRONG_CONFIGURATION : FAILED;
  } finally {
    starting.abort();
    await launcher.stop();
  }
}

function secondsSince(startedAtMs: number): string {
  return ((performance.now() - startedAtMs) / 1000).toFixed(1);
}

function assertDevelopment({ mode }: Settings): void {
  if (mode === 'development') return;
  throw new StackProblem(
    `npm start is for EVERGRANT_MODE=development, and this is ${mode}: use npm run build, then npm run api and npm run worker.`,
  );
}

function describeFailure({ message, lastLines }: PartFailedError): string {
  const lines = lastLines.length === 0 ? ['(it printed nothing)'] : lastLines;
  return `${message}. Its last lines:\n${lines.map((line) => `  | ${line}`).join('\n')}\nStopping the rest.`;
}

function untilAborted(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  aborted.catch(() => undefined);
  return aborted;
}
