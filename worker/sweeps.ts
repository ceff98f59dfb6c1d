/** Deletes hourly what has had its time: expired access tokens, settled attempts, old sessions. */
import type { Clock, Log } from '../core/ports.ts';

const EVERY_MS = 60 * 60_000;
/** After the start there is more urgent work. */
const FIRST_AFTER_MS = 60_000;

export async function repeatSweeps(deps: {
  readonly sweeper: { sweep(nowMs: number): Promise<object> };
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { sweeper, clock, log, signal } = deps;
  for (let pauseMs = FIRST_AFTER_MS; !signal.aborted; pauseMs = EVERY_MS) {
    await clock.sleep(pauseMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      log.info({ ...(await sweeper.sweep(clock.now())) }, 'swept');
    } catch (error) {
      log.warn({ err: error }, 'the sweep failed; the next one is due in an hour');
    }
  }
}
