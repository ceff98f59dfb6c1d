/**
 * The product as `npm run build` makes it, for tests that start its programs: a program starts in half the time that it
 * takes from its sources, a worker in a quarter. Made once for a state of the sources, by whoever asks first, and
 * never taken for another: its folder is named by a hash of everything that goes into it.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../dev/stack/cache-folder.ts';
import { withLock } from '../../dev/stack/pid-lock.ts';
import { runCommand } from '../../dev/stack/run-command.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const BUILD_MS = 5 * 60_000;
/** A build that nobody has asked for as long goes: no test takes so long. */
const KEPT_MS = 2 * 3_600_000;

/** Absolute path of a program to run with Node, wherever the working directory is. */
export async function compiledProgram(name: 'api' | 'worker' | 'cli'): Promise<string> {
  return join(await compiledProduct(), `dist/${name}/main.js`);
}

/** What a worker runs in production, where the bundling itself is not under test. */
export async function compiledWorkflowBundle(): Promise<{ readonly codePath: string }> {
  return { codePath: join(await compiledProduct(), 'dist/worker/workflow-bundle.js') };
}

/** The folder that holds `dist/` and package.json. */
async function compiledProduct(): Promise<string> {
  const inputs = readInputs();
  const hash = createHash('sha256').update(`${process.version} ${root}`);
  for (const [path, bytes] of inputs) hash.update(`\0${path}\0${bytes.length}\0`).update(bytes);
  const place = join(cacheFolder(process.env), 'products', hash.digest('hex').slice(0, 32));
  if (!existsSync(place)) await withLock(`${place}.lock`, () => build(inputs, place));
  const now = new Date();
  await utimes(place, now, now);
  return place;
}

/** The production build's sources and what says how to compile them. */
function readInputs(): ReadonlyMap<string, Buffer> {
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8')) as {
    readonly include: readonly string[];
  };
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'dev/build.mjs'];
  for (const folder of include) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) files.push(join(entry.parentPath ?? entry.path, entry.name).slice(root.length));
    }
  }
  return new Map(files.toSorted().map((path) => [path, readFileSync(join(root, path))]));
}

/** Built of the bytes that were hashed, not of what the files have become meanwhile. */
async function build(inputs: ReadonlyMap<string, Buffer>, place: string): Promise<void> {
  if (existsSync(place)) return;
  const products = dirname(place);
  await mkdir(products, { recursive: true });
  await removeUnused(products);
  const draft = await mkdtemp(`${place}.`);
  try {
    for (const [path, bytes] of inputs) {
      await mkdir(dirname(join(draft, path)), { recursive: true });
      await writeFile(join(draft, path), bytes);
    }
    await symlink(join(root, 'node_modules'), join(draft, 'node_modules'));
    // The types are checked by `npm run check`; a mistake in one file must not keep all tests from running.
    const args = [join(draft, 'dev/build.mjs'), 'production', '--unchecked'];
    const { code, tail } = await runCommand(process.execPath, args, { cwd: draft, timeoutMs: BUILD_MS });
    if (code !== 0) throw new Error(`the build failed:\n${tail}`);
    // What runs has the compiled code alone, as in an image.
    for (const name of await readdir(draft)) {
      if (!['dist', 'node_modules', 'package.json'].includes(name)) await rm(join(draft, name), { recursive: true });
    }
    await rename(draft, place);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function removeUnused(products: string): Promise<void> {
  for (const name of await readdir(products)) {
    const path = join(products, name);
    const usedAtMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    if (Date.now() - usedAtMs > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}
