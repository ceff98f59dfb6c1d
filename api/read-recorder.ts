/**
 * Notes when connections are read, so that the workflow keeps those fresh. In batches, and at most so often per
 * connection: a read must not cost a write.
 */
import type { ConnectionKey } from '../core/connection.ts';
import type { Log } from '../core/ports.ts';
import type { ConnectionStore } from '../core/stores.ts';
import { BoundedMap } from './bounded-map.ts';

export interface ReadRecorder {
  note(key: ConnectionKey, atMs: number): void;
  /** Writes what is left. */
  close(): Promise<void>;
}

const FLUSH_EVERY_MS = 1_000;
const MOST_OFTEN_MS = 60_000;
const CAPACITY = 100_000;
/** Reads in one statement. */
const BATCH = 5_000;

export function createReadRecorder(deps: {
  readonly connections: Pick<ConnectionStore, 'touchRead'>;
  readonly warmWindowMs: number;
  readonly log: Log;
}): ReadRecorder {
  // With a short warm window once a minute would be too seldom to keep a connection warm.
  const everyMs = Math.min(MOST_OFTEN_MS, deps.warmWindowMs / 4);
  const noted = new BoundedMap<string, number>(CAPACITY);
  let pending = new Map<string, ConnectionKey & { readonly atMs: number }>();
  let writing: Promise<void> = Promise.resolve();

  async function flush(): Promise<void> {
    const batch = [...pending.values()];
    pending = new Map();
    for (let start = 0; start < batch.length; start += BATCH) {
      const part = batch.slice(start, start + BATCH);
      try {
        await deps.connections.touchRead(part);
      } catch (error) {
        deps.log.warn({ err: error, reads: part.length }, 'reads could not be noted');
        // Let the next read of each be noted at once.
        for (const { app, principal } of part) noted.delete(`${app}:${principal}`);
      }
    }
  }
  const next = (): Promise<void> => {
    writing = writing.then(flush);
    return writing;
  };
  const timer = setInterval(() => void next(), FLUSH_EVERY_MS);
  timer.unref();

  return {
    note({ app, principal }, atMs) {
      const id = `${app}:${principal}`;
      const last = noted.get(id);
      if (last !== undefined && atMs - last < everyMs) return;
      noted.set(id, atMs);
      pending.set(id, { app, principal, atMs });
    },
    async close() {
      clearInterval(timer);
      await next();
    },
  };
}
