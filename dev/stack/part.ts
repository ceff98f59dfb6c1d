/**
 * One process of the stack. It leads a process group of its own, so that a terminal's Ctrl-C reaches the launcher
 * alone, which then ends the parts in order; its last lines are remembered for the report of its death.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { isReadyMessage } from '../../runtime/ready.ts';
import { killGroup, splitLines } from './run-command.ts';

const REMEMBERED_LINES = 20;
const PIPE_DRAIN_MS = 200;

export interface PartOptions {
  /** As people read it: `PostgreSQL`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly identity?: { readonly uid: number; readonly gid: number } | undefined;
  /** A Node program that tells by IPC when it is up, and ends when the channel closes. */
  readonly ipc?: boolean;
  /** What asks for an orderly end; SIGTERM by default. */
  readonly stopSignal?: NodeJS.Signals;
  /** After so many milliseconds without an end, the whole group is killed. */
  readonly graceMs: number;
  readonly onLine?: (line: string) => void;
}

export interface PartEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A part ended, or could not be started, where nobody asked it to. */
export class PartFailedError extends Error {
  readonly part: string;
  readonly end: PartEnd;
  readonly lastLines: readonly string[];

  constructor(part: string, what: string, end: PartEnd, lastLines: readonly string[]) {
    super(`${part} ${what}`);
    this.name = 'PartFailedError';
    this.part = part;
    this.end = end;
    this.lastLines = lastLines;
  }
}

export class Part {
  readonly name: string;
  /** Resolves when the process and all its output have come to an end; never rejects. */
  readonly ended: Promise<PartEnd>;
  readonly #child: ChildProcess;
  readonly #options: PartOptions;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<(line: string) => void>();
  #end: PartEnd | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
    const { uid, gid } = options.identity ?? {};
    this.#child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: options.env,
      stdio: options.ipc === true ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...(uid === undefined ? {} : { uid, gid }),
    });
    this.ended = new Promise((resolve) => {
      const settle = (end: PartEnd): void => {
        this.#end ??= end;
        resolve(this.#end);
      };
      this.#child.on('error', (error) => {
        if (this.#child.pid !== undefined) return;
        this.#lines.push(error.message);
        settle({ code: null, signal: null });
      });
      const flushes = [this.#child.stdout, this.#child.stderr].map((stream) =>
        stream === null ? () => undefined : splitLines(stream, (line) => this.#hear(line)),
      );
      this.#child.once('exit', (code, signal) => {
        // Whoever inherited the pipes may hold them open: the end of the process is the end of the part.
        this.#end = { code, signal };
        setTimeout(() => settle({ code, signal }), PIPE_DRAIN_MS);
      });
      this.#child.once('close', (code, signal) => {
        for (const flush of flushes) flush();
        settle({ code, signal });
      });
    });
  }

  /** 0 when it could not even be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get lastLines(): readonly string[] {
    return this.#lines;
  }

  /** Resolves with the `url` that the part announced by IPC. Throws {@link PartFailedError}. */
  ready(timeoutMs: number): Promise<string | null> {
    return this.#until<string | null>(timeoutMs, (done) => {
      const onMessage = (message: unknown): void => {
        if (isReadyMessage(message)) done(message.url ?? null);
      };
      this.#child.on('message', onMessage);
      return () => this.#child.off('message', onMessage);
    });
  }

  /** Resolves with the first line, already said or to come, that `judge` makes something of. Throws {@link PartFailedError}. */
  says<T>(judge: (line: string) => T | null, timeoutMs: number): Promise<T> {
    return this.#until<T>(timeoutMs, (done) => {
      const onLine = (line: string): void => {
        const sense = judge(line);
        if (sense !== null) done(sense);
      };
      this.#lines.forEach(onLine);
      this.#listeners.add(onLine);
      return () => this.#listeners.delete(onLine);
    });
  }

  /** What to throw about a part that has ended by itself. */
  async failure(): Promise<PartFailedError> {
    const end = await this.ended;
    const how = end.signal === null ? `exit code ${end.code ?? 'unknown'}` : `signal ${end.signal}`;
    return new PartFailedError(this.name, `ended (${how})`, end, this.#lines);
  }

  /** An orderly end, then force. Resolves when the process is gone; may be called any number of times. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const kill = setTimeout(() => killGroup(this.#child.pid), this.#options.graceMs);
    if (this.#end === null) this.#child.kill(this.#options.stopSignal ?? 'SIGTERM');
    await this.ended;
    clearTimeout(kill);
    if (this.#child.connected) this.#child.disconnect();
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  #hear(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > REMEMBERED_LINES) this.#lines.shift();
    for (const listener of this.#listeners) listener(line);
    this.#options.onLine?.(line);
  }

  async #until<T>(timeoutMs: number, listen: (done: (value: T) => void) => () => unknown): Promise<T> {
    let stopListening: () => unknown = () => undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        stopListening = listen(resolve);
        timer = setTimeout(() => {
          const end: PartEnd = { code: null, signal: null };
          reject(new PartFailedError(this.name, `was not up after ${timeoutMs / 1000} s`, end, this.#lines));
        }, timeoutMs);
        void this.ended.then(async () => reject(await this.failure()));
      });
    } finally {
      clearTimeout(timer);
      stopListening();
    }
  }
}
