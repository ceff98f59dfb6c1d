/** The workflow bundle: built ahead for production, at start in development. */
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundleOption } from '@temporalio/worker';

const here = fileURLToPath(new URL('.', import.meta.url));
const prebuilt = `${here}workflow-bundle.js`;

/** Compiled code lies beside a prebuilt bundle; sources are bundled at start. */
export function isPrebuilt(): boolean {
  return existsSync(prebuilt);
}

/** What `Worker.create` takes: the prebuilt file, or a bundle made now. */
export async function workflowBundle(): Promise<WorkflowBundleOption> {
  if (isPrebuilt()) return { codePath: prebuilt };
  return await bundle();
}

/**
 * Loaded once a process instead of once a run, which takes the heap of a run in memory from some 130 to 75 KB. For modules that
 * keep nothing between calls, as all of the core does: what one remembered, all runs would share.
 */
const stateless = [
  'proxies',
  'operator-view',
  'cargo-of',
  '../core/lifecycle',
  '../core/inbox',
  '../core/app-guardian',
  '../core/connection-resource',
  '../core/lifeboat',
  '../core/trace-context',
];

async function bundle(): Promise<{ code: string }> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pathOf = (name: string): string => createRequire(import.meta.url).resolve(`../workflows/${name}.${extension}`);
  return await bundleWorkflowCode({
    workflowsPath: pathOf('index'),
    workflowInterceptorModules: [pathOf('tracing')],
    preloadModules: stateless.map(pathOf),
    logger: silentLogger,
  });
}

/** Writes the bundle beside this module; run by `npm run build` on the compiled code. */
export async function writeBundle(): Promise<string> {
  const { code } = await bundle();
  await writeFile(prebuilt, code);
  return prebuilt;
}

const silent = (): void => {};
const silentLogger = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
