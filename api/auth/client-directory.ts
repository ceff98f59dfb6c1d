/**
 * The clients of the API, kept in memory so briefly that a revocation acts within five seconds: dropped by a
 * notice at once, read again after four seconds at the latest, even if notices don't come through.
 *
 * While the database is away, or says nothing, nobody can be revoked either: what was known last counts, for a bounded
 * time.
 */
import { isAppError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { ApiClient, ClientStore, Notices } from '../../core/stores.ts';
import { BoundedMap } from '../bounded-map.ts';

const KEEP_MS = 4_000;
/** A client in use is read again from this age, so that nobody has to wait for it. */
const RENEW_MS = 3_000;
/** How long a client is believed to be unchanged while the database can't be asked. */
const OUTAGE_BOUND_MS = 15 * 60_000;
/** A database that says nothing for so long is taken for away, if the client is known. */
const DATABASE_PATIENCE_MS = 2_000;
const CAPACITY = 10_000;

export interface ClientDirectory {
  /** The client unless it is unknown, expired or revoked. Throws `database-unavailable`. */
  maybeOne(id: string): Promise<ApiClient | null>;
  /** The same from memory, while what is there needs no other look; null: `maybeOne` has to be asked. */
  maybeKnown(id: string): ApiClient | null;
  close(): void;
}

interface Entry {
  readonly client: ApiClient | null;
  /** When the read began, on the monotonic clock. */
  readonly readAtMs: number;
}

export function createClientDirectory(deps: {
  readonly clients: ClientStore;
  readonly notices: Notices;
  readonly clock: Clock;
}): ClientDirectory {
  const { clients, notices, clock } = deps;
  const entries = new BoundedMap<string, Entry>(CAPACITY);
  const reading = new Map<string, Promise<ApiClient | null>>();
  const silent = new WeakSet<Promise<ApiClient | null>>();
  const unsubscribe = notices.subscribe(
    (notice) => {
      if (notice.kind !== 'client') return;
      entries.delete(notice.id);
      reading.delete(notice.id);
    },
    () => undefined,
  );

  function read(id: string): Promise<ApiClient | null> {
    const running = reading.get(id);
    if (running !== undefined) return running;
    const readAtMs = clock.monotonic();
    const found = clients
      .maybeOne(id)
      .then((client) => {
        // A notice that came meanwhile has dropped this very read: it may be too old already.
        if (reading.get(id) === found) entries.set(id, { client, readAtMs });
        return client;
      })
      .finally(() => {
        if (reading.get(id) === found) reading.delete(id);
      });
    reading.set(id, found);
    return found;
  }

  /** What the database says; null when it is away or silent. Only the first caller of a silent one waits. */
  async function maybeRead(id: string): Promise<{ readonly client: ApiClient | null } | null> {
    const reading = read(id);
    if (silent.has(reading)) return null;
    const patience = new AbortController();
    const silence = clock.sleep(DATABASE_PATIENCE_MS, patience.signal).then(
      () => {
        if (!patience.signal.aborted) silent.add(reading);
        return null;
      },
      () => null,
    );
    const answer = reading.then(
      (client) => ({ client }),
      (error: unknown) => {
        if (isAppError(error, 'database-unavailable')) return null;
        throw error;
      },
    );
    try {
      return await Promise.race([answer, silence]);
    } finally {
      patience.abort();
      answer.catch(() => undefined);
    }
  }

  async function find(id: string): Promise<ApiClient | null> {
    const entry = entries.get(id);
    const ageMs = entry === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() - entry.readAtMs;
    if (entry !== undefined && ageMs < KEEP_MS) return entry.client;
    if (entry === undefined || ageMs > OUTAGE_BOUND_MS) return await read(id);
    const answer = await maybeRead(id);
    if (answer !== null) return answer.client;
    // A notice that came meanwhile has taken away what was known.
    return entries.get(id) === entry ? entry.client : await read(id);
  }

  function ifValid(client: ApiClient | null): ApiClient | null {
    if (client === null || client.revokedAtMs !== null) return null;
    return client.expiresAtMs !== null && client.expiresAtMs <= clock.now() ? null : client;
  }

  return {
    async maybeOne(id) {
      // Ids come out of tokens that nobody has verified yet.
      if (!/^[\x21-\x7e]{1,128}$/.test(id)) return null;
      return ifValid(await find(id));
    },
    maybeKnown(id) {
      const entry = entries.get(id);
      if (entry === undefined) return null;
      const ageMs = clock.monotonic() - entry.readAtMs;
      if (ageMs >= KEEP_MS) return null;
      // What goes wrong with it is told to whoever has to wait for it.
      if (ageMs >= RENEW_MS && !reading.has(id)) read(id).catch(() => undefined);
      return ifValid(entry.client);
    },
    close: unsubscribe,
  };
}
