/** How a Connect changes a connection: accepted, exchanged, failed. */
import { type Connection, isLiving } from './connection.ts';
import { keepAliveAtMs } from './refresh-policy.ts';
import {
  audit,
  type ConnectionEvent,
  enter,
  schedule,
  type Transition,
  type TransitionContext,
  withFacts,
} from './transition.ts';

export function connectAccepted(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'connect-accepted' }>,
  context: TransitionContext,
): Transition {
  const entry = { type: 'connect.accepted', userId: event.userId };
  // A living connection stays as it is until the exchange has succeeded: anybody can send a victim's id.
  if (isLiving(before.state) || before.state === 'revoking' || before.state === 'connecting') {
    return { connection: before, events: [audit(before, before, context, entry)] };
  }
  // So does one that waits for the administrator: a bad request token must not hide why it waits.
  if (before.state === 'reauthorization-required') {
    return { connection: before, events: [audit(before, before, context, entry)] };
  }
  const after = enter(before, 'connecting', null, context, {
    customerRef: event.customerRef ?? before.customerRef,
    nextActionAtMs: context.nowMs,
    failureCount: 0,
    lastError: null,
    pausedUntilMs: null,
    suspectedSinceMs: null,
  });
  return { connection: after, events: [audit(before, after, context, entry)] };
}

export function exchangeSucceeded(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'exchange-succeeded' }>,
  context: TransitionContext,
): Transition {
  const withGrant: Connection = {
    ...withFacts(before, event.facts),
    ...event.identity,
    company: event.identity.company ?? before.company,
    customerRef: event.customerRef ?? before.customerRef,
    connectedAtMs: context.nowMs,
    // Connecting counts as a read: who connects is about to use it.
    lastReadAtMs: context.nowMs,
    failureCount: 0,
    lastError: null,
    pausedUntilMs: null,
    suspectedSinceMs: null,
  };
  const entry = {
    type: before.connectedAtMs === null ? 'connection.connected' : 'connection.reconnected',
    userId: event.userId,
    correlationId: event.correlationId,
  };
  // Whoever asked for a revoke or a pause meanwhile is obeyed: the tokens are kept, the state stays.
  if (before.state === 'revoking') {
    const after = { ...withGrant, nextActionAtMs: context.nowMs };
    return { connection: after, events: [audit(before, after, context, entry)] };
  }
  // What came after a revoke was confirmed is revoked too: nobody looks after it, and nobody wants it.
  if (before.state === 'revoked') {
    const after = enter(withGrant, 'revoking', before.reason, context, { nextActionAtMs: context.nowMs });
    return { connection: after, events: [audit(before, after, context, entry)] };
  }
  if (before.state === 'paused') {
    const after = {
      ...withGrant,
      resumeState: 'active' as const,
      nextActionAtMs: keepAliveAtMs(context.policy, withGrant, context.workflowId),
    };
    return { connection: after, events: [audit(before, after, context, entry)] };
  }
  const after = schedule(enter(withGrant, 'active', null, context, { resumeState: null }), context);
  return { connection: after, events: [audit(before, after, context, entry)] };
}

export function exchangeFailed(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'exchange-failed' }>,
  context: TransitionContext,
): Transition {
  const entry = {
    type: event.final ? 'connect.failed' : 'connect.retrying',
    reason: event.reason,
    concurCode: event.concurCode,
    correlationId: event.correlationId,
    userId: event.userId,
  };
  // A failed reconnect touches nothing but its session.
  if (before.state !== 'connecting') return { connection: before, events: [audit(before, before, context, entry)] };
  const lastError = {
    code: event.reason,
    concurCode: event.concurCode,
    atMs: context.nowMs,
    correlationId: event.correlationId,
  };
  const failed = { ...before, lastError, failureCount: before.failureCount + (event.isFailure === false ? 0 : 1) };
  if (!event.final || event.othersWait) {
    const isNews = event.final || (before.failureCount === 0 && before.lastError?.code !== event.reason);
    return { connection: failed, events: isNews ? [audit(before, failed, context, entry)] : [] };
  }
  const after = enter(failed, 'connect-failed', event.reason, context, { nextActionAtMs: null });
  return { connection: after, events: [audit(before, after, context, entry)] };
}
