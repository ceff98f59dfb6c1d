/**
 * One token call whose outcome is decided in time, and whose answer is waited for longer.
 *
 * `CONCUR_TIMEOUT` decides the outcome: after it, readers are told that Concur is away. The socket is read on to the
 * horizon all the same, because a late answer may carry the only living token.
 */
import type { Clock, ConcurResult } from '../core/ports.ts';

export async function awaitTokenCall<T>(
  clock: Clock,
  call: Promise<ConcurResult<T>>,
  timeoutMs: number,
  onUncertain: () => Promise<void>,
): Promise<ConcurResult<T>> {
  const timer = new AbortController();
  const timedOut = clock.sleep(timeoutMs, timer.signal).then(
    () => null,
    () => null,
  );
  const first = await Promise.race([call, timedOut]).finally(() => timer.abort());
  if (first !== null) return first;
  // Whatever goes wrong with noting it: the answer is what must not be lost.
  const noted = onUncertain();
  noted.catch(() => {});
  const result = await call;
  // Without a database the note waits for ever, and an answer must be on its way to safety before that.
  if (!result.ok) await noted;
  return result;
}
