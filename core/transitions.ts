/**
 * The reducer: how a connection changes when something becomes known about it.
 *
 * Pure and total: every event is defined in every state. It never invents a death: `refresh-failed` ends a
 * connection only with a verdict that says `dead` and evidence that nothing else on file is left to try.
 * What it returns besides the row are the audit entries that belong to the change, to be written with it.
 */
import { appRestored, pause, resume, revive, revoke, revokeConfirmed, revokeFailed } from './command-transitions.ts';
import { connectAccepted, exchangeFailed, exchangeSucceeded } from './connect-transitions.ts';
import type { Connection } from './connection.ts';
import { keepAliveAtMs } from './refresh-policy.ts';
import { refreshFailed, refreshSucceeded } from './refresh-transitions.ts';
import type { ConnectionEvent, Transition, TransitionContext } from './transition.ts';

/** Applies one event to a connection. */
export function reduceConnection(before: Connection, event: ConnectionEvent, context: TransitionContext): Transition {
  switch (event.type) {
    case 'connect-accepted':
      return connectAccepted(before, event, context);
    case 'exchange-succeeded':
      return exchangeSucceeded(before, event, context);
    case 'exchange-failed':
      return exchangeFailed(before, event, context);
    case 'refresh-succeeded':
      return refreshSucceeded(before, event, context);
    case 'refresh-failed':
      return refreshFailed(before, event, context);
    case 'refresh-postponed': {
      if (before.state !== 'active') return { connection: before, events: [] };
      const nextActionAtMs = keepAliveAtMs(context.policy, before, context.workflowId);
      return { connection: { ...before, nextActionAtMs }, events: [] };
    }
    case 'read':
      return { connection: { ...before, lastReadAtMs: Math.max(before.lastReadAtMs ?? 0, context.nowMs) }, events: [] };
    case 'pause':
      return pause(before, context);
    case 'resume':
      return resume(before, context);
    case 'app-restored':
      return appRestored(before, context);
    case 'revive':
      return revive(before, context);
    case 'revoke':
      return revoke(before, event, context);
    case 'revoke-confirmed':
      return revokeConfirmed(before, event, context);
    case 'revoke-failed':
      return revokeFailed(before, event, context);
  }
}
