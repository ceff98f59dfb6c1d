/**
 * An orderly end: on SIGTERM, SIGINT or when the launching process is gone, what was opened is closed in reverse
 * order, then the process exits. Whoever does not come to an end in time is left behind, with a line in the log.
 */
import type { Log } from '../core/ports.ts';

export interface Shutdown {
  /** Aborts when the end begins. */
  readonly signal: AbortSignal;
  /** Registers what to close; the last one registered is closed first. */
  onClose(name: string, close: () => Promise<void> | void): void;
  /** Begins the end; the same promise however often it is asked. `exitCode`: 0 unless something failed. */
  begin(reason: string, exitCode?: number): Promise<void>;
}

export interface ShutdownSettings {
  readonly log: Log;
  /** For all closers together. The whole process tree has 15 s. */
  readonly deadlineMs?: number;
  /** Ends the process; replaced in tests. */
  readonly exit?: (code: number) => void;
}

const DEADLINE_MS = 10_000;

export function createShutdown({ log, deadlineMs = DEADLINE_MS, exit = endProcess }: ShutdownSettings): Shutdown {
  const controller = new AbortController();
  const closers: { readonly name: string; readonly close: () => Promise<void> | void }[] = [];
  let ending: Promise<void> | null = null;

  const closeAll = async (): Promise<boolean> => {
    let clean = true;
    for (const { name, close } of closers.toReversed()) {
      try {
        await close();
        log.debug({ part: name }, 'closed');
      } catch (error) {
        clean = false;
        log.error({ part: name, err: error }, 'could not be closed');
      }
    }
    return clean;
  };
  const end = async (reason: string, exitCode: number): Promise<void> => {
    log.info({ reason }, 'shutting down');
    controller.abort(new Error(`Shutting down: ${reason}.`));
    const outcome = await withDeadline(closeAll(), deadlineMs);
    if (outcome === 'late') log.error({ deadline_ms: deadlineMs }, 'not everything could be closed in time');
    unlisten();
    exit(outcome === true ? exitCode : Math.max(exitCode, 1));
  };
  const begin = (reason: string, exitCode = 0): Promise<void> => {
    // A second signal (a terminal's Ctrl-C reaches the whole group) changes nothing.
    ending ??= end(reason, exitCode);
    return ending;
  };

  const onTerm = () => void begin('SIGTERM');
  const onInt = () => void begin('SIGINT');
  const onDisconnect = () => void begin('the launching process is gone');
  const unlisten = () => {
    process.off('SIGTERM', onTerm).off('SIGINT', onInt).off('disconnect', onDisconnect);
  };
  process.on('SIGTERM', onTerm).on('SIGINT', onInt);
  if (process.send !== undefined) process.on('disconnect', onDisconnect);

  return { signal: controller.signal, onClose: (name, close) => void closers.push({ name, close }), begin };
}

async function withDeadline<T>(work: Promise<T>, deadlineMs: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), deadlineMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function endProcess(code: number): void {
  process.exit(code);
}
