/** A death is decided with the app's other connections in sight, which costs: only the transactions that need it ask. */
import type { CrowdQuestion } from '../core/crowd.ts';
import type { ConnectionSnapshot } from '../core/connection.ts';
import type { Clock } from '../core/ports.ts';

interface Decided<T> {
  readonly result: T;
  readonly snapshot: ConnectionSnapshot | null;
}

/** Runs a transaction, and once more with the crowd when it turns out to be about a death. */
export async function transactWithCrowd<T>(
  clock: Pick<Clock, 'now'>,
  run: (options?: { readonly crowd: CrowdQuestion }) => Promise<Decided<T>>,
  isCrowdNeeded: (result: T) => boolean,
): Promise<Decided<T>> {
  const first = await run();
  const dataCentre = first.snapshot?.connection.dataCentre;
  if (!isCrowdNeeded(first.result) || dataCentre == null) return first;
  return await run({ crowd: { dataCentre, nowMs: clock.now() } });
}
