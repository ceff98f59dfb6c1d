/**
 * The inbox of a connection's lifecycle: what people and programs asked for, waiting for the main loop.
 *
 * Handlers put requests in and wait for them; the loop takes them out. Requests that ask for the same thing are
 * one request, so a flood of signals stays as small as the number of different wishes.
 */
import type { CommandName } from './command-transaction.ts';
import type { ConnectionSnapshot } from './connection.ts';

/** Who asked, for the audit trail. */
export interface AskedBy {
  readonly actor: string;
  readonly reason: string | null;
  /** Of the request; missing where nobody has one, as in the Temporal UI. */
  readonly correlationId?: string;
}

export type Wish =
  /** `isNew`: there was no connection when its landing page was completed, so nothing else can be due. */
  | { readonly kind: 'connect'; readonly sessionId: string; readonly isNew?: boolean }
  /** A reader found this version stale; null: whatever is on file. */
  | { readonly kind: 'fresh'; readonly version: number | null }
  | { readonly kind: 'forced'; readonly by?: AskedBy }
  /** Concur refused a token of this version; null: the sender did not say which. */
  | { readonly kind: 'rejected'; readonly version: number | null; readonly by?: AskedBy }
  | { readonly kind: 'command'; readonly name: CommandName; readonly actor: string; readonly reason: string | null };

/** A wish and how far it has come. `settled` is read by the waiting handler. */
export interface InboxEntry {
  readonly wish: Wish;
  settled: boolean;
  /** The row was read after the wish came in (a connect's session may be younger than the snapshot). */
  isLoaded: boolean;
  /** The exchange that a connect asks for was tried since. */
  isTried: boolean;
}

export interface Inbox {
  /** Adds a wish, or returns the entry of the same wish that still waits. */
  push(wish: Wish): InboxEntry;
  isEmpty(): boolean;
  /** How many different wishes have come in so far: a sleeper wakes when it grows. */
  arrivals(): number;
  /** Resolves once more than `arrivals` different wishes have come in. */
  untilMore(arrivals: number): Promise<void>;
  /** The oldest command; commands go before everything else. */
  nextCommand(): InboxEntry | null;
  /** Session of a connect that came with a new connection; null: there is none. */
  newConnect(): string | null;
  /** Connects whose sessions the snapshot cannot show yet. */
  manyToLoad(): readonly InboxEntry[];
  /** The entry that wants a refresh most. */
  nextRefresh(nowMs: number): InboxEntry | null;
  /** From when on some entry wants a refresh; null: none does. */
  nextRefreshAtMs(): number | null;
  /** A refresh was tried for the entry. */
  settle(entry: InboxEntry, nowMs: number): void;
  /** The exchange of this session was tried, whatever came of it. */
  noteTry(sessionId: string): void;
  /** Settles what the snapshot answers: newer versions, connects that are over, readers of a state that does not wait. */
  settleAnswered(snapshot: ConnectionSnapshot, nowMs: number): void;
  /** Settles everything: the run is about to end. */
  settleAll(): void;
}

/** However many partners report rejected tokens: one check a minute. */
const REJECTED_EVERY_MS = 60_000;

export function createInbox(): Inbox {
  let entries: InboxEntry[] = [];
  let arrivals = 0;
  let nextArrival = createBell();
  let rejectedFromMs = 0;
  const remove = (entry: InboxEntry): void => {
    entry.settled = true;
    entries = entries.filter((other) => other !== entry);
  };
  const wantedFromMs = ({ wish }: InboxEntry): number => {
    if (wish.kind === 'forced' || wish.kind === 'fresh') return 0;
    return wish.kind === 'rejected' ? rejectedFromMs : Number.POSITIVE_INFINITY;
  };
  return {
    push(wish) {
      const key = keyOf(wish);
      // Commands in turn are different wishes: pause, resume, pause ends paused.
      const rivals = wish.kind === 'command' ? commands(entries).slice(-1) : entries;
      const same = rivals.find((entry) => keyOf(entry.wish) === key);
      if (same !== undefined) return same;
      const entry: InboxEntry = { wish, settled: false, isLoaded: wish.kind !== 'connect', isTried: false };
      entries.push(entry);
      arrivals += 1;
      nextArrival.ring();
      nextArrival = createBell();
      return entry;
    },
    isEmpty: () => entries.length === 0,
    arrivals: () => arrivals,
    untilMore: (known) => (arrivals > known ? Promise.resolve() : nextArrival.rung),
    nextCommand: () => entries.find(({ wish }) => wish.kind === 'command') ?? null,
    newConnect: () => {
      const isNew = ({ wish }: InboxEntry): boolean => wish.kind === 'connect' && wish.isNew === true;
      const wish = entries.find(isNew)?.wish;
      return wish?.kind === 'connect' ? wish.sessionId : null;
    },
    manyToLoad: () => entries.filter(({ isLoaded }) => !isLoaded),
    nextRefresh: (nowMs) => {
      const wanted = entries.filter((entry) => wantedFromMs(entry) <= nowMs);
      const byKind = (kind: Wish['kind']) => wanted.find(({ wish }) => wish.kind === kind);
      return byKind('forced') ?? byKind('rejected') ?? byKind('fresh') ?? null;
    },
    nextRefreshAtMs: () => {
      const earliest = Math.min(...entries.map(wantedFromMs));
      return Number.isFinite(earliest) ? earliest : null;
    },
    settle(entry, nowMs) {
      if (entry.wish.kind === 'rejected') rejectedFromMs = nowMs + REJECTED_EVERY_MS;
      remove(entry);
    },
    settleAnswered(snapshot, nowMs) {
      for (const entry of entries.filter((waiting) => waiting.isLoaded && isAnswered(waiting, snapshot, nowMs)))
        remove(entry);
    },
    noteTry(sessionId) {
      for (const entry of entries) {
        if (entry.wish.kind === 'connect' && entry.wish.sessionId === sessionId) entry.isTried = true;
      }
    },
    settleAll() {
      for (const entry of entries) remove(entry);
    },
  };
}

/** A promise that somebody else resolves. */
export function createBell(): { readonly rung: Promise<void>; readonly ring: () => void } {
  let ring = (): void => {};
  const rung = new Promise<void>((resolve) => {
    ring = resolve;
  });
  return { rung, ring };
}

function commands(entries: readonly InboxEntry[]): InboxEntry[] {
  return entries.filter(({ wish }) => wish.kind === 'command');
}

/** Two wishes with one key are one wish. Actors of a command are not told apart: the trail names the first. */
function keyOf(wish: Wish): string {
  switch (wish.kind) {
    case 'connect':
      return `connect:${wish.sessionId}`;
    case 'fresh':
    case 'rejected':
      return `${wish.kind}:${wish.version}`;
    case 'forced':
      return 'forced';
    case 'command':
      return `command:${wish.name}`;
  }
}

function isAnswered(
  { wish, isTried }: InboxEntry,
  { connection, pendingConnects }: ConnectionSnapshot,
  nowMs: number,
): boolean {
  switch (wish.kind) {
    case 'connect': {
      const pending = pendingConnects.find(({ sessionId }) => sessionId === wish.sessionId);
      // Before its first try it is not answered, however the clocks of API and workflow differ.
      return pending === undefined || ((isTried || pending.uses > 0) && pending.nextTryAtMs > nowMs);
    }
    case 'fresh':
      // Only an active connection makes its reader wait; elsewhere the row already has the answer.
      return connection.state !== 'active' || (wish.version !== null && connection.version > wish.version);
    case 'rejected':
      return cannotRefresh(connection.state) || (wish.version !== null && connection.version > wish.version);
    case 'forced':
      return cannotRefresh(connection.state);
    case 'command':
      return false;
  }
}

function cannotRefresh(state: ConnectionSnapshot['connection']['state']): boolean {
  return (
    state === 'connecting' ||
    state === 'paused' ||
    state === 'revoking' ||
    state === 'reauthorization-required' ||
    state === 'revoked' ||
    state === 'connect-failed'
  );
}
