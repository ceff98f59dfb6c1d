/** The server's clock as activities see it, so that activities live in skipped time too. */
import { Context } from '@temporalio/activity';
import type { Clock } from '../../core/ports.ts';
import { systemClock } from '../../runtime/clock.ts';

export interface ActivityClock extends Clock {
  /** The latest time that any activity has seen. */
  latest(): number;
}

export function createActivityClock(startMs: number): ActivityClock {
  let latestMs = startMs;
  return {
    ...systemClock,
    now() {
      const scheduled = scheduledAtMs();
      // Within one activity time goes on by itself; between activities the server says.
      latestMs = Math.max(latestMs, scheduled ?? latestMs);
      return latestMs;
    },
    latest: () => latestMs,
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
