/**
 * A PostgreSQL that archives its write-ahead log, as docs/operations-backup.md sets one up; that is backed up while it
 * works, is lost, and comes back from backup and archive, by the commands of that page.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { migrate } from '../../db/migrate.ts';
import { Guardian } from '../../dev/stack/guardian.ts';
import { Part, type PartOptions } from '../../dev/stack/part.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { DATABASE_NAME } from '../../dev/stack/postgres-cluster.ts';
import { startPostgres } from '../../dev/stack/postgres.ts';
import { withClient } from '../rig/postgres-client.ts';
import type { TestDatabase } from '../rig/test-database.ts';

const run = promisify(execFile);

export interface ArchivingPostgres {
  /** Migrated. */
  readonly database: TestDatabase;
  /** A base backup, while everybody works. */
  backUp(): Promise<void>;
  /** The machine dies without a word. What is left is the archive, and the log that was not archived yet. */
  lose(): Promise<void>;
  /** Another server, with all that the lost one had committed; how its database is reached by the application. */
  restore(): Promise<string>;
  close(): Promise<void>;
}

export async function startArchivingPostgres(): Promise<ArchivingPostgres> {
  const guardian = new Guardian();
  const folder = await mkdtemp(join(tmpdir(), 'evergrant-archiving-'));
  guardian.removeAtEnd(folder);
  await chmod(folder, 0o711);
  const [archive, backup] = [join(folder, 'archive'), join(folder, 'base.tar')];
  const start = async (name: string) =>
    startPostgres({
      folder: join(folder, name),
      port: await freePort(),
      durable: true,
      spawn: (options: PartOptions) => {
        const part = new Part(options);
        guardian.guard(part, options, 1);
        return part;
      },
    });

  const first = await start('first');
  const data = join(folder, 'first/data');
  const { uid, gid } = await stat(data);
  await mkdir(archive, { mode: 0o700 });
  await chown(archive, uid, gid);
  await withClient(first.url('admin', 'postgres'), async (client) => {
    await client.query('ALTER SYSTEM SET archive_mode = on');
    await client.query(`ALTER SYSTEM SET archive_command = 'test ! -f ${archive}/%f && cp %p ${archive}/%f'`);
    await client.query(`ALTER SYSTEM SET archive_timeout = '1min'`);
  });
  await first.stop();
  const server = await start('first');
  await migrate(server.url('owner'));
  const stops = [() => server.stop()];

  return {
    database: {
      name: DATABASE_NAME,
      url: server.url('application'),
      ownerUrl: server.url('owner'),
      adminUrl: server.url('admin'),
      drop: async () => undefined,
    },
    async backUp() {
      await withClient(server.url('admin', 'postgres'), async (client) => {
        await client.query(`SELECT pg_backup_start('nightly', fast => true)`);
        await tar(['--create', '--file', backup, '--exclude=./pg_wal/*', '--exclude=./postmaster.*', '-C', data, '.']);
        const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop()');
        await writeFile(join(folder, 'backup_label'), rows[0]?.labelfile ?? '');
      });
    },
    async lose() {
      process.kill(server.part.pid, 'SIGKILL');
      await server.part.ended;
      const archived = new Set(await readdir(archive));
      for (const segment of await readdir(join(data, 'pg_wal'))) {
        if (/^[0-9A-F]{24}$/.test(segment) && !archived.has(segment)) {
          await copyFile(join(data, 'pg_wal', segment), join(archive, segment));
          await chown(join(archive, segment), uid, gid);
        }
      }
      await rm(data, { recursive: true });
    },
    async restore() {
      const anew = join(folder, 'second/data');
      await mkdir(anew, { recursive: true });
      await chmod(join(folder, 'second'), 0o711);
      await copyFile(join(folder, 'first/passwords.json'), join(folder, 'second/passwords.json'));
      await tar(['--extract', '--file', backup, '-C', anew]);
      const settings = join(anew, 'postgresql.auto.conf');
      const recovery = `restore_command = 'cp ${archive}/%f %p'\narchive_mode = off\n`;
      await writeFile(settings, `${await readFile(settings, 'utf8')}${recovery}`);
      await copyFile(join(folder, 'backup_label'), join(anew, 'backup_label'));
      await writeFile(join(anew, 'recovery.signal'), '');
      for (const name of ['backup_label', 'recovery.signal']) await chown(join(anew, name), uid, gid);
      const restored = await start('second');
      stops.push(() => restored.stop());
      return restored.url('application');
    },
    async close() {
      await Promise.all(stops.map((stop) => stop()));
      await rm(folder, { recursive: true, force: true });
      await guardian.close();
    },
  };
}

/** A file that changes while it is read is what the log is for: `tar` says so with 1. */
async function tar(args: readonly string[]): Promise<void> {
  await run('tar', args).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 1)) throw error;
  });
}
