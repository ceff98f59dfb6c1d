/**
 * Notes that tokens were read, off the hot path: which connections are in use, and which client was the first time
 * handed which version. In memory first, written in batches: a read must not cost a write. What can't be written is
 * forgotten and noted again by the next read; an orderly shutdown writes what is left.
 */
import type { Act } from '../core/audit-entry.ts';
import type { ConnectionKey } from '../core/connection.ts';
import type { Log } from '../core/ports.ts';
import type { AuditStore, ConnectionStore, TokenRead } from '../core/stores.ts';
import { BoundedMap } from './bounded-map.ts';

export interface ReadRecorder {
  note(key: ConnectionKey, version: number, reader: Act, atMs: number): void;
  /** Writes what is left. */
  close(): Promise<void>;
}

const FLUSH_EVERY_MS = 1_000;
const MOST_OFTEN_MS = 60_000;
const CAPACITY = 100_000;
/** Reads in one statement: writing down so many takes a few milliseconds, for which everybody else waits. */
const BATCH = 1_000;
/** Clients of one connection that are remembered; more than these are asked about at the database again. */
const MOST_READERS = 64;
/** First reads that wait for the database: while it is away, later ones are not noted. */
const MOST_WAITING = 50_000;

/** What is known of a connection's reads. */
interface Noted {
  touchedAtMs: number;
  version: number;
  /** Clients that were handed this version. */
  readonly readers: Set<string>;
}

export function createReadRecorder(deps: {
  readonly connections: Pick<ConnectionStore, 'touchRead'>;
  readonly audit: Pick<AuditStore, 'recordReads'>;
  readonly warmWindowMs: number;
  readonly log: Log;
}): ReadRecorder {
  // With a short warm window once a minute would be too seldom to keep a connection warm.
  const everyMs = Math.min(MOST_OFTEN_MS, deps.warmWindowMs / 4);
  const noted = new BoundedMap<string, Noted>(CAPACITY);
  let touched = new Map<string, ConnectionKey & { readonly atMs: number }>();
  let firsts: TokenRead[] = [];
  let writing: Promise<void> = Promise.resolve();

  async function flush(): Promise<void> {
    const reads = [...touched.values()];
    const newReaders = firsts;
    touched = new Map();
    firsts = [];
    await write(reads, (part) => deps.connections.touchRead(part));
    await write(newReaders, (part) => deps.audit.recordReads(part));
  }

  async function write<T extends ConnectionKey>(
    batch: readonly T[],
    save: (part: readonly T[]) => Promise<void>,
  ): Promise<void> {
    for (let start = 0; start < batch.length; start += BATCH) {
      const part = batch.slice(start, start + BATCH);
      try {
        await save(part);
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

  function noteReader(
    known: Noted,
    { app, principal }: ConnectionKey,
    version: number,
    reader: Act,
    atMs: number,
  ): void {
    // Two processes may be a version apart for a moment: what is older is on record.
    if (version < known.version || firsts.length >= MOST_WAITING) return;
    if (version > known.version || known.readers.size >= MOST_READERS) known.readers.clear();
    known.version = version;
    known.readers.add(reader.actor);
    const { actor, correlationId } = reader;
    firsts.push({ app, principal, actor, correlationId, version, atMs });
  }

  return {
    note(key, version, reader, atMs) {
      const { app, principal } = key;
      const id = `${app}:${principal}`;
      let known = noted.get(id);
      if (known === undefined) {
        known = { touchedAtMs: Number.NEGATIVE_INFINITY, version, readers: new Set() };
        noted.set(id, known);
      }
      if (known.version !== version || !known.readers.has(reader.actor)) noteReader(known, key, version, reader, atMs);
      if (atMs - known.touchedAtMs < everyMs) return;
      known.touchedAtMs = atMs;
      touched.set(id, { app, principal, atMs });
    },
    async close() {
      clearInterval(timer);
      await next();
    },
  };
}
