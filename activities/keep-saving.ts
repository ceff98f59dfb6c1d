/** Saving what Concur answered must not give up because the database is away for a while. */
import { isAppError } from '../core/errors.ts';
import type { ActivityDeps } from './deps.ts';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Repeats `save` while the database is away; anything else that goes wrong is thrown. From the first failure on
 * `onFailed` brings what is to be saved to safety, in case this process does not live to see the database again.
 */
export async function keepSaving<T>(
  { clock, log, observer }: Pick<ActivityDeps, 'clock' | 'log' | 'observer'>,
  save: () => Promise<T>,
  onFailed: () => void = () => {},
): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await save();
    } catch (error) {
      onFailed();
      if (!isAppError(error, 'database-unavailable')) throw error;
      observer.saveFailed();
      log.error({ err: error, pauseMs }, 'an answer of SAP Concur could not be saved; trying again');
      await clock.sleep(pauseMs);
    }
  }
}
