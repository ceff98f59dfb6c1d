/**
 * A lock file that names its holder. It is taken by a hard link to a file already written, so that nobody ever reads
 * a lock without a holder; one whose holder has died is taken over.
 */
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { commandLineOf, isAlive } from './process-table.ts';

const POLL_MS = 500;

export interface HeldLock {
  release(): Promise<void>;
}

/** Takes the lock, or tells the id of the process that has it. */
export async function tryLock(path: string): Promise<HeldLock | { readonly holder: number }> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(draft, `${process.pid}\n${await commandLineOf(process.pid)}\n`);
  try {
    for (;;) {
      try {
        await link(draft, path);
        return { release: () => rm(path, { force: true }) };
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
      const text = await readFile(path, 'utf8').catch(() => '');
      const holder = await livingHolder(text);
      if (holder !== null) return { holder };
      await removeStale(path, text);
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Waits for the lock, then runs `work` under it. `onWait` hears once whose end is awaited. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { readonly onWait?: (holder: number) => void; readonly signal?: AbortSignal } = {},
): Promise<T> {
  let told = false;
  for (;;) {
    options.signal?.throwIfAborted();
    const lock = await tryLock(path);
    if ('release' in lock) {
      try {
        return await work();
      } finally {
        await lock.release();
      }
    }
    if (!told) options.onWait?.(lock.holder);
    told = true;
    await pause(POLL_MS, undefined, { ...(options.signal === undefined ? {} : { signal: options.signal }) });
  }
}

/** Null when the holder has died; its id may belong to another program by now, hence the command line. */
async function livingHolder(text: string): Promise<number | null> {
  const [pidLine = '', command = ''] = text.split('\n');
  const pid = Number(pidLine);
  if (!isAlive(pid)) return null;
  const today = await commandLineOf(pid);
  return today === '' || command === '' || today === command ? pid : null;
}

/** Removes a dead holder's lock, and not the one that somebody else has put in its place meanwhile. */
async function removeStale(path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8')) !== text) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
