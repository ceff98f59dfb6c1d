/** EVERGRANT_HOME: taken by one launcher at a time, closed to other users. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Guardian } from './guardian.ts';
import { tryLock } from './pid-lock.ts';
import { commandLineOf, isAlive } from './process-table.ts';
import { readRunning, removeRunning } from './running-file.ts';
import { StackProblem } from './stack-problem.ts';

/** Longer than a guardian takes to end what a killed launcher left behind. */
const GUARDIAN_MS = 30_000;
const POLL_MS = 100;

export interface Home {
  readonly path: string;
  readonly guardian: Guardian;
  file(...names: readonly string[]): string;
  /** Removes what tells of a running stack and lets the next one in. */
  close(): Promise<void>;
}

/** Throws {@link StackProblem} while another launcher runs in it. */
export async function openHome(path: string, report: (line: string) => void): Promise<Home> {
  const file = (...names: readonly string[]): string => join(path, ...names);
  await mkdir(file('logs'), { recursive: true });
  // Where root starts it, PostgreSQL runs as another user and must get through to its folder.
  await chmod(path, process.getuid?.() === 0 ? 0o711 : 0o700);
  const lock = await tryLock(file('launcher.lock'));
  if ('holder' in lock) throw new StackProblem(await describeHolder(path, lock.holder));
  try {
    await outlivePreviousGuardian(file('guardian.pid'), report);
    await removeRunning(path);
    const guardian = new Guardian();
    await writeFile(file('guardian.pid'), String(guardian.pid));
    guardian.removeAtEnd(file('running.json'));
    return {
      path,
      guardian,
      file,
      close: async () => {
        await removeRunning(path);
        await guardian.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function describeHolder(home: string, holder: number): Promise<string> {
  const running = await readRunning(home);
  const where = running === null ? '' : `, ${running.apiUrl}`;
  return (
    `Evergrant is running in ${home} already (process ${holder}${where}).\n` +
    'Stop that one first, or set EVERGRANT_HOME, PORT and TEMPORAL_UI_PORT for a second one.'
  );
}

/** What a killed launcher left behind is being ended: its ports and data are not free before that. */
async function outlivePreviousGuardian(pidFile: string, report: (line: string) => void): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  const deadlineMs = Date.now() + GUARDIAN_MS;
  let told = false;
  while (isAlive(pid) && Date.now() < deadlineMs && (await commandLineOf(pid)).includes('guardian')) {
    if (!told) report('Waiting for the parts of a start that was killed to end');
    told = true;
    await pause(POLL_MS);
  }
}
