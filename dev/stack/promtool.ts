/** Where Prometheus' checker of rules comes from: the alerts are tried with the program that will judge them. */
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { withLock } from './pid-lock.ts';
import { findProgram, type Found, type ProgramSource } from './program-source.ts';
import { type CommandResult, runCommand } from './run-command.ts';
import type { ResolveOptions } from './temporal-cli.ts';

const ANSWER_MS = 20_000;
const DOWNLOAD_MS = 2 * 60_000;

/**
 * Path of a `promtool` that runs: `PROMTOOL_PATH`, PATH, the user's cache, the distribution's package (downloaded and
 * unpacked, not installed: nobody has to be root). Any version from Prometheus 2.40 on judges our rules alike. Throws
 * `ProgramNotFoundError`.
 */
export async function resolvePromtool({ env, report, signal }: ResolveOptions): Promise<string> {
  const cached = join(cacheFolder(env), 'promtool', 'promtool');
  const tell = (line: string): void => report(`promtool: ${line}`);
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const atHand: readonly ProgramSource[] = [
    { name: 'PROMTOOL_PATH', find: () => firstThatRuns([env.PROMTOOL_PATH ?? '']) },
    { name: 'promtool on PATH', find: () => firstThatRuns(folders.map((folder) => join(folder, 'promtool'))) },
    { name: `the cache (${cached})`, find: () => firstThatRuns([cached]) },
  ];
  for (const source of atHand) {
    const found = await source.find();
    if ('path' in found) return found.path;
  }
  const make = (build: (folder: string) => Promise<CommandResult & { readonly program: string }>) => async () =>
    await placeInCache(cached, build);
  const sources: readonly ProgramSource[] = [
    ...atHand,
    {
      name: "the distribution's package prometheus (apt-get download)",
      find: make(async (folder) => {
        tell('not on this machine, downloading the package prometheus');
        const program = join(folder, 'usr/bin/promtool');
        const options = { cwd: folder, env, timeoutMs: DOWNLOAD_MS, signal };
        // Lists of its own: those of a new machine are empty, and to fill them one would have to be root.
        await mkdir(join(folder, 'lists/partial'), { recursive: true });
        await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
        const own = [`Dir::State::Lists=${folder}/lists`, `Dir::Cache=${folder}/cache`, 'Debug::NoLocking=1'];
        const apt = own.flatMap((setting) => ['-o', setting]);
        const updated = await runCommand('apt-get', [...apt, 'update'], options);
        if (updated.code !== 0) return { ...updated, program };
        const downloaded = await runCommand('apt-get', [...apt, 'download', 'prometheus'], options);
        if (downloaded.code !== 0) return { ...downloaded, program };
        const [archive = ''] = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
        return { ...(await runCommand('dpkg-deb', ['-x', archive, '.'], options)), program };
      }),
    },
  ];
  const advice = 'Install Prometheus (https://prometheus.io/download) and set PROMTOOL_PATH to its promtool.';
  return await withLock(`${dirname(cached)}.lock`, () => findProgram('promtool', sources, advice), {
    onWait: (holder) => tell(`waiting for process ${holder}, which is fetching it`),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function firstThatRuns(paths: readonly string[]): Promise<Found> {
  for (const path of paths) {
    if (path !== '' && (await runs(path))) return { path };
  }
  return { why: 'there is none that runs' };
}

async function runs(path: string): Promise<boolean> {
  try {
    return (await runCommand(path, ['--version'], { timeoutMs: ANSWER_MS })).code === 0;
  } catch {
    return false;
  }
}

/** Made beside its place and moved there when it runs, so that a program found there is whole. */
async function placeInCache(
  target: string,
  build: (folder: string) => Promise<CommandResult & { readonly program: string }>,
): Promise<Found> {
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), '.draft-'));
  try {
    const { code, tail, program } = await build(folder);
    if (code !== 0) return { why: tail };
    await chmod(program, 0o755);
    if (!(await runs(program))) return { why: 'what came does not run here' };
    await rename(program, target);
    return { path: target };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
