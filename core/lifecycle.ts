/**
 * The life of a connection as a loop: look at what is on file, do the one thing that is due, sleep.
 *
 * Pure but for its host: under Temporal the host is a thin shell of activities and durable timers, in the simulation a
 * scheduler with a virtual clock. All that must survive lies in the row; the loop keeps nothing that a restart would
 * miss. Longer than 300 lines, as the loop, each of its steps and what interrupts them are read together or not
 * understood.
 */
import { ANSWERED, type ConnectionSnapshot, isEnded, type PendingConnect } from './connection.ts';
import type { CommandName } from './command-transaction.ts';
import { type AskedBy, createBell, type Inbox, type InboxEntry, type Wish } from './inbox.ts';
import type { ConnectionCargo } from './lifeboat.ts';
import type { RefreshCause } from './refresh-transaction.ts';

export interface RefreshOrder {
  readonly attemptId: string;
  readonly cause: RefreshCause;
  readonly expectedVersion: number | null;
  /** Where to call; also picks the task queue. */
  readonly dataCentre: string;
  /** Somebody is waiting for it. */
  readonly urgent: boolean;
  /** Whose wish it is, where it is somebody's and no reader's. */
  readonly askedBy?: AskedBy;
}

export interface ExchangeOrder {
  readonly attemptId: string;
  readonly sessionId: string;
  /** Where to call; also picks the task queue. */
  readonly dataCentre: string;
}

export interface CommandOrder {
  readonly name: CommandName;
  readonly actor: string;
  readonly reason: string | null;
}

/** What comes of a refresh that was taken back before it began. */
export const WITHDRAWN = 'withdrawn';

/** What the loop needs from the place it runs in. Calls return the snapshot as it is afterwards. */
export interface LifecycleHost {
  now(): number;
  /** Unique over all runs: attempts are recorded under it. */
  nextAttemptId(): string;
  load(): Promise<ConnectionSnapshot | null>;
  /**
   * Once `withdrawn` resolves, an order that still waits in a queue is taken back; one that has begun goes on as if
   * nothing had been said.
   */
  refresh(order: RefreshOrder, withdrawn: Promise<void>): Promise<ConnectionSnapshot | null | typeof WITHDRAWN>;
  exchange(order: ExchangeOrder): Promise<ConnectionSnapshot | null>;
  revoke(order: { readonly attemptId: string; readonly dataCentre: string }): Promise<ConnectionSnapshot | null>;
  command(order: CommandOrder): Promise<ConnectionSnapshot | null>;
  /** Sleeps until then (null: for ever) or until the inbox has seen more than `arrivals` wishes. */
  sleep(untilMs: number | null, arrivals: number, snapshot: ConnectionSnapshot): Promise<void>;
  /** Shows the snapshot to operators. */
  publish(snapshot: ConnectionSnapshot): void;
  /** What a call that went wrong had in hand: an answer that could not be saved. Null: nothing. */
  cargoOf(error: unknown): ConnectionCargo | null;
  /** Saves it, however long that takes. */
  saveTokens(cargo: ConnectionCargo): Promise<null>;
  /** A call that went wrong without a verdict (time-out, crash, bug): tells the log; rethrows what must pass. */
  callFailed(error: unknown): void;
  /** Whether this run's history is long or old enough for a new one. */
  wantsNewRun(): boolean;
}

export type LifecycleEnd = 'ended' | 'continue-as-new' | 'unknown-connection';

/**
 * Pause after n steps in a row that broke down or changed nothing (clocks that disagree about what is due), so
 * that neither a bug nor a skewed clock makes a storm: 1 s doubling to 5 min.
 */
export function standstillPauseMs(standstills: number): number {
  return Math.min(1_000 * 2 ** Math.max(0, standstills - 1), 300_000);
}

/** After so many breakdowns in a row whoever waits is told; a wish that is never settled would keep this run for ever. */
const PATIENCE = 3;

/** Where request tokens are brought, and everything whose data centre is not known. */
const LANDING_ZONE = 'glz';

/** Runs until the connection ended, or until a new run shall take over. */
export async function runLifecycle(
  host: LifecycleHost,
  inbox: Inbox,
  first?: ConnectionSnapshot,
): Promise<LifecycleEnd> {
  // A connect that came with the start of the run is in the inbox after a turn, and known to the first reading.
  await Promise.resolve();
  let { snapshot, standstills } = first === undefined ? await begin(host, inbox) : { snapshot: first, standstills: 0 };
  let notBeforeMs = standstills > 0 ? host.now() + standstillPauseMs(standstills) : 0;
  for (;;) {
    if (snapshot === null) return 'unknown-connection';
    host.publish(snapshot);
    inbox.settleAnswered(snapshot, host.now());
    const arrivals = inbox.arrivals();
    const step = decideStep(snapshot, inbox, host.now(), { notBeforeMs, stoodStill: standstills > 0 });
    if (step.do === 'end') return 'ended';
    if (step.do === 'sleep') {
      if (inbox.isEmpty() && host.wantsNewRun()) return 'continue-as-new';
      await host.sleep(step.untilMs, arrivals, snapshot);
      continue;
    }
    const before: ConnectionSnapshot = snapshot;
    let brokeDown = false;
    try {
      const done = await perform(step, host, inbox, snapshot);
      if (done === WITHDRAWN) {
        snapshot = await load(host, inbox);
        continue;
      }
      snapshot = done;
    } catch (error) {
      host.callFailed(error);
      brokeDown = true;
      snapshot = await recover(error, host, inbox);
    }
    // A refresh that broke down without a verdict is still wanted: nobody knows what became of it.
    const isOpen = brokeDown && step.do === 'refresh' && standstills < PATIENCE;
    if (step.entry !== null && !isOpen) dealtWith(step.entry, snapshot, host.now(), inbox);
    if (step.do === 'exchange') inbox.noteTry(step.sessionId);
    const isCall = step.do !== 'command' && step.do !== 'load';
    const stoodStill = brokeDown || snapshot === null || !hasMoved(before, snapshot);
    standstills = isCall && stoodStill ? standstills + 1 : 0;
    if (standstills > 0) notBeforeMs = host.now() + standstillPauseMs(standstills);
  }
}

interface Beginning {
  readonly snapshot: ConnectionSnapshot | null;
  /** 1 after a breakdown. */
  readonly standstills: number;
}

/**
 * Begins with the exchange of a new connection, which reads the row itself, and else by reading it: of two rounds
 * through a worker one is enough. The transaction that begins an exchange looks at everything that the loop would look at.
 */
async function begin(host: LifecycleHost, inbox: Inbox): Promise<Beginning> {
  const sessionId = inbox.newConnect();
  if (sessionId === null) return { snapshot: await load(host, inbox), standstills: 0 };
  const known = inbox.manyToLoad();
  const order = { attemptId: host.nextAttemptId(), sessionId, dataCentre: LANDING_ZONE };
  try {
    const snapshot = await attend(host, inbox, () => host.exchange(order));
    for (const entry of known) entry.isLoaded = true;
    inbox.noteTry(sessionId);
    return { snapshot, standstills: 0 };
  } catch (error) {
    host.callFailed(error);
    return { snapshot: await recover(error, host, inbox), standstills: 1 };
  }
}

/** Reads the row; what was asked for before the reading began can be seen in it. */
async function load(host: LifecycleHost, inbox: Inbox): Promise<ConnectionSnapshot | null> {
  const known = inbox.manyToLoad();
  const snapshot = await host.load();
  for (const entry of known) entry.isLoaded = true;
  return snapshot;
}

/** After a breakdown: an answer that was under way is put on file before anything else happens. */
async function recover(error: unknown, host: LifecycleHost, inbox: Inbox): Promise<ConnectionSnapshot | null> {
  const cargo = host.cargoOf(error);
  if (cargo !== null) await host.saveTokens(cargo);
  return await load(host, inbox);
}

/** Whether a step changed anything that the next decision rests on. */
function hasMoved(before: ConnectionSnapshot, after: ConnectionSnapshot): boolean {
  const facts = ({ connection, pendingConnects, openUntilMs }: ConnectionSnapshot) =>
    JSON.stringify([
      connection.version,
      connection.state,
      connection.nextActionAtMs,
      connection.accessTokenExpiresAtMs,
      connection.pausedUntilMs,
      connection.failureCount,
      pendingConnects,
      openUntilMs,
    ]);
  return facts(before) !== facts(after);
}

function dealtWith(entry: InboxEntry, snapshot: ConnectionSnapshot | null, nowMs: number, inbox: Inbox): void {
  if (!isStillWanted(entry.wish, snapshot, nowMs)) inbox.settle(entry, nowMs);
}

type Step =
  | { readonly do: 'end' }
  | { readonly do: 'sleep'; readonly untilMs: number | null }
  | ({ readonly entry: InboxEntry | null } & (
      | { readonly do: 'command'; readonly order: CommandOrder }
      | { readonly do: 'load' }
      | { readonly do: 'refresh'; readonly cause: RefreshCause; readonly expectedVersion: number | null }
      | { readonly do: 'exchange'; readonly sessionId: string; readonly dataCentre: string }
      | { readonly do: 'revoke' }
    ));

/** How the step before went. */
interface LastStep {
  /** Pause after a breakdown or a standstill. */
  readonly notBeforeMs?: number;
  /** It changed nothing: something else goes first now, if there is anything. */
  readonly stoodStill?: boolean;
}

/** The one thing to do now. Commands first, then what is due, then what somebody asked for, then connects. */
export function decideStep(
  snapshot: ConnectionSnapshot,
  inbox: Inbox,
  nowMs: number,
  { notBeforeMs = 0, stoodStill = false }: LastStep = {},
): Step {
  const { connection } = snapshot;
  const command = inbox.nextCommand();
  if (command?.wish.kind === 'command') {
    const { name, actor, reason } = command.wish;
    return { do: 'command', order: { name, actor, reason }, entry: command };
  }
  if (inbox.manyToLoad().length > 0) return { do: 'load', entry: null };
  if (isEnded(connection.state) && snapshot.pendingConnects.length === 0) return { do: 'end' };

  // An attempt whose end is unknown, Concur's pause and our own breakdown hold back every call.
  const blockedUntilMs = Math.max(snapshot.openUntilMs ?? 0, notBeforeMs);
  const callsFromMs = Math.max(blockedUntilMs, connection.pausedUntilMs ?? 0);
  const actsAtMs = connection.nextActionAtMs;
  const pending = connectsToTry(snapshot).find(({ nextTryAtMs }) => nextTryAtMs <= nowMs);
  const exchange: Step | null =
    pending === undefined || blockedUntilMs > nowMs
      ? null
      : { do: 'exchange', sessionId: pending.sessionId, dataCentre: pending.dataCentre ?? LANDING_ZONE, entry: null };
  // Tokens that an exchange has brought come first: a refresh may have nothing else left, a revoke has to end them too.
  if (exchange !== null && (pending?.nextTryAtMs === ANSWERED || stoodStill)) return exchange;
  if (callsFromMs <= nowMs) {
    if (connection.state === 'revoking' && (actsAtMs ?? 0) <= nowMs) return revokeStep(snapshot, nowMs);
    if (isUpkeepDue(snapshot, nowMs)) {
      return { do: 'refresh', cause: 'due', expectedVersion: connection.version, entry: null };
    }
    const wanted = inbox.nextRefresh(nowMs);
    if (wanted !== null) return refreshFor(wanted, connection.version);
  }
  return exchange ?? { do: 'sleep', untilMs: wakeAtMs(snapshot, inbox, blockedUntilMs, callsFromMs) };
}

/** While a revoke is under way, a Connect that came after it waits for its end; an answer that is on file does not. */
function connectsToTry({ connection, pendingConnects }: ConnectionSnapshot): readonly PendingConnect[] {
  if (connection.state !== 'revoking') return pendingConnects;
  return pendingConnects.filter(({ nextTryAtMs }) => nextTryAtMs === ANSWERED);
}

function isUpkeepDue({ connection }: ConnectionSnapshot, nowMs: number): boolean {
  if (connection.state === 'connecting' || connection.nextActionAtMs === null) return false;
  return connection.nextActionAtMs <= nowMs;
}

/** Concur's revoke wants a live access token: a stale one is refreshed first. */
function revokeStep({ connection }: ConnectionSnapshot, nowMs: number): Step {
  const isLive = connection.version === 0 || (connection.accessTokenExpiresAtMs ?? 0) - nowMs > 2_000;
  if (isLive || connection.dataCentre === null) return { do: 'revoke', entry: null };
  return { do: 'refresh', cause: 'revoke', expectedVersion: connection.version, entry: null };
}

function refreshFor(entry: InboxEntry, version: number): Step {
  const { wish } = entry;
  const cause = wish.kind === 'fresh' || wish.kind === 'rejected' ? wish.kind : 'forced';
  const named = wish.kind === 'fresh' || wish.kind === 'rejected' ? wish.version : version;
  return { do: 'refresh', cause, expectedVersion: named ?? version, entry };
}

function askedBy(entry: InboxEntry | null): Pick<RefreshOrder, 'askedBy'> {
  const wish = entry?.wish;
  const by = wish?.kind === 'forced' || wish?.kind === 'rejected' ? wish.by : undefined;
  return by === undefined ? {} : { askedBy: by };
}

async function perform(
  step: Exclude<Step, { do: 'end' | 'sleep' }>,
  host: LifecycleHost,
  inbox: Inbox,
  snapshot: ConnectionSnapshot,
): Promise<ConnectionSnapshot | null | typeof WITHDRAWN> {
  const dataCentre = snapshot.connection.dataCentre ?? LANDING_ZONE;
  switch (step.do) {
    case 'command':
      return await host.command(step.order);
    case 'load':
      return await load(host, inbox);
    case 'exchange': {
      const { sessionId, dataCentre: at } = step;
      const start = () => host.exchange({ attemptId: host.nextAttemptId(), sessionId, dataCentre: at });
      return await attend(host, inbox, start);
    }
    case 'revoke':
      return await attend(host, inbox, () => host.revoke({ attemptId: host.nextAttemptId(), dataCentre }));
    case 'refresh': {
      const { cause, expectedVersion } = step;
      const withdrawal = createBell();
      const urgent = cause !== 'due' || !inbox.isEmpty();
      const attemptId = host.nextAttemptId();
      const order = { attemptId, cause, expectedVersion, dataCentre, urgent, ...askedBy(step.entry) };
      return await attend(
        host,
        inbox,
        () => host.refresh(order, withdrawal.rung),
        // Nobody waited for it so far. Whoever does now has it done ahead of the queue.
        () => {
          if (!urgent) withdrawal.ring();
        },
      );
    }
  }
}

/**
 * Waits for a call to Concur that may stand in a queue, or hang, for minutes. Commands are done beside it: each is a
 * transaction of its own, and a call that finds the connection paused or revoked when it begins is not made.
 */
async function attend<T>(
  host: LifecycleHost,
  inbox: Inbox,
  start: () => Promise<T>,
  onArrival: () => void = () => {},
): Promise<T | ConnectionSnapshot | null> {
  const call = start();
  let isOver = false;
  const over = call.then(
    () => void (isOver = true),
    () => void (isOver = true),
  );
  let isOvertaken = false;
  for (;;) {
    const arrivals = inbox.arrivals();
    for (let entry = inbox.nextCommand(); entry !== null; entry = inbox.nextCommand()) {
      isOvertaken = true;
      await commandBeside(entry, host, inbox);
    }
    await Promise.race([over, inbox.untilMore(arrivals)]);
    if (isOver) break;
    onArrival();
  }
  const done = await call;
  // What the call has seen may be older than what the command did.
  return isOvertaken && done !== WITHDRAWN ? await load(host, inbox) : done;
}

async function commandBeside(entry: InboxEntry, host: LifecycleHost, inbox: Inbox): Promise<void> {
  if (entry.wish.kind !== 'command') return;
  const { name, actor, reason } = entry.wish;
  try {
    const snapshot = await host.command({ name, actor, reason });
    if (snapshot !== null) host.publish(snapshot);
  } catch (error) {
    host.callFailed(error);
  }
  inbox.settle(entry, host.now());
}

/** A refresh that had to wait for an open attempt has not been done yet: its waiter stays. */
function isStillWanted(wish: Wish, snapshot: ConnectionSnapshot | null, nowMs: number): boolean {
  if (wish.kind === 'command' || snapshot === null) return false;
  return snapshot.openUntilMs !== null && snapshot.openUntilMs > nowMs && snapshot.connection.state === 'active';
}

function wakeAtMs(
  snapshot: ConnectionSnapshot,
  inbox: Inbox,
  blockedUntilMs: number,
  callsFromMs: number,
): number | null {
  const { connection } = snapshot;
  const times: number[] = [];
  const isUpkept = connection.state !== 'connecting' && connection.nextActionAtMs !== null;
  if (isUpkept) times.push(Math.max(connection.nextActionAtMs ?? 0, callsFromMs));
  const wantedFromMs = inbox.nextRefreshAtMs();
  if (wantedFromMs !== null) times.push(Math.max(wantedFromMs, callsFromMs));
  for (const { nextTryAtMs } of connectsToTry(snapshot)) times.push(Math.max(nextTryAtMs, blockedUntilMs));
  return times.length === 0 ? null : Math.min(...times);
}
