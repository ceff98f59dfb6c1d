import { spawn } from 'node:child_process';

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly identity?: { readonly uid: number; readonly gid: number };
  readonly signal?: AbortSignal | undefined;
  /** The command and its children are killed after this. */
  readonly timeoutMs?: number;
  readonly onLine?: (line: string) => void;
}

export interface CommandResult {
  /** Null when it was killed. */
  readonly code: number | null;
  /** The last of both outputs, for an error's text. */
  readonly tail: string;
}

const TAIL_LINES = 12;

/** Runs a command to its end, in a process group of its own, so that nothing of it outlives a time-out or an abort. Throws when it can't be started. */
export function runCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...(options.identity === undefined ? {} : { uid: options.identity.uid, gid: options.identity.gid }),
    });
    const tail: string[] = [];
    const onLine = (line: string): void => {
      if (line.trim() === '') return;
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      options.onLine?.(line);
    };
    const flushes = [child.stdout, child.stderr].map((stream) => splitLines(stream, onLine));
    const kill = (): void => killGroup(child.pid);
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(kill, options.timeoutMs);
    options.signal?.addEventListener('abort', kill, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', kill);
    };
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('close', (code) => {
      settle();
      for (const flush of flushes) flush();
      if (options.signal?.aborted === true) reject(options.signal.reason);
      else resolve({ code, tail: tail.join('\n') });
    });
  });
}

/** Calls `onLine` for every line of a stream; the function returned passes on a last line without an end. */
export function splitLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): () => void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  return () => {
    if (rest !== '') onLine(rest);
    rest = '';
  };
}

/** SIGKILL for a process that leads its group, and all that it started. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
