/**
 * Where the Temporal server of development and tests comes from. Whatever takes long is done once per machine and kept
 * in the user's cache: written beside its place first, so that a program found there is always whole.
 */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { withLock } from './pid-lock.ts';
import { findProgram } from './program-source.ts';
import type { Found, ProgramSource } from './program-source.ts';
import { runCommand } from './run-command.ts';
import { downloadBySdk } from './sdk-download.ts';

/** Version of Temporal's command line, which holds the server (1.29.1) and its UI. */
export const TEMPORAL_CLI_VERSION = 'v1.5.1';
const GO_MODULE = `github.com/temporalio/cli/cmd/temporal@${TEMPORAL_CLI_VERSION}`;

const ANSWER_MS = 20_000;
const BUILD_MS = 45 * 60_000;
const PROGRESS_EVERY_MS = 10_000;

export interface ResolveOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Hears, line by line, of what takes long. */
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Path of a `temporal` that runs: `TEMPORAL_CLI_PATH`, PATH, the user's cache, the SDK's download, a build with the Go
 * toolchain. (`TEMPORAL_ADDRESS` goes before all of these: whoever sets it needs no program.) Throws
 * `ProgramNotFoundError`, which names all of them.
 */
export async function resolveTemporalCli({ env, report, signal }: ResolveOptions): Promise<string> {
  const cached = join(cacheFolder(env), `temporal-cli-${TEMPORAL_CLI_VERSION}`, 'temporal');
  const tell = (line: string): void => report(`Temporal CLI ${TEMPORAL_CLI_VERSION}: ${line}`);
  const findQuickly: readonly ProgramSource[] = [
    { name: 'TEMPORAL_ADDRESS', find: async () => ({ why: 'not set' }) },
    { name: 'TEMPORAL_CLI_PATH', find: () => answering(env.TEMPORAL_CLI_PATH, tell) },
    { name: 'temporal on PATH', find: () => onPath('temporal', env) },
    { name: `the cache (${cached})`, find: () => answering(cached, () => undefined) },
  ];
  const fetch: readonly ProgramSource[] = [
    {
      name: "the SDK's download (temporal.download)",
      find: () => {
        tell('not on this machine, downloading it');
        return downloadBySdk({ kind: 'cli', version: TEMPORAL_CLI_VERSION, target: cached, env, report: tell, signal });
      },
    },
    { name: `go install ${GO_MODULE}`, find: () => buildWithGo(cached, env, tell, signal) },
  ];
  const advice =
    'Set TEMPORAL_ADDRESS to a running Temporal server, or TEMPORAL_CLI_PATH to the temporal program ' +
    '(https://docs.temporal.io/cli), or install Go (https://go.dev) and try again.';
  const isThere = await firstFound(findQuickly);
  if (isThere !== null) return isThere;
  return await withLock(`${dirname(cached)}.lock`, () => findProgram('Temporal', [...findQuickly, ...fetch], advice), {
    onWait: (holder) => tell(`waiting for process ${holder}, which is fetching it`),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function firstFound(sources: readonly ProgramSource[]): Promise<string | null> {
  for (const source of sources) {
    const found = await source.find();
    if ('path' in found) return found.path;
  }
  return null;
}

/** A program that can be run: an old or foreign file under the right name is none. */
async function answering(path: string | undefined, report: (line: string) => void): Promise<Found> {
  if (path === undefined || path === '') return { why: 'not set' };
  try {
    const { code, tail } = await runCommand(path, ['--version'], { timeoutMs: ANSWER_MS });
    if (code === 0) return { path };
    return refuse(`${path} --version failed: ${tail}`, report);
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (missing) return refuse(`there is no ${path}`, report);
    return refuse(`${path} can't be run: ${error instanceof Error ? error.message : String(error)}`, report);
  }
}

function refuse(why: string, report: (line: string) => void): Found {
  report(`${why}; looking elsewhere`);
  return { why };
}

async function onPath(program: string, env: NodeJS.ProcessEnv): Promise<Found> {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const found = await answering(join(folder, program), () => undefined);
    if ('path' in found) return found;
  }
  return { why: 'not there' };
}

/** Builds the pinned version into the cache. Takes minutes, downloads some hundred megabytes of sources. */
async function buildWithGo(
  target: string,
  env: NodeJS.ProcessEnv,
  report: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const go = await canRun('go', env);
  if (!go) return { why: 'there is no Go toolchain on PATH' };
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), '.build-'));
  const startedAtMs = Date.now();
  let compiled = 0;
  let downloaded = 0;
  const progress = setInterval(() => {
    const seconds = Math.round((Date.now() - startedAtMs) / 1000);
    report(`building, ${seconds} s: ${downloaded} modules downloaded, ${compiled} packages compiled`);
  }, PROGRESS_EVERY_MS);
  report('building it with Go; this takes some minutes, once per machine');
  try {
    const { code, tail } = await runCommand('go', ['install', '-v', GO_MODULE], {
      cwd: folder,
      env: { ...env, GOBIN: folder, GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: '0', GO111MODULE: 'on' },
      timeoutMs: BUILD_MS,
      signal,
      onLine: (line) => {
        if (line.startsWith('go: downloading')) downloaded += 1;
        else compiled += 1;
      },
    });
    if (code !== 0) return { why: `the build failed:\n${tail}` };
    const built = await answering(join(folder, 'temporal'), () => undefined);
    if ('why' in built) return built;
    await rename(built.path, target);
    report(`built in ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
    return { path: target };
  } finally {
    clearInterval(progress);
    await rm(folder, { recursive: true, force: true });
  }
}

async function canRun(program: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    const { code } = await runCommand(program, ['version'], { env, timeoutMs: ANSWER_MS });
    return code === 0;
  } catch {
    return false;
  }
}
