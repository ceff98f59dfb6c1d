/**
 * The built programs as a hardened container runs them: with all mounts read-only, as an unprivileged user without
 * capabilities, and with nothing but the compiled code and its dependencies beside them. Needs Linux namespaces (util-linux).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledProgram } from './compiled-product.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** As in the images. */
const USER = '1000';
/** Of util-linux, like `setpriv` and `mount`. */
const launcher = 'unshare';

/** Arguments: the folder of the dependencies, the folder where they are wanted, and the program. */
const script = `
  mount --bind "$1" "$2"
  while read -r _ place _; do
    case "$place" in /proc*|/sys*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
  done < /proc/self/mounts
  shift 2
  if [ "$REAL_USER" = 0 ]; then
    unset REAL_USER
    exec setpriv --reuid ${USER} --regid ${USER} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
  fi
  unset REAL_USER
  exec "$@"`;

export interface LockedProcess {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
}

export interface LockedDown {
  /** Where a test may put files for the programs to read. */
  readonly place: string;
  /** Runs a piece of script instead of a program; its output. */
  run(source: string): string;
  /** Resolves when it polls, or listens. */
  start(program: 'api' | 'worker', environment: Readonly<Record<string, string>>): Promise<LockedProcess>;
  remove(): void;
}

export async function lockDown(): Promise<LockedDown> {
  const place = mkdtempSync(join(tmpdir(), 'evergrant-locked-'));
  // The build lies where its user alone may look.
  const built = dirname(dirname(dirname(await compiledProgram('worker'))));
  for (const name of ['dist', 'package.json']) cpSync(join(built, name), join(place, name), { recursive: true });
  mkdirSync(join(place, 'node_modules'));
  chmodSync(place, 0o755);
  const user = process.getuid?.() ?? 0;
  const args = (...program: readonly string[]): string[] => [
    ...['--mount', '--propagation', 'private', ...(user === 0 ? [] : ['--map-root-user'])],
    ...['sh', '-ec', script, 'sh', join(root, 'node_modules'), join(place, 'node_modules'), process.execPath],
    ...program,
  ];
  const env = { PATH: process.env.PATH ?? '', REAL_USER: String(user), HOME: '/nonexistent' };

  return {
    place,
    run(source) {
      const { status, stdout, stderr } = spawnSync(launcher, args('--eval', source), {
        cwd: place,
        env,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`ended with ${status}: ${stderr}`);
      return stdout;
    },
    async start(program, environment) {
      const child = spawn(launcher, args(`dist/${program}/main.js`), {
        cwd: place,
        env: { ...env, ...environment },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      const chunks: Buffer[] = [];
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => void chunks.push(chunk));
      const output = (): string => Buffer.concat(chunks).toString();
      const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string | null);
      const ready = once(child, 'message').then(() => null);
      const early = await Promise.race([ready, ended.then((code) => ({ code }))]);
      if (early !== null) throw new Error(`${program} ended with ${early.code}:\n${output()}`);
      return { child, output, ended };
    },
    remove: () => rmSync(place, { recursive: true, force: true }),
  };
}
