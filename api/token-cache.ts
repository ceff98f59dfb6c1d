/**
 * Opened access tokens in memory. An entry is used while the listener for changes is proven; it is dropped by a
 * notice for its connection, and a fill that a notice overtook is not kept.
 */
import type { ConnectionKey } from '../core/connection.ts';
import type { Secret } from '../core/secret.ts';
import type { Notices, TokenHolder } from '../core/stores.ts';
import { BoundedMap } from './bounded-map.ts';

/** The answer to a reader, but for the seconds left, which stand between the two. */
export interface TokenBody {
  /** Holds the token. */
  readonly before: Secret;
  readonly after: string;
}

export interface CachedToken {
  readonly body: TokenBody;
  /** The row as it was when the token was read. */
  readonly connection: TokenHolder;
}

interface Entry {
  readonly token: CachedToken;
  readonly filledInGeneration: number;
  /** Wall clock of the last moment at which the entry was known to be right. */
  knownAtMs: number;
}

export interface TokenCache {
  /** A token that is known to be the current one. */
  trusted(key: ConnectionKey, nowMs: number): CachedToken | null;
  /** A token that was right at most `OUTAGE_BOUND_MS` ago: for when the database is away. */
  lastKnown(key: ConnectionKey, nowMs: number): CachedToken | null;
  /** Call before reading the database: a notice that comes meanwhile overtakes the read. */
  beginFill(key: ConnectionKey): Fill;
  close(): void;
}

/** A read of the database under way. */
export interface Fill {
  /** True once a notice came: what the read brings may be older than the notice. */
  isOvertaken(): boolean;
  /** Takes the result in, unless it was overtaken. Null: there is nothing to keep. */
  end(token: CachedToken | null, nowMs: number): void;
}

/** About 1 KB each. */
const CAPACITY = 50_000;

/** How long tokens in memory are served without a database that could say that they were revoked. */
const OUTAGE_BOUND_MS = 15 * 60_000;

export function createTokenCache(notices: Notices): TokenCache {
  const entries = new BoundedMap<string, Entry>(CAPACITY);
  const fills = new Map<string, Set<{ isOvertaken: boolean }>>();
  let generation = 0;

  const overtake = (id: string): void => {
    for (const fill of fills.get(id) ?? []) fill.isOvertaken = true;
  };
  const unsubscribe = notices.subscribe(
    (notice) => {
      if (notice.kind !== 'connection') return;
      const id = idOf(notice);
      entries.delete(id);
      overtake(id);
    },
    () => {
      // Notices may have been missed: nothing in memory is known to be right any more.
      generation += 1;
      for (const id of fills.keys()) overtake(id);
    },
  );

  return {
    trusted(key, nowMs) {
      const entry = entries.get(idOf(key));
      if (entry === undefined || entry.filledInGeneration !== generation || !notices.isProven()) return null;
      entry.knownAtMs = nowMs;
      return entry.token;
    },
    lastKnown(key, nowMs) {
      const entry = entries.get(idOf(key));
      return entry !== undefined && nowMs - entry.knownAtMs <= OUTAGE_BOUND_MS ? entry.token : null;
    },
    beginFill(key) {
      const id = idOf(key);
      const fill = { isOvertaken: false };
      const ofKey = fills.get(id) ?? new Set();
      fills.set(id, ofKey.add(fill));
      const begunIn = generation;
      return {
        isOvertaken: () => fill.isOvertaken,
        end(token, nowMs) {
          ofKey.delete(fill);
          if (ofKey.size === 0) fills.delete(id);
          if (token === null || fill.isOvertaken || begunIn !== generation) return;
          entries.set(id, { token, filledInGeneration: begunIn, knownAtMs: nowMs });
        },
      };
    },
    close: unsubscribe,
  };
}

function idOf({ app, principal }: ConnectionKey): string {
  return `${app}:${principal}`;
}
