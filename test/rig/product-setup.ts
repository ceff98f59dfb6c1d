/**
 * Vitest's global set-up of the suite that looks at the whole product: one `npm start` that its files share. Nobody waits
 * for it here: it comes up while the first files, or other suites, have something else to do.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import type { Guardian } from '../../dev/stack/guardian.ts';
import { Part } from '../../dev/stack/part.ts';
import { buildEnvironment, ENDED } from '../e2e/product-environment.ts';
import { oncePerRun } from './per-run.ts';
import type { ProvidedProduct } from './provided.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The whole tree has 15 s to end. */
const END_MS = 20_000;

interface RunningProduct {
  readonly folder: string;
  readonly part: Part;
  readonly provided: ProvidedProduct;
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { value, release } = await oncePerRun('product', start, stop);
  project.provide('product', value.provided);
  return release;
}

async function start(guardian: Guardian): Promise<RunningProduct> {
  const folder = await mkdtemp(join(tmpdir(), 'evergrant-e2e-'));
  guardian.removeAtEnd(folder);
  const [home, printed] = [join(folder, 'home'), join(folder, 'printed')];
  const variables = await buildEnvironment(home);
  writeFileSync(printed, '');
  const options = {
    name: 'npm start',
    command: 'npm',
    args: ['start'],
    cwd: root,
    env: variables,
    graceMs: END_MS,
    onLine: (line: string) => appendFileSync(printed, `${line}\n`),
  };
  const part = new Part(options);
  guardian.guard(part, options, 1);
  void part.ended.then(() => appendFileSync(printed, `${ENDED}\n`)).catch(() => undefined);
  return { folder, part, provided: { home, variables, printed } };
}

async function stop({ folder, part, provided }: RunningProduct): Promise<void> {
  const running = await readFile(join(provided.home, 'running.json'), 'utf8').catch(() => null);
  // Told by its own name: npm ends at a signal before its child has.
  if (running !== null) process.kill((JSON.parse(running) as { readonly pid: number }).pid, 'SIGTERM');
  else await part.stop();
  await part.ended;
  await part.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
