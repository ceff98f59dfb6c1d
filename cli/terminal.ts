/** What the command line reads and writes; injected, so that tests run verbs without a process each. */
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { AppError } from '../core/errors.ts';

export interface Terminal {
  /** Results: for people or, with `--json`, for programs. */
  out(text: string): void;
  /** Everything else. */
  err(text: string): void;
  /** Shows how far a long verb is, in place of what it showed before; absent when no person looks on. */
  progress?(text: string): void;
  /** Whether who reads the results sees colours and wants them. */
  readonly hasColors?: boolean;
  readonly input: Readable;
  /** Name of the person at the keyboard, for the audit trail. */
  readonly user: string;
}

/** The whole of a file, or of standard input for `-`. Throws `bad-request` for a file that can't be read. */
export async function readAll(terminal: Terminal, path: string): Promise<string> {
  if (path !== '-') {
    return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new AppError('bad-request', `${path}: can't be read (${cause.code ?? 'unreadable'})`, { cause });
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of terminal.input) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}
