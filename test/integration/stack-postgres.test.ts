import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { restoreLinks } from '../../dev/stack/postgres-program.ts';
import { startPostgres } from '../../dev/stack/postgres.ts';
import type { EmbeddedPostgres } from '../../dev/stack/postgres.ts';

let root: string;
let server: EmbeddedPostgres | null;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'evergrant-postgres-'));
  // As a folder of root's alone: who runs these tests as root needs a way through it for the server's user.
  await chmod(root, 0o700);
  server = null;
});

afterEach(async () => {
  await server?.stop();
  await rm(root, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedPostgres> {
  server = await startPostgres({ folder: join(root, 'postgres'), port: await freePort(), durable: false });
  return server;
}

async function query(url: string, text: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

describe('the embedded PostgreSQL', () => {
  it('keeps its data over a stop and over a kill, below a folder that is closed to others', async () => {
    const first = await start();
    await query(first.url('owner'), `CREATE TABLE kept AS SELECT 'here' AS word`);
    await first.stop();

    const second = await start();
    expect(await query(second.url('owner'), 'SELECT word FROM kept')).toEqual([['here']]);
    process.kill(second.part.pid, 'SIGKILL');
    await second.part.ended;
    expect((await readFile(join(root, 'postgres/data/postmaster.pid'), 'utf8')).split('\n')[0]).toBe(
      String(second.part.pid),
    );

    const third = await start();
    expect(await query(third.url('owner'), 'SELECT word FROM kept')).toEqual([['here']]);
  });

  it('is not kept from starting by a lock file whose process is another program by now', async () => {
    const first = await start();
    await first.stop();
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    try {
      const lock = join(root, 'postgres/data/postmaster.pid');
      await writeFile(lock, `${other.pid}\n${join(root, 'postgres/data')}\n1\n5432\n\n\n\n`);
      await chmod(lock, 0o666);
      const second = await start();
      expect(await query(second.url('owner'), 'SELECT 1')).toEqual([[1]]);
    } finally {
      other.kill('SIGKILL');
      await new Promise((resolve) => other.once('close', resolve));
    }
  });

  it('starts afresh when the first start was interrupted', async () => {
    await mkdir(join(root, 'postgres/data.draft/data'), { recursive: true });
    await writeFile(join(root, 'postgres/data.draft/data/PG_VERSION'), '18\n');
    const fresh = await start();
    expect(await query(fresh.url('owner'), 'SELECT current_database()')).toEqual([['evergrant']]);
    await expect(stat(join(root, 'postgres/data.draft'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('lets nobody in without a password, and the application own nothing', async () => {
    const fresh = await start();
    const url = fresh.url('application');
    expect(await query(url, 'SELECT current_user')).toEqual([['evergrant_app']]);
    await expect(query(url, 'CREATE TABLE public.mine (id integer)')).rejects.toMatchObject({ code: '42501' });
    const wrong = url.replace(/:[^:@]+@/, ':wrong@');
    await expect(query(wrong, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect((await stat(join(root, 'postgres/passwords.json'))).mode & 0o777).toBe(0o600);
  });
});

describe('the links between shared libraries', () => {
  it('are made where no install script made them, and left alone where they are', async () => {
    await mkdir(join(root, 'native/lib'), { recursive: true });
    const links = [{ source: 'native/lib/libx.so.5.1', target: 'native/lib/libx.so.5' }];
    await writeFile(join(root, 'native/pg-symlinks.json'), JSON.stringify(links));
    await restoreLinks(root);
    await restoreLinks(root);
    expect(await readlink(join(root, 'native/lib/libx.so.5'))).toBe('libx.so.5.1');
  });
});
