/**
 * Imports rows, some at a time and not faster than told. What has been done is known from the database alone: each row
 * has a session whose id follows from the row, so the same file again, after whatever end, goes on where it stopped.
 */
import type { Intake, IntakeRequest, IntakeResult } from '../api/intake-port.ts';
import { type ErrorCode, isAppError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type { ImportRow } from './import-file.ts';

export type ImportOutcome =
  | { readonly outcome: 'connected' | 'pending' | 'not-tried'; readonly code: null }
  | { readonly outcome: 'failed'; readonly code: ErrorCode };

export interface ImportedRow {
  readonly row: ImportRow;
  readonly result: ImportOutcome;
}

export interface ImportRowsDeps {
  readonly clock: Clock;
  readonly intake: Intake;
  readonly app: string;
  /** Rows under way at a time. */
  readonly concurrency: number;
  /** Rows begun in a second. */
  readonly ratePerSecond: number;
  /** How long rows are waited for that take longer than a caller waits. */
  readonly patienceMs: number;
  readonly buildRequest: (row: ImportRow) => Omit<IntakeRequest, 'sessionId'>;
  /** Id of the row's session: the same for the same row and number of tries, and never to be guessed. */
  readonly sessionIdOf: (row: ImportRow, tries: number) => Promise<string>;
  readonly onProgress: (done: number) => void;
}

/** Sessions that failed before: each run of the same file tries them once more. */
const MOST_TRIES = 1_000;
const POLL_MS = 500;
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000];

/** In the order of the rows. Stops early, with the rest not tried, when the database is away; a defect is thrown. */
export async function importRows(deps: ImportRowsDeps, rows: readonly ImportRow[]): Promise<readonly ImportedRow[]> {
  const results = new Map<ImportRow, ImportOutcome>();
  const waiting = new Map<ImportRow, string>();
  const pace = createPace(deps.clock, deps.ratePerSecond);
  const queue = rows.values();
  let isStopped = false;

  async function work(): Promise<void> {
    for (const row of queue) {
      if (isStopped) return;
      try {
        await patiently(deps.clock, () => importRow(row));
      } catch (error) {
        isStopped = true;
        if (!isAppError(error, 'database-unavailable')) throw error;
        return;
      }
      deps.onProgress(results.size);
    }
  }

  async function importRow(row: ImportRow): Promise<void> {
    const { sessionId, known } = await findSession(deps, row);
    if (known?.outcome === 'connected') return note(row, sessionId, known);
    await pace();
    try {
      note(row, sessionId, await deps.intake.connect({ ...deps.buildRequest(row), sessionId }));
    } catch (error) {
      if (!isAppError(error, 'conflict')) throw error;
      // What lives may have been made of this very row, by another run of the same file a moment ago.
      const made = await deps.intake.look(deps.app, sessionId);
      if (made === null) results.set(row, { outcome: 'failed', code: 'conflict' });
      else note(row, sessionId, made);
    }
  }

  function note(row: ImportRow, sessionId: string, result: IntakeResult): void {
    if (result.outcome === 'pending') waiting.set(row, sessionId);
    else waiting.delete(row);
    results.set(row, outcomeOf(result));
  }

  await settleAll(Array.from({ length: deps.concurrency }, work));

  const untilMs = deps.clock.monotonic() + deps.patienceMs;
  while (!isStopped && waiting.size > 0 && deps.clock.monotonic() < untilMs) {
    await deps.clock.sleep(POLL_MS);
    for (const [row, sessionId] of waiting) {
      const result = await deps.intake.look(deps.app, sessionId);
      if (result !== null) note(row, sessionId, result);
    }
  }
  return rows.map((row) => ({ row, result: results.get(row) ?? { outcome: 'not-tried', code: null } }));
}

/** The row's session: the one that is on file and has not failed, else the next. */
async function findSession(
  { intake, app, sessionIdOf }: ImportRowsDeps,
  row: ImportRow,
): Promise<{ readonly sessionId: string; readonly known: IntakeResult | null }> {
  for (let tries = 0; ; tries += 1) {
    const sessionId = await sessionIdOf(row, tries);
    const known = await intake.look(app, sessionId);
    if (known?.outcome !== 'failed' || tries >= MOST_TRIES) return { sessionId, known };
  }
}

function outcomeOf(result: IntakeResult): ImportOutcome {
  return result.outcome === 'failed'
    ? { outcome: 'failed', code: result.code }
    : { outcome: result.outcome, code: null };
}

/** Everything that was begun is over before the first failure is thrown. */
async function settleAll(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** A database that is away for a moment ends nothing. */
async function patiently(clock: Clock, work: () => Promise<void>): Promise<void> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await work();
    } catch (error) {
      if (!isAppError(error, 'database-unavailable')) throw error;
      await clock.sleep(pauseMs);
    }
  }
  await work();
}

/** Lets one after the other pass, evenly. */
function createPace(clock: Clock, perSecond: number): () => Promise<void> {
  const gapMs = 1_000 / perSecond;
  let nextMs = 0;
  return async () => {
    const nowMs = clock.monotonic();
    const turnMs = Math.max(nowMs, nextMs);
    nextMs = turnMs + gapMs;
    if (turnMs > nowMs) await clock.sleep(turnMs - nowMs);
  };
}
