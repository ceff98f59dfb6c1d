/**
 * Gives connections their workflow back: goes through a list of connections and sees to it that each has one.
 *
 * PostgreSQL is the record and Temporal the process, so whatever was terminated, reset or lost at Temporal is made good
 * by starting it again. A workflow that runs is never disturbed, and so many starts a second are no herd.
 */
import type { ConnectionKey } from './connection.ts';
import { isAppError } from './errors.ts';
import type { Clock } from './ports.ts';
import type { Page } from './stores.ts';
import type { UnidentifiedConnect } from './unidentified.ts';

/** A connection that should have acted so long ago has lost its workflow, or something else is badly wrong. */
export const OVERDUE_MS = 60 * 60_000;

/** At most 100 starts a second. */
const LEAST_APART_MS = 10;
/** Starts under way at once. */
const AT_ONCE = 10;
/** Connections a page: what may be gone through again after a crash. */
const PAGE = 100;

/** Connections that should have a workflow, a page after the other. `limit`: 1 to 200. */
export interface ReconcileStore {
  /**
   * Connections that have not ended and whose next action was due by then, and connections with a completed landing
   * page whose exchange was; longest overdue first. One that is overdue for both may come twice.
   */
  manyOverdue(page: {
    readonly dueByMs: number;
    readonly cursor?: string;
    readonly limit: number;
  }): Promise<Page<ConnectionKey>>;
  /** Every connection that has not ended, or whose exchange is still to be settled, by app and principal. */
  manyOpen(page: { readonly cursor?: string; readonly limit: number }): Promise<Page<ConnectionKey>>;
}

/** The workflows of the connections. */
export interface Lifecycles {
  /**
   * Starts the workflow of a connection where none runs; one that runs notices nothing.
   * Throws `temporal-unavailable` when the server does not answer.
   */
  ensureRunning(key: ConnectionKey): Promise<'started' | 'running'>;
  /** The same for a connect whose principal is not known yet. */
  ensureUnidentified(connect: Pick<UnidentifiedConnect, 'app' | 'id' | 'kind' | 'dataCentre'>): Promise<void>;
  /**
   * Starts it in any case, in place of one that runs: after a restore of the database a running workflow knows of
   * things that are not on file any more. A call to Concur that is under way goes on and is saved.
   * Throws as `ensureRunning`.
   */
  startAnew(key: ConnectionKey): Promise<'started'>;
}

export interface ReconcileTotals {
  /** Connections looked at. */
  readonly seen: number;
  readonly started: number;
  /** Could not be started although the server answers. */
  readonly failed: number;
}

export interface ReconcileHost {
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>;
  /** As {@link Lifecycles} has it. */
  ensureRunning(key: ConnectionKey): Promise<'started' | 'running'>;
  /** The next page of connections; `limit` as {@link ReconcileStore} takes it. */
  page(request: { readonly cursor?: string; readonly limit: number }): Promise<Page<ConnectionKey>>;
  /** A page is done; with the cursor of the next, null after the last. */
  passed(cursor: string | null, totals: ReconcileTotals): void;
  /** A connection whose workflow could not be started; the others go on. */
  failed(key: ConnectionKey, error: unknown): void;
  /** Ends it after the page at hand. */
  readonly signal?: AbortSignal;
}

/** Where it ended: the cursor is null when all was seen, else what to go on with. */
export interface ReconcileEnd extends ReconcileTotals {
  readonly cursor: string | null;
}

/**
 * Goes through all pages from `from` on (null: from the beginning). Throws `temporal-unavailable`, as going on is of no
 * use then, and what reading a page throws.
 */
export async function reconcile(host: ReconcileHost, from: string | null): Promise<ReconcileEnd> {
  const paced = createPace(host.clock);
  const totals = { seen: 0, started: 0, failed: 0 };
  let cursor = from;

  const ensure = async (key: ConnectionKey): Promise<void> => {
    await paced();
    totals.seen += 1;
    try {
      if ((await host.ensureRunning(key)) === 'started') totals.started += 1;
    } catch (error) {
      if (isAppError(error, 'temporal-unavailable')) throw error;
      totals.failed += 1;
      host.failed(key, error);
    }
  };

  for (;;) {
    const { items, nextCursor } = await host.page({ limit: PAGE, ...(cursor !== null && { cursor }) });
    await forEachAtOnce(items, ensure);
    cursor = nextCursor;
    host.passed(cursor, { ...totals });
    if (cursor === null || host.signal?.aborted === true) return { ...totals, cursor };
  }
}

/** Resolves when the caller's turn has come, so that turns are at least {@link LEAST_APART_MS} apart. */
function createPace(clock: ReconcileHost['clock']): () => Promise<void> {
  let nextAtMs = clock.monotonic();
  return async () => {
    const nowMs = clock.monotonic();
    const waitMs = Math.max(0, nextAtMs - nowMs);
    nextAtMs = nowMs + waitMs + LEAST_APART_MS;
    if (waitMs > 0) await clock.sleep(waitMs);
  };
}

/** Works on {@link AT_ONCE} items at once. After a failure nothing new is begun, and what is under way is waited for. */
async function forEachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const failures: unknown[] = [];
  const line = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined && failures.length === 0; item = left.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, line));
  if (failures.length > 0) throw failures[0];
}
