/** The production build in a folder of its own: two builds at once, and whoever works in this folder, must not meet. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readRepository } from '../../dev/check/repository-files.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface BuiltProduct {
  /** Holds `dist/`, the sources it was made of, and the dependencies. */
  readonly place: string;
  /** What the build printed. */
  readonly output: string;
  remove(): void;
}

/** Some fifteen seconds of work. Throws with the build's own words when it fails. */
export function buildProduct(): BuiltProduct {
  const place = mkdtempSync(join(tmpdir(), 'evergrant-build-'));
  for (const { path } of readRepository(root)) {
    mkdirSync(dirname(join(place, path)), { recursive: true });
    cpSync(join(root, path), join(place, path));
  }
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dev/build.mjs'], { cwd: place, encoding: 'utf8' });
  const remove = () => rmSync(place, { recursive: true, force: true });
  if (status !== 0) {
    remove();
    throw new Error(`the build failed:\n${stdout}${stderr}`);
  }
  return { place, output: stdout + stderr, remove };
}
