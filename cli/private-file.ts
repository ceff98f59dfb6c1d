/** Files that nobody but their owner may read, and that are there whole or not at all. */
import { constants } from 'node:fs';
import { access, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { AppError } from '../core/errors.ts';

const OWNER_ONLY = 0o600;

export interface PrivateFile {
  write(line: string): Promise<void>;
  /** Everything is on disk: the file appears under its name. */
  keep(): Promise<void>;
  /** Nothing is left of it. Does nothing after `keep`. */
  discard(): Promise<void>;
}

/** Throws `bad-request` where it can't be written, and for a file that is there unless `overwrite` says otherwise. */
export async function createPrivateFile(path: string, { overwrite = false } = {}): Promise<PrivateFile> {
  if (!overwrite && (await exists(path))) {
    throw new AppError('conflict', `${path}: is there already; --force overwrites it`);
  }
  const partial = `${path}.part`;
  const handle = await createAlone(partial);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await handle.close();
    isOpen = false;
  };
  return {
    write: async (line) => void (await handle.write(`${line}\n`)),
    async keep() {
      await handle.sync();
      await close();
      await rename(partial, path);
    },
    async discard() {
      if (!isOpen) return;
      await close();
      await rm(partial, { force: true });
    },
  };
}

/** What an earlier run has left is removed, not written into: somebody else might have it open, or have linked it. */
async function createAlone(path: string): Promise<FileHandle> {
  try {
    await rm(path, { force: true });
    return await open(path, 'wx', OWNER_ONLY);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError('bad-request', `${path}: can't be written (${code ?? 'unknown'})`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
