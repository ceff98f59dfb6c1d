/**
 * The twin of the connection store of `db/`: every rule is the core's (`applyChanges`), storage alone differs. A
 * transaction takes no time, so none overlap; the hooks are where a test lets the database go away or a process die.
 */
import {
  type Aggregate,
  applyChanges,
  type Changes,
  type ConnectSession,
  type Decision,
} from '../../core/aggregate.ts';
import { type Connection, type ConnectionKey, isEnded } from '../../core/connection.ts';
import type { Act, AuditEntry } from '../../core/audit-entry.ts';
import type { CrowdQuestion } from '../../core/crowd.ts';
import type { ReconcileStore } from '../../core/reconcile.ts';
import type {
  AppTroubleStore,
  BrakeStore,
  ConnectionFilter,
  ConnectionStore,
  Page,
  StoredEvent,
} from '../../core/stores.ts';
import { createMemoryAppTroubles } from './memory-app-troubles.ts';
import { createMemoryBrakes } from './memory-brakes.ts';

/** What each transaction passes; one that throws or never resolves is a fault. */
export interface StoreHooks {
  /** Before anything is read or written. */
  readonly before?: (key: ConnectionKey) => Promise<void> | void;
  /** All is written, the caller does not know yet. */
  readonly committed?: (key: ConnectionKey) => Promise<void> | void;
}

export interface MemoryConnectionStore extends ConnectionStore, ReconcileStore {
  /** Puts a connection on file as it stands, without rules. */
  put(aggregate: Aggregate, accessToken?: StoredToken | null): void;
  /** What is on file; throws when nothing is. */
  one(key: ConnectionKey): Aggregate & { readonly connection: Connection };
  /** A connect session, settled or not. */
  session(id: string): ConnectSession | undefined;
  readonly brakes: BrakeStore;
  readonly troubles: AppTroubleStore;
  /** The audit trail, oldest first. */
  trail(key: ConnectionKey): readonly AuditEntry[];
}

type StoredToken = NonNullable<Changes['accessToken']>;

interface Stored {
  aggregate: Aggregate;
  accessToken: StoredToken | null;
  readonly events: StoredEvent[];
}

const nothing: Aggregate = { connection: null, grant: { current: null, previous: null }, attempts: [], sessions: [] };

export function createMemoryConnectionStore(clock: { now(): number }, hooks: StoreHooks = {}): MemoryConnectionStore {
  const rows = new Map<string, Stored>();
  const sessions = new Map<string, ConnectSession>();
  const brakes = createMemoryBrakes();
  const troubles = createMemoryAppTroubles(() => all());
  let eventCount = 0;

  const stored = (key: ConnectionKey): Stored => {
    const id = `${key.app}:${key.principal}`;
    const row = rows.get(id) ?? { aggregate: nothing, accessToken: null, events: [] };
    rows.set(id, row);
    return row;
  };
  const write = (key: ConnectionKey, changes: Changes): void => {
    const row = stored(key);
    const before = row.aggregate;
    row.aggregate = inOrder(keepRead(before, applyChanges(before, changes)));
    for (const session of changes.sessions ?? []) sessions.set(session.id, session);
    if (changes.accessToken !== undefined) row.accessToken = changes.accessToken;
    for (const entry of changes.events ?? []) row.events.push({ ...entry, id: String((eventCount += 1)) });
  };
  const transact = async <T>(
    key: ConnectionKey,
    decide: (aggregate: Aggregate) => Decision<T>,
    { crowd: question, sessionId }: { readonly crowd?: CrowdQuestion; readonly sessionId?: string } = {},
  ): Promise<T> => {
    await hooks.before?.(key);
    const { aggregate } = stored(key);
    const { connection } = aggregate;
    const hasCrowd = question !== undefined && connection !== null;
    const crowd = hasCrowd ? { crowd: brakes.crowdOf(connection, question, all()) } : {};
    const inSight = { ...crowd, sessions: withSession(aggregate, sessions.get(sessionId ?? '')) };
    const { result, changes } = decide({ ...aggregate, ...inSight, appTroubles: troubles.of(key.app) });
    write(key, changes);
    if (changes.appTrouble !== undefined && stored(key).aggregate.connection !== null)
      troubles.note(key.app, changes.appTrouble);
    if (connection !== null && changes.terminalEvidence !== undefined)
      brakes.note(connection, changes.terminalEvidence);
    await hooks.committed?.(key);
    return result;
  };
  const all = (): Connection[] =>
    [...rows.values()].map(({ aggregate }) => aggregate.connection).filter((connection) => connection !== null);

  return {
    transact,
    brakes,
    troubles,
    async maybeOne(key) {
      await hooks.before?.(key);
      const { aggregate } = stored(key);
      return aggregate.connection === null ? null : { ...aggregate, appTroubles: troubles.of(key.app) };
    },
    many: async (filter) =>
      pageOf(all().filter(matches(filter)).sort(byPrincipal), filter, ({ principal }) => principal),
    async maybeAccessToken(key) {
      await hooks.before?.(key);
      const { aggregate, accessToken } = stored(key);
      return aggregate.connection === null ? null : { connection: aggregate.connection, token: accessToken };
    },
    async touchRead(reads) {
      for (const { atMs, ...key } of reads) {
        const { connection } = stored(key).aggregate;
        if (connection !== null) write(key, { connection: { ...connection, lastReadAtMs: atMs } });
      }
    },
    setCustomerRef: (key, customerRef, act) =>
      transact(key, ({ connection: before }) => {
        if (before === null || before.customerRef === customerRef) return { result: before, changes: {} };
        const connection = { ...before, customerRef };
        return { result: connection, changes: { connection, events: [referred(connection, act, clock.now())] } };
      }),
    events: async (key, page) => pageOf([...stored(key).events].reverse(), page, ({ id }) => id),
    async manyOverdue({ dueByMs, ...page }) {
      const due = [...rows.values()].flatMap(({ aggregate }) => dueOf(aggregate)).filter(({ atMs }) => atMs <= dueByMs);
      return keysOf(due.sort(byTime), page, ({ atMs, app, principal }) => `${atMs}:${app}:${principal}`);
    },
    async manyOpen(page) {
      const isOpen = ({ connection, sessions: pending }: Aggregate): boolean =>
        connection !== null && (!isEnded(connection.state) || pending.length > 0);
      const open = [...rows.values()].flatMap(({ aggregate }) =>
        isOpen(aggregate) && aggregate.connection !== null ? [aggregate.connection] : [],
      );
      return keysOf(open.sort(byKey), page, ({ app, principal }) => `${app}:${principal}`);
    },
    put({ crowd: _, appTroubles: __, ...aggregate }, accessToken = null) {
      if (aggregate.connection === null) throw new Error('a connection is needed');
      const row = stored(aggregate.connection);
      row.aggregate = inOrder(applyChanges(aggregate, {}));
      row.accessToken = accessToken;
      for (const session of aggregate.sessions) sessions.set(session.id, session);
    },
    one(key) {
      const { connection, ...rest } = stored(key).aggregate;
      if (connection === null) throw new Error(`no connection ${key.app} ${key.principal}`);
      return { ...rest, connection };
    },
    session: (id) => sessions.get(id),
    trail: (key) => stored(key).events,
  };
}

/** A settled session is in sight where it was asked for. */
function withSession({ sessions }: Aggregate, asked: ConnectSession | undefined): readonly ConnectSession[] {
  return asked === undefined || sessions.some(({ id }) => id === asked.id) ? sessions : [...sessions, asked];
}

/** Reads are noted beside the lock: an older note never replaces a newer one. */
function keepRead({ connection: before }: Aggregate, after: Aggregate): Aggregate {
  const { connection } = after;
  if (before === null || connection === null || before.lastReadAtMs === null) return after;
  const lastReadAtMs = Math.max(before.lastReadAtMs, connection.lastReadAtMs ?? 0);
  return { ...after, connection: { ...connection, lastReadAtMs } };
}

function inOrder(aggregate: Aggregate): Aggregate {
  const attempts = [...aggregate.attempts].sort((a, b) => b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1));
  return { ...aggregate, attempts };
}

function matches(filter: ConnectionFilter): (connection: Connection) => boolean {
  return (connection) =>
    connection.app === filter.app &&
    (filter.principals?.includes(connection.principal) ?? true) &&
    (filter.state === undefined || connection.state === filter.state) &&
    (filter.dataCentre === undefined || connection.dataCentre === filter.dataCentre) &&
    (filter.customerRef === undefined || connection.customerRef === filter.customerRef);
}

function byPrincipal(one: Connection, other: Connection): number {
  return one.principal < other.principal ? -1 : 1;
}

interface Due extends ConnectionKey {
  readonly atMs: number;
}

/** When a connection itself and each of its pending connects should have acted. */
function dueOf({ connection, sessions }: Aggregate): readonly Due[] {
  if (connection === null) return [];
  const { app, principal, state, nextActionAtMs } = connection;
  const times = sessions.map(({ nextTryAtMs }) => nextTryAtMs);
  if (nextActionAtMs !== null && !isEnded(state)) times.push(nextActionAtMs);
  return times.map((atMs) => ({ app, principal, atMs }));
}

function byTime(one: Due, other: Due): number {
  return one.atMs - other.atMs || byKey(one, other);
}

function byKey(one: ConnectionKey, other: ConnectionKey): number {
  if (one.app !== other.app) return one.app < other.app ? -1 : 1;
  if (one.principal === other.principal) return 0;
  return one.principal < other.principal ? -1 : 1;
}

/** A page of keys; what is due twice at the same moment counts as one when a page ends there. */
function keysOf<T extends ConnectionKey>(
  items: readonly T[],
  { cursor, limit }: { readonly cursor?: string; readonly limit: number },
  nameOf: (item: T) => string,
): Page<ConnectionKey> {
  const start = cursor === undefined ? 0 : items.findLastIndex((item) => nameOf(item) === cursor) + 1;
  const shown = items.slice(start, start + limit);
  const last = shown.at(-1);
  const isMore = items.length > start + limit && last !== undefined;
  return {
    items: shown.map(({ app, principal }) => ({ app, principal })),
    nextCursor: isMore ? nameOf(last) : null,
  };
}

/** A cursor names the last item of the page before. */
function pageOf<T>(
  items: readonly T[],
  page: { readonly cursor?: string; readonly limit: number },
  nameOf: (item: T) => string,
): Page<T> {
  const start = page.cursor === undefined ? 0 : items.findIndex((item) => nameOf(item) === page.cursor) + 1;
  const shown = items.slice(start, start + page.limit);
  const last = shown.at(-1);
  const isMore = items.length > start + page.limit && last !== undefined;
  return { items: shown, nextCursor: isMore ? nameOf(last) : null };
}

function referred({ version }: Connection, act: Act, atMs: number): AuditEntry {
  return {
    ...act,
    type: 'command.customer-ref-set',
    stateFrom: null,
    stateTo: null,
    version,
    concurCode: null,
    userId: null,
    atMs,
  };
}
