/** Connects that came without a landing page and name their principal: from a partner service, or the command line. */
import type { Aggregate, ConnectSession, Decision } from './aggregate.ts';
import { type Connection, isLiving } from './connection.ts';
import { AppError } from './errors.ts';
import { type AcceptConnect, acceptConnect } from './exchange-transaction.ts';

export interface AcceptIntake extends Omit<AcceptConnect, 'sessionId'> {
  readonly session: Pick<ConnectSession, 'id' | 'kind' | 'requestToken' | 'dataCentre' | 'customerRef' | 'expiresAtMs'>;
  /** A refresh token may take the place of one that lives. */
  readonly replace: boolean;
}

/**
 * Takes a connect that came without a landing page and names its principal; the session is on file from here on. A session
 * that is on file already, settled or not, is left as it is: the transaction has to have it in sight.
 * Throws `conflict` for an import over a living connection that nobody wants to replace.
 */
export function acceptIntake(aggregate: Aggregate, input: AcceptIntake): Decision<Connection> {
  const { session, replace, ...accept } = input;
  const { connection } = aggregate;
  // Brought twice: what came of the first, perhaps all of it meanwhile, holds for both.
  if (connection !== null && aggregate.sessions.some(({ id }) => id === session.id))
    return { result: connection, changes: {} };
  if (session.kind === 'refresh-token' && !replace && connection !== null && isLiving(connection.state)) {
    throw new AppError('conflict', 'This connection lives; to put the given refresh token in its place, say replace.', {
      details: { app: connection.app, principal: connection.principal, state: connection.state },
    });
  }
  const waiting: ConnectSession = {
    ...session,
    userId: null,
    status: 'completed',
    uses: 0,
    nextTryAtMs: input.nowMs,
    failure: null,
  };
  const withSession = { ...aggregate, sessions: [...aggregate.sessions, waiting] };
  const accepted = acceptConnect(withSession, { ...accept, sessionId: session.id });
  return { result: accepted.result, changes: { ...accepted.changes, sessions: [waiting] } };
}
