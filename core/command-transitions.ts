/** How commands of people and programs change a connection, and what comes of a revoke. */
import { HELD_BY_BRAKE } from './brake.ts';
import type { Verdict } from './concur-codes.ts';
import { type Connection, isEnded, isLiving } from './connection.ts';
import { keepAliveAtMs, retryPauseMs } from './refresh-policy.ts';
import {
  audit,
  type ConnectionEvent,
  enter,
  resumeStateOf,
  schedule,
  type Transition,
  type TransitionContext,
} from './transition.ts';

export function pause(before: Connection, context: TransitionContext): Transition {
  if (!isLiving(before.state) || before.state === 'paused') return { connection: before, events: [] };
  const after = enter(before, 'paused', context.reason, context, {
    resumeState: resumeStateOf(before),
    nextActionAtMs: keepAliveAtMs(context.policy, before, context.workflowId),
  });
  return { connection: after, events: [audit(before, after, context, { type: 'command.paused' })] };
}

export function resume(before: Connection, context: TransitionContext): Transition {
  if (before.state !== 'paused') return { connection: before, events: [] };
  return backToWork(before, context, 'command.resumed');
}

/** The app's credentials work again, or the brake was released: what waited for it is tried now. */
export function appRestored(before: Connection, context: TransitionContext): Transition {
  if (before.state === 'blocked') return backToWork(before, context, 'app.restored');
  // A revoke that had to refresh first stood before the same door.
  if (before.state === 'revoking' && (before.nextActionAtMs ?? 0) > context.nowMs) {
    return { connection: { ...before, nextActionAtMs: context.nowMs }, events: [] };
  }
  if (before.state !== 'suspended' || before.reason !== HELD_BY_BRAKE) return { connection: before, events: [] };
  const after = { ...before, nextActionAtMs: context.nowMs };
  return { connection: after, events: [audit(before, after, context, { type: 'brake.released' })] };
}

/** Somebody knows better than the evidence: the tokens that are still on file are asked with once more. */
export function revive(before: Connection, context: TransitionContext): Transition {
  if (before.state !== 'reauthorization-required') return { connection: before, events: [] };
  const after = enter(before, 'suspended', 'revived', context, {
    nextActionAtMs: context.nowMs,
    suspectedSinceMs: null,
    pausedUntilMs: null,
  });
  return { connection: after, events: [audit(before, after, context, { type: 'command.revived' })] };
}

/** Leaves paused or blocked for where it was; what is overdue is due at once. */
function backToWork(before: Connection, context: TransitionContext, type: string): Transition {
  const state = before.resumeState ?? 'active';
  const entered = enter(before, state, null, context, { resumeState: null });
  const after = state === 'active' ? schedule(entered, context) : { ...entered, nextActionAtMs: context.nowMs };
  return { connection: after, events: [audit(before, after, context, { type })] };
}

export function revoke(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'revoke' }>,
  context: TransitionContext,
): Transition {
  if (isEnded(before.state) || before.state === 'revoking') return { connection: before, events: [] };
  const state = event.nothingToRevoke ? 'revoked' : 'revoking';
  const after = enter(before, state, context.reason ?? 'requested', context, {
    resumeState: null,
    failureCount: 0,
    accessTokenExpiresAtMs: event.nothingToRevoke ? null : before.accessTokenExpiresAtMs,
    nextActionAtMs: event.nothingToRevoke ? null : context.nowMs,
  });
  return { connection: after, events: [audit(before, after, context, { type: 'command.revoked' })] };
}

export function revokeConfirmed(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'revoke-confirmed' }>,
  context: TransitionContext,
): Transition {
  if (before.state !== 'revoking') return { connection: before, events: [] };
  const after = enter(before, 'revoked', before.reason, context, {
    nextActionAtMs: null,
    accessTokenSentAtMs: null,
    accessTokenExpiresAtMs: null,
    refreshTokenExpiresAtMs: null,
    failureCount: 0,
    lastError: null,
  });
  const { concurCode, correlationId } = event;
  return {
    connection: after,
    events: [audit(before, after, context, { type: 'connection.revoked', concurCode, correlationId })],
  };
}

/** Concur refused the revoke: whether the grant is gone is proven by a refresh. */
export function isUnverified(verdict: Verdict): boolean {
  return verdict.reason === 'revoke-unverified';
}

export function revokeFailed(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'revoke-failed' }>,
  context: TransitionContext,
): Transition {
  if (before.state !== 'revoking') return { connection: before, events: [] };
  const { verdict, correlationId } = event;
  const isMaintenance = verdict.outcome === 'maintenance';
  const failureCount = before.failureCount + (isMaintenance ? 0 : 1);
  const { policy, workflowId } = context;
  const pauseMs = Math.max(
    // A maintenance is waited for at a steady pace.
    retryPauseMs(policy, isMaintenance ? 0 : failureCount, !verdict.slow, workflowId),
    verdict.pauseMs ?? 0,
  );
  const after: Connection = {
    ...before,
    failureCount,
    lastError: { code: verdict.reason, concurCode: verdict.concurCode, atMs: context.nowMs, correlationId },
    // A DELETE that was refused is proven by a refresh, and that needs no pause.
    nextActionAtMs: isUnverified(verdict) && failureCount === 1 ? context.nowMs : context.nowMs + pauseMs,
  };
  const isNews = before.lastError?.code !== verdict.reason;
  const entry = { type: 'revoke.failed', reason: verdict.reason, concurCode: verdict.concurCode, correlationId };
  return { connection: after, events: isNews ? [audit(before, after, context, entry)] : [] };
}
