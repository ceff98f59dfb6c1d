/** What the workflow gets to see of a connection, made from what is on file. */
import type { Aggregate } from './aggregate.ts';
import { ANSWERED, type ConnectionSnapshot } from './connection.ts';
import { openUntil } from './attempts.ts';
import { type RefreshPolicy, upkeepOf } from './refresh-policy.ts';

/** Null when no such connection exists. `answered` sessions (an answer is on file) are due at once. */
export function buildSnapshot(
  aggregate: Aggregate,
  context: { readonly nowMs: number; readonly policy: RefreshPolicy; readonly listingUrl: string | null },
): ConnectionSnapshot | null {
  const { connection, attempts, sessions } = aggregate;
  if (connection === null) return null;
  const answered = new Set(attempts.filter(({ status }) => status === 'received').map(({ sessionId }) => sessionId));
  return {
    connection,
    pendingConnects: sessions
      .filter(({ status }) => status === 'completed')
      .map(({ id, uses, nextTryAtMs }) => ({
        sessionId: id,
        uses,
        nextTryAtMs: answered.has(id) ? ANSWERED : nextTryAtMs,
      })),
    openUntilMs: openUntil(attempts, context.nowMs),
    upkeep: upkeepOf(context.policy, connection, context.nowMs),
    listingUrl: context.listingUrl,
  };
}
