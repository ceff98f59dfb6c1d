import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Found } from './program-source.ts';
import { runCommand } from './run-command.ts';

const LONGEST_MS = 10 * 60_000;
/** Without a new byte for this long, the download is given up: a network that swallows packets never says no. */
const STALL_MS = 20_000;
const POLL_MS = 500;

export interface SdkDownload {
  readonly kind: 'cli' | 'test-server';
  readonly version: string;
  /** Where the program is to lie afterwards. */
  readonly target: string;
  /** `HTTPS_PROXY` and its like are honoured. */
  readonly env: NodeJS.ProcessEnv;
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The SDK's own download of a pinned version, moved to `target` once it is whole and has been seen to work. */
export async function downloadBySdk({ kind, version, target, env, report, signal }: SdkDownload): Promise<Found> {
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), '.download-'));
  const stalled = new AbortController();
  const watch = watchGrowth(folder, report, () => stalled.abort());
  const main = fileURLToPath(new URL('./sdk-download-main.ts', import.meta.url));
  try {
    const { code, tail } = await runCommand(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), main, kind, version, folder],
      {
        env,
        timeoutMs: LONGEST_MS,
        signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
      },
    );
    if (code !== 0) return { why: `the download failed: ${reasonIn(tail)}` };
    const [program] = await programsIn(folder);
    if (program === undefined) return { why: 'the download brought no program' };
    await rename(program, target);
    return { path: target };
  } catch (error) {
    signal?.throwIfAborted();
    if (stalled.signal.aborted) return { why: `no byte came for ${STALL_MS / 1000} s` };
    return { why: error instanceof Error ? error.message : String(error) };
  } finally {
    clearInterval(watch);
    await rm(folder, { recursive: true, force: true });
  }
}

function watchGrowth(folder: string, report: (line: string) => void, onStall: () => void): NodeJS.Timeout {
  let seen = 0;
  let grewAtMs = Date.now();
  let told = 0;
  return setInterval(() => {
    void sizeOf(folder).then((bytes) => {
      if (bytes > seen) {
        seen = bytes;
        grewAtMs = Date.now();
      }
      const megabytes = Math.floor(bytes / 1_000_000);
      if (megabytes >= told + 10) report(`downloaded ${megabytes} MB`);
      told = Math.max(told, Math.floor(megabytes / 10) * 10);
      if (Date.now() - grewAtMs > STALL_MS) onStall();
    });
  }, POLL_MS);
}

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => null)));
  return sizes.reduce((sum, file) => sum + (file?.size ?? 0), 0);
}

async function programsIn(folder: string): Promise<readonly string[]> {
  const programs: string[] = [];
  for (const name of await readdir(folder)) {
    const { mode } = await stat(join(folder, name));
    if ((mode & 0o100) !== 0 && !name.includes('downloading')) programs.push(join(folder, name));
  }
  return programs;
}

/** The line that says what happened, without the stack around it. */
function reasonIn(tail: string): string {
  const lines = tail.split('\n').map((line) => line.trim());
  return lines.find((line) => /error/i.test(line) && !line.startsWith('at ')) ?? lines.at(-1) ?? 'no reason given';
}
