/** Vitest's global set-up of the suites that need a Temporal server: `TEMPORAL_ADDRESS`, or one of our own per run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { Guardian } from '../../dev/stack/guardian.ts';
import { Part } from '../../dev/stack/part.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { resolveTemporalCli } from '../../dev/stack/temporal-cli.ts';
import { startTemporal } from '../../dev/stack/temporal.ts';
import { oncePerRun, report } from './per-run.ts';

interface RunningTemporal {
  readonly address: string;
  stop(): Promise<void>;
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { value, release } = await oncePerRun('temporal', start, ({ stop }) => stop());
  project.provide('temporal', { address: value.address });
  return release;
}

async function start(guardian: Guardian): Promise<RunningTemporal> {
  const given = process.env.TEMPORAL_ADDRESS;
  if (given !== undefined && given !== '') return { address: given, stop: async () => undefined };
  const program = await resolveTemporalCli({ env: process.env, report });
  const folder = await mkdtemp(join(tmpdir(), 'evergrant-test-temporal-'));
  guardian.removeAtEnd(folder);
  const server = await startTemporal({
    program,
    port: await freePort(),
    uiPort: null,
    databaseFile: null,
    namespace: 'default',
    cwd: folder,
    spawn: (options) => {
      const part = new Part(options);
      guardian.guard(part, options, 2);
      return part;
    },
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { address: server.address, stop };
}
