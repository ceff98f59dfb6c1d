/** The run's PostgreSQL, stopped in its tracks and let go on: the postmaster and every process of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import pg from 'pg';

export interface FrozenPostgres {
  freeze(): void;
  thaw(): void;
}

/** `adminUrl`: of any database on that server, with a role that may see where its data are. */
export async function findPostgres(adminUrl: string): Promise<FrozenPostgres> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
  await client.end();
  const [pid = ''] = (await readFile(join(rows[0]?.data_directory ?? '', 'postmaster.pid'), 'utf8')).split('\n');
  const postmaster = Number(pid);
  if (!Number.isInteger(postmaster) || postmaster <= 1) throw new Error('the server has no pid');
  const children = (): number[] =>
    execFileSync('ps', ['-o', 'pid=', '--ppid', String(postmaster)], { encoding: 'utf8' })
      .split('\n')
      .map(Number)
      .filter((child) => child > 1);
  const signalAll = (signal: 'SIGSTOP' | 'SIGCONT'): void => {
    for (const one of [postmaster, ...children()]) {
      try {
        process.kill(one, signal);
      } catch {
        // It ended by itself in between.
      }
    }
  };
  return { freeze: () => signalAll('SIGSTOP'), thaw: () => signalAll('SIGCONT') };
}
