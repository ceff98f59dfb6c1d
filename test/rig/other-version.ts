/**
 * Another version of the product, to run beside this one: its build in a folder of its own, with workflow code and
 * migrations as the next release might have them.
 */
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { compiledProgram } from './compiled-product.ts';
import { nextMigrations } from './next-migrations.ts';

/** Names the branch that only the next version has; it is in the histories of runs that took it. */
export const NEXT_PATCH = 'of-the-next-version';

/** A timer before each call of a refresh: a worker without the branch can't replay it. */
const before = /refresh: async \(\{ dataCentre, urgent, \.\.\.order \}, withdrawn\) => \{/g;
const workflow = '_temporalio_workflow__WEBPACK_IMPORTED_MODULE_0__';
const after = `$&
  if ((0, ${workflow}.patched)('${NEXT_PATCH}')) await (0, ${workflow}.condition)(() => false, 1);`;

export interface OtherVersion {
  /** Holds `dist/`. */
  readonly place: string;
  remove(): Promise<void>;
}

export async function createNextVersion(): Promise<OtherVersion> {
  const present = dirname(dirname(dirname(await compiledProgram('worker'))));
  const place = await mkdtemp(join(tmpdir(), 'evergrant-next-'));
  await cp(join(present, 'dist'), join(place, 'dist'), { recursive: true });
  await cp(join(present, 'package.json'), join(place, 'package.json'));
  await symlink(await realpath(join(present, 'node_modules')), join(place, 'node_modules'));
  const bundle = join(place, 'dist/worker/workflow-bundle.js');
  const code = await readFile(bundle, 'utf8');
  if (code.match(before)?.length !== 1) throw new Error(`the workflow code has changed: ${import.meta.filename}`);
  await writeFile(bundle, code.replace(before, after));
  for (const [name, sql] of Object.entries(nextMigrations)) {
    await writeFile(join(place, `dist/db/migrations/${name}.sql`), sql);
  }
  return { place, remove: () => rm(place, { recursive: true, force: true }) };
}
