/** What the workflow gets to see of a connection, made from what is on file. */
import type { Aggregate } from './aggregate.ts';
import { ANSWERED, type ConnectionSnapshot, type PendingConnect } from './connection.ts';
import { openUntil } from './attempts.ts';
import { settledSession } from './exchange-transaction.ts';
import { dataCentreOf } from './intake-kind.ts';
import { type RefreshPolicy, upkeepOf } from './refresh-policy.ts';

/** Null when no such connection exists. */
export function buildSnapshot(
  aggregate: Aggregate,
  context: { readonly nowMs: number; readonly policy: RefreshPolicy; readonly listingUrl: string | null },
): ConnectionSnapshot | null {
  const { connection, attempts } = aggregate;
  if (connection === null) return null;
  return {
    connection,
    pendingConnects: pendingConnects(aggregate),
    openUntilMs: openUntil(attempts, context.nowMs),
    upkeep: upkeepOf(context.policy, connection, context.nowMs),
    listingUrl: context.listingUrl,
  };
}

/** Answers on file first, whether their session still waits or not: they only have to be finished. */
function pendingConnects({ attempts, sessions }: Aggregate): readonly PendingConnect[] {
  const answered = new Set(
    attempts.flatMap(({ status, sessionId }) => (status === 'received' && sessionId !== null ? [sessionId] : [])),
  );
  const waiting = sessions.filter(({ id, status }) => status === 'completed' && !answered.has(id));
  return [
    ...[...answered].map((sessionId) => ({
      sessionId,
      uses: sessions.find(({ id }) => id === sessionId)?.uses ?? 1,
      nextTryAtMs: ANSWERED,
      dataCentre: dataCentreOf(sessions.find(({ id }) => id === sessionId) ?? settledSession),
    })),
    ...waiting.map((session) => ({
      sessionId: session.id,
      uses: session.uses,
      nextTryAtMs: session.nextTryAtMs,
      dataCentre: dataCentreOf(session),
    })),
  ];
}
