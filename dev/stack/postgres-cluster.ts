/** The data of an embedded PostgreSQL: its cluster, passwords, roles and database, each made once, whole or not at all. */
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { plainEnvironment } from './plain-environment.ts';
import type { PostgresProgram, ServerIdentity } from './postgres-program.ts';
import { readIfThere, writePrivateFile } from './private-file.ts';
import { commandLineOf, isAlive } from './process-table.ts';
import { runCommand } from './run-command.ts';

export const DATABASE_NAME = 'evergrant';
export const ADMIN_ROLE = 'postgres';
export const OWNER_ROLE = 'evergrant_owner';
/** As the migrations know it: it owns nothing. */
export const APPLICATION_ROLE = 'evergrant_app';

const INIT_MS = 120_000;
/** How long a server whose launcher was killed may take to end; the launcher's guardian has told it to. */
const ORPHAN_MS = 15_000;
const POLL_MS = 100;

export interface Passwords {
  readonly admin: string;
  readonly owner: string;
  readonly application: string;
}

/** Makes them once; the file is its owner's alone. */
export async function ensurePasswords(path: string): Promise<Passwords> {
  const known = await readIfThere(path);
  if (known !== null) return JSON.parse(known) as Passwords;
  const password = (): string => randomBytes(24).toString('base64url');
  const passwords = { admin: password(), owner: password(), application: password() };
  await writePrivateFile(path, `${JSON.stringify(passwords, null, 2)}\n`);
  return passwords;
}

export interface ClusterOptions {
  readonly data: string;
  readonly program: PostgresProgram;
  readonly identity: ServerIdentity | null;
  readonly passwords: Passwords;
  readonly durable: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Initialises the cluster beside its place and moves it there, so that an interrupted start leaves no half of one. */
export async function ensureCluster({
  data,
  program,
  identity,
  passwords,
  durable,
  signal,
}: ClusterOptions): Promise<void> {
  if ((await readIfThere(join(data, 'PG_VERSION')).catch(() => 'unreadable')) !== null) return;
  const draft = `${data}.draft`;
  const passwordFile = join(draft, 'password');
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, `${passwords.admin}\n`, { mode: 0o600 });
  if (identity !== null) for (const path of [draft, passwordFile]) await chown(path, identity.uid, identity.gid);
  const [command, ...args] = [
    ...(identity?.wrapper ?? []),
    program.initdb,
    `--pgdata=${join(draft, 'data')}`,
    `--username=${ADMIN_ROLE}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    // The same order of texts on every machine, whatever locales it has.
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ] as [string, ...string[]];
  const { code, tail } = await runCommand(command, args, {
    cwd: dirname(data),
    env: plainEnvironment(),
    timeoutMs: INIT_MS,
    signal,
    ...(identity === null || identity.wrapper.length > 0 ? {} : { identity }),
  });
  if (code !== 0) throw new Error(`PostgreSQL's cluster could not be made in ${data}:\n${tail}`);
  await rename(join(draft, 'data'), data);
  await rm(draft, { recursive: true, force: true });
}

/**
 * Waits for a server that still works on these data to end, asking it to when it does not; a lock file that names a
 * process of another kind, which has got the id since, is removed. (PostgreSQL itself sees to ids that nobody has.)
 */
export async function outliveOrphan(data: string): Promise<void> {
  const lockFile = join(data, 'postmaster.pid');
  const pid = Number((await readFile(lockFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!isAlive(pid)) return;
  const command = await commandLineOf(pid);
  if (command !== '' && !command.includes('postgres')) return await rm(lockFile, { force: true });
  const startedAtMs = Date.now();
  let asked = false;
  while (isAlive(pid)) {
    const waitedMs = Date.now() - startedAtMs;
    if (waitedMs > ORPHAN_MS) {
      throw new Error(`PostgreSQL (process ${pid}) still works on ${data} and does not end: stop it, then try again.`);
    }
    if (!asked && waitedMs > ORPHAN_MS / 3) {
      asked = true;
      process.kill(pid, 'SIGINT');
    }
    await pause(POLL_MS);
  }
}

/** The roles and the database, when they are missing. */
export async function ensureRoles(adminUrl: string, passwords: Passwords): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      'SELECT rolname AS name FROM pg_roles UNION SELECT datname FROM pg_database',
    );
    const known = new Set(rows.map(({ name }) => name));
    for (const [role, password] of [
      [OWNER_ROLE, passwords.owner],
      [APPLICATION_ROLE, passwords.application],
    ] as const) {
      if (!known.has(role)) await client.query(`CREATE ROLE ${role} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
    }
    if (!known.has(DATABASE_NAME)) await client.query(`CREATE DATABASE ${DATABASE_NAME} OWNER ${OWNER_ROLE}`);
  } finally {
    await client.end();
  }
}
