/** A small house of its own in a temporary folder, with this one's rules: violations are planted there. */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

export interface PlantedHouse {
  readonly root: string;
  remove(): void;
}

const rules = ['.dependency-cruiser.cjs', 'eslint.config.js', 'tsconfig.json', 'package.json'];

/** `files`: text by path. */
export function plantHouse(files: Readonly<Record<string, string>>): PlantedHouse {
  // Where the temporary folder is itself a link, tools report its real path.
  const planted = realpathSync(mkdtempSync(join(tmpdir(), 'evergrant-planted-')));
  for (const file of rules) cpSync(join(root, file), join(planted, file));
  symlinkSync(join(root, 'node_modules'), join(planted, 'node_modules'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(planted, path)), { recursive: true });
    writeFileSync(join(planted, path), text);
  }
  return { root: planted, remove: () => rmSync(planted, { recursive: true, force: true }) };
}
