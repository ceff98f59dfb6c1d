import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Part, PartOptions } from './part.ts';

/** The hands on `guardian.mjs`, a process that ends the parts when their launcher dies without doing so itself. */
export class Guardian {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor() {
    this.#child = spawn(process.execPath, [fileURLToPath(new URL('./guardian.mjs', import.meta.url))], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
    });
    this.#child.stdin?.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', () => resolve());
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Of parts left behind, the one with the highest rank is ended first. */
  guard(part: Part, options: Pick<PartOptions, 'stopSignal' | 'graceMs'>, rank: number): void {
    if (part.pid === 0) return;
    this.#tell({ guard: part.pid, signal: options.stopSignal ?? 'SIGTERM', rank, graceMs: options.graceMs });
    void part.ended.then(() => this.#tell({ release: part.pid }));
  }

  /** A file or folder that must not be left behind. */
  removeAtEnd(path: string): void {
    this.#tell({ remove: path });
  }

  /** Ends what is still there, removes what must not be left, and resolves when the guardian is gone itself. */
  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }

  #tell(order: object): void {
    if (this.#child.stdin?.writable === true) this.#child.stdin.write(`${JSON.stringify(order)}\n`);
  }
}
