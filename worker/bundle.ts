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

async function bundle(): Promise<{ code: string }> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pathOf = (name: string): string => createRequire(import.meta.url).resolve(`../workflows/${name}.${extension}`);
  return await bundleWorkflowCode({
    workflowsPath: pathOf('index'),
    workflowInterceptorModules: [pathOf('tracing')],
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
