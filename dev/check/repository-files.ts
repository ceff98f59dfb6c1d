/** The files of the repository: tracked ones and new ones that are not ignored. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RepositoryFile {
  /** Below the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

function listRepository(root: string): readonly string[] {
  const flags = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = execFileSync('git', flags, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  // What was deleted and not committed yet is still listed.
  return [...new Set(listed.split('\0'))].filter((path) => path !== '' && existsSync(join(root, path))).toSorted();
}

/** Text files alone: a zero byte tells the others. */
export function readRepository(root: string): readonly RepositoryFile[] {
  return listRepository(root).flatMap((path) => {
    const bytes = readFileSync(join(root, path));
    return bytes.includes(0) ? [] : [{ path, text: bytes.toString('utf8') }];
  });
}
