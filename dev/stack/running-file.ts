import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writePrivateFile } from './private-file.ts';
import { isAlive } from './process-table.ts';

/** `running.json` in EVERGRANT_HOME: what a running `npm start` tells the command line and other programs. */
export interface RunningStack {
  /** Of the launcher: SIGTERM to it ends everything. */
  readonly pid: number;
  /** Of the parts, by name; those that were given by address have none. */
  readonly pids: Readonly<Record<string, number>>;
  readonly apiUrl: string;
  readonly temporalAddress: string;
  /** Null when Temporal is not the embedded one. */
  readonly temporalUiUrl: string | null;
  readonly databaseUrl: string;
  /** Null when Concur is not the embedded sandbox. */
  readonly sandboxUrl: string | null;
  /** What the parts were told by their environment, for programs that want to join them. */
  readonly environment: Readonly<Record<string, string>>;
}

const NAME = 'running.json';

export async function writeRunning(home: string, running: RunningStack): Promise<void> {
  await writePrivateFile(join(home, NAME), `${JSON.stringify(running, null, 2)}\n`);
}

export async function removeRunning(home: string): Promise<void> {
  await rm(join(home, NAME), { force: true });
}

/** The running stack of this home; null when there is none (a file left by one that was killed does not count). */
export async function readRunning(home: string): Promise<RunningStack | null> {
  const text = await readIfThere(join(home, NAME));
  if (text === null) return null;
  const running = JSON.parse(text) as RunningStack;
  return isAlive(running.pid) ? running : null;
}
