/** Vitest's global set-up of the suites that need PostgreSQL: one real server per run, with a migrated template database. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../db/migrate.ts';
import { Part } from '../../dev/stack/part.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { startPostgres } from '../../dev/stack/postgres.ts';
import type { EmbeddedPostgres } from '../../dev/stack/postgres.ts';
import type { Guardian } from '../../dev/stack/guardian.ts';
import { oncePerRun } from './per-run.ts';
import type { ProvidedPostgres } from './provided.ts';

/** The database that the stack makes anyhow becomes the template. */
const TEMPLATE = 'evergrant';

interface RunningPostgres {
  readonly folder: string;
  readonly server: EmbeddedPostgres;
  readonly provided: ProvidedPostgres;
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { value, release } = await oncePerRun('postgres', start, stop);
  project.provide('postgres', value.provided);
  return release;
}

async function start(guardian: Guardian): Promise<RunningPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'evergrant-test-postgres-'));
  guardian.removeAtEnd(folder);
  const server = await startPostgres({
    folder,
    port: await freePort(),
    durable: false,
    spawn: (options) => {
      const part = new Part(options);
      guardian.guard(part, options, 1);
      return part;
    },
  });
  await migrate(server.url('owner', TEMPLATE));
  const provided = {
    admin: server.url('admin', '{database}'),
    owner: server.url('owner', '{database}'),
    application: server.url('application', '{database}'),
    template: TEMPLATE,
  };
  return { folder, server, provided };
}

async function stop({ folder, server }: RunningPostgres): Promise<void> {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
