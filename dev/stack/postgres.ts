/**
 * An embedded PostgreSQL whose data survives restarts: on loopback only, with generated passwords, and two roles as
 * production has them: the owner, who migrates, and the application's, who owns nothing.
 */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from './ports.ts';
import { Part } from './part.ts';
import type { PartOptions } from './part.ts';
import {
  ADMIN_ROLE,
  APPLICATION_ROLE,
  DATABASE_NAME,
  OWNER_ROLE,
  ensureCluster,
  ensurePasswords,
  ensureRoles,
  outliveOrphan,
} from './postgres-cluster.ts';
import { plainEnvironment } from './plain-environment.ts';
import { findPostgres, serverIdentity } from './postgres-program.ts';

const UP_MS = 60_000;
/** A fast shutdown, which ends open sessions, takes well under a second; the rest is for a slow disk. */
const GRACE_MS = 2_000;

export interface PostgresOptions {
  /** Holds the data (`data/`) and the passwords (`passwords.json`). */
  readonly folder: string;
  readonly port: number;
  /** False where the data are thrown away afterwards: nothing is forced to the disk. */
  readonly durable: boolean;
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Starts the process; by default a plain {@link Part}. */
  readonly spawn?: (options: PartOptions) => Part;
}

export type DatabaseRole = 'admin' | 'owner' | 'application';

export interface EmbeddedPostgres {
  readonly part: Part;
  readonly port: number;
  /** Connection string of a role, on `evergrant` unless another database is named. */
  url(role: DatabaseRole, database?: string): string;
  stop(): Promise<void>;
}

/** Starts the server; makes cluster, roles and database when they are missing. Throws `PartFailedError`. */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { folder, port, durable, signal, onLine } = options;
  const spawn = options.spawn ?? ((partOptions: PartOptions) => new Part(partOptions));
  const data = join(folder, 'data');
  const program = await findPostgres();
  await mkdir(folder, { recursive: true });
  // Root's umask may have closed the folder to the user that the server runs as.
  if (process.getuid?.() === 0) await chmod(folder, 0o711);
  const identity = await serverIdentity(data, [program.postgres, data]);
  const passwords = await ensurePasswords(join(folder, 'passwords.json'));
  await ensureCluster({ data, program, identity, passwords, durable, signal });
  await outliveOrphan(data);
  signal?.throwIfAborted();

  const settings = durable ? lasting : fleeting;
  const [command, ...args] = [
    ...(identity?.wrapper ?? []),
    program.postgres,
    ...['-D', data, '-p', String(port)],
    ...Object.entries({ ...common, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ] as [string, ...string[]];
  const part = spawn({
    name: 'PostgreSQL',
    command,
    args,
    cwd: folder,
    env: plainEnvironment(),
    stopSignal: 'SIGINT',
    graceMs: GRACE_MS,
    ...(identity === null || identity.wrapper.length > 0 ? {} : { identity }),
    ...(onLine === undefined ? {} : { onLine }),
  });
  const url = (role: DatabaseRole, database: string = DATABASE_NAME): string => {
    const user = { admin: ADMIN_ROLE, owner: OWNER_ROLE, application: APPLICATION_ROLE }[role];
    return `postgres://${user}:${passwords[role]}@${LOOPBACK}:${port}/${database}`;
  };
  try {
    await part.says((line) => line.includes('ready to accept connections') || null, UP_MS);
    await ensureRoles(url('admin', 'postgres'), passwords);
  } catch (error) {
    await part.stop();
    throw error;
  }
  return { part, port, url, stop: () => part.stop() };
}

const common = {
  listen_addresses: LOOPBACK,
  unix_socket_directories: '',
  max_connections: '200',
  log_destination: 'stderr',
  logging_collector: 'off',
} as const;

const lasting = { shared_buffers: '64MB' } as const;

const fleeting = {
  shared_buffers: '128MB',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
} as const;
