/**
 * The parts of a running stack: started with their output in a file each, watched, and ended in order. A part that ends
 * by itself makes `failed` reject; after `stop` has begun nothing is started any more.
 */
import { createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Guardian } from './guardian.ts';
import { formatLogLine } from './log-line.ts';
import type { LogLevelName } from './log-line.ts';
import { Part } from './part.ts';
import type { PartOptions } from './part.ts';

/** The part with the highest rank is ended first. */
export const stopRanks = { api: 5, worker: 4, sandbox: 3, temporal: 2, postgres: 1 } as const;
export type PartId = keyof typeof stopRanks;

export interface LauncherOptions {
  readonly guardian: Guardian;
  readonly logFolder: string;
  /** Writes one line to the terminal. */
  readonly write: (line: string) => void;
  /** Log lines of our own parts from this level on are shown on the terminal too. */
  readonly shownFrom: LogLevelName;
}

export class Launcher {
  /** Rejects with `PartFailedError` when a part ends unasked; never resolves. */
  readonly failed: Promise<never>;
  readonly #options: LauncherOptions;
  readonly #parts = new Map<PartId, Part>();
  readonly #logs: WriteStream[] = [];
  #fail: (error: unknown) => void = () => undefined;
  #stopping: Promise<void> | null = null;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    // Whoever waits for something else at the moment hears of it later.
    this.failed.catch(() => undefined);
  }

  /** Process ids of what is up. */
  get pids(): Readonly<Partial<Record<PartId, number>>> {
    return Object.fromEntries([...this.#parts].map(([id, part]) => [id, part.pid]));
  }

  spawn(id: PartId, options: PartOptions): Part {
    if (this.#stopping !== null) throw new Error(`${options.name} is not started any more: the stack is stopping`);
    const { guardian, logFolder, write, shownFrom } = this.#options;
    const log = createWriteStream(join(logFolder, `${id}.log`), { flags: 'w', mode: 0o600 });
    // A full disk must not end the stack.
    log.on('error', () => undefined);
    this.#logs.push(log);
    const part = new Part({
      ...options,
      onLine: (line) => {
        if (log.writable) log.write(`${line}\n`);
        const shown = options.ipc === true ? formatLogLine(id, line, shownFrom) : null;
        if (shown !== null) write(shown);
        options.onLine?.(line);
      },
    });
    this.#parts.set(id, part);
    guardian.guard(part, options, stopRanks[id]);
    void part.ended.then(async () => {
      if (this.#stopping === null) this.#fail(await part.failure());
    });
    return part;
  }

  /** Ends every part, one rank after the other. May be called any number of times. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const inOrder = [...this.#parts].sort(([one], [other]) => stopRanks[other] - stopRanks[one]);
    for (const [, part] of inOrder) await part.stop();
    await Promise.all(this.#logs.map((log) => new Promise<void>((resolve) => log.end(() => resolve()))));
  }
}
