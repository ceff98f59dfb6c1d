/** The server's clock as activities see it, so that activities live in skipped time too. */
import { Context } from '@temporalio/activity';
import type { Clock } from '../../core/ports.ts';
import { systemClock } from '../../runtime/clock.ts';

export interface ActivityClock extends Clock {
  /** Tells what the server's clock shows now: between activities nobody else does. */
  advanceTo(nowMs: number): void;
}

export function createActivityClock(startMs: number): ActivityClock {
  let latestMs = startMs;
  return {
    ...systemClock,
    // Skipped time passes for what an activity remembers of the one before, too.
    monotonic: () => systemClock.monotonic() + latestMs - startMs,
    now() {
      const scheduled = scheduledAtMs();
      // Within one activity time goes on by itself; between activities the server says.
      latestMs = Math.max(latestMs, scheduled ?? latestMs);
      return latestMs;
    },
    advanceTo(nowMs) {
      latestMs = Math.max(latestMs, nowMs);
    },
  };
}

function scheduledAtMs(): number | null {
  try {
    return Context.current().info.currentAttemptScheduledTimestampMs;
  } catch {
    // Not in an activity: a test that asks.
    return null;
  }
}
