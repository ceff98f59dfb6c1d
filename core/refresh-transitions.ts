/**
 * How a refresh changes a connection. The only place where one dies: `consequence` says so for a verdict `dead`, and
 * only when nothing else on file is left to try.
 */
import { RECHECK_MS } from './app-trouble.ts';
import type { Verdict } from './concur-codes.ts';
import { HELD_BY_BRAKE } from './brake.ts';
import { type Connection, isEnded } from './connection.ts';
import { withExpiryNotice } from './expiry.ts';
import { revokeConfirmed } from './command-transitions.ts';
import { keepAliveAtMs, LEAST_INTERVAL_MS, retryPauseMs, servicePauseMs, stretchMs } from './refresh-policy.ts';
import type { AuditEntry } from './audit-entry.ts';
import {
  audit,
  type ConnectionEvent,
  enter,
  notBefore,
  resumeStateOf,
  schedule,
  type Transition,
  type TransitionContext,
  utcDay,
  withFacts,
} from './transition.ts';

export function refreshSucceeded(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'refresh-succeeded' }>,
  context: TransitionContext,
): Transition {
  const sameDay = before.lastRefreshedAtMs !== null && utcDay(before.lastRefreshedAtMs) === utcDay(context.nowMs);
  const fresh: Connection = {
    ...withFacts(before, event.facts),
    lastRefreshedAtMs: context.nowMs,
    rotationsOnDay: sameDay ? before.rotationsOnDay + 1 : 1,
    failureCount: 0,
    lastError: null,
    pausedUntilMs: null,
    suspectedSinceMs: null,
  };
  const events: AuditEntry[] = [];
  if (!sameDay && before.lastRefreshedAtMs !== null && before.rotationsOnDay > 0) {
    const reason = `${before.rotationsOnDay} on ${utcDay(before.lastRefreshedAtMs)}`;
    events.push(audit(before, before, context, { type: 'refresh.routine', reason }));
  }
  const { correlationId } = event;
  if (before.geolocation !== null && before.geolocation !== fresh.geolocation) {
    const reason = `${before.dataCentre} to ${fresh.dataCentre}`;
    events.push(audit(before, fresh, context, { type: 'connection.moved', reason, correlationId }));
  }
  switch (before.state) {
    case 'revoking': {
      // Failures of the revoke itself still count: a DELETE that is refused again and again must not do so in a storm.
      const { failureCount, lastError } = before;
      const isUsable = event.facts.accessTokenExpiresAtMs - context.nowMs > LEAST_INTERVAL_MS;
      const nextActionAtMs = context.nowMs + (isUsable ? 0 : LEAST_INTERVAL_MS);
      return { connection: { ...fresh, failureCount, lastError, nextActionAtMs }, events };
    }
    case 'paused':
      return {
        connection: {
          ...fresh,
          resumeState: 'active',
          nextActionAtMs: keepAliveAtMs(context.policy, fresh, context.workflowId),
        },
        events,
      };
    // A revoke that was confirmed stands: the tokens it ended stay ended.
    case 'revoked':
    case 'connect-failed':
      return { connection: before, events: [] };
    case 'active':
      return { connection: schedule(fresh, context), events };
    case 'connecting':
    case 'retrying':
    case 'suspended':
    case 'blocked':
    case 'reauthorization-required': {
      const after = schedule(enter(fresh, 'active', null, context, { resumeState: null }), context);
      return {
        connection: after,
        events: [...events, audit(before, after, context, { type: 'connection.recovered', correlationId })],
      };
    }
  }
}

export function refreshFailed(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'refresh-failed' }>,
  context: TransitionContext,
): Transition {
  return withExpiryNotice(afterFailure(before, event, context), context);
}

function afterFailure(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'refresh-failed' }>,
  context: TransitionContext,
): Transition {
  const { verdict, correlationId } = event;
  // Before the exchange there is no grant: what failed belongs to an earlier life of this connection.
  if (isEnded(before.state) || before.state === 'connecting' || before.state === 'reauthorization-required') {
    return { connection: before, events: [] };
  }
  // The company is being looked after: that is no failure, and its pauses don't grow.
  const failureCount = before.failureCount + (verdict.outcome === 'maintenance' ? 0 : 1);
  const lastError = { code: verdict.reason, concurCode: verdict.concurCode, atMs: context.nowMs, correlationId };
  const pauseMs = servicePauseMs(context.policy, verdict);
  const pausedUntilMs =
    pauseMs === null ? before.pausedUntilMs : notBefore(context.nowMs + pauseMs, before.pausedUntilMs);
  const failed: Connection = { ...before, failureCount, lastError, pausedUntilMs };
  const entry = { reason: verdict.reason, concurCode: verdict.concurCode, correlationId };
  const { state, nextActionAtMs, reason, suspectedSinceMs } = consequence(failed, event, context);

  // The first failure of each trouble is on record, its repetitions are not.
  const isNewTrouble = before.lastError?.code !== verdict.reason;
  const isDead = state === 'reauthorization-required';
  if (isDead && before.state === 'revoking') {
    // The proof that a revoke wants: Concur knows the grant no more.
    const confirmed = { type: 'revoke-confirmed', concurCode: verdict.concurCode, correlationId } as const;
    return revokeConfirmed(failed, confirmed, context);
  }
  if (!isDead && (before.state === 'paused' || before.state === 'revoking')) {
    const after = { ...failed, suspectedSinceMs, nextActionAtMs };
    return {
      connection: after,
      events: isNewTrouble ? [audit(before, after, context, { type: 'refresh.failed', ...entry })] : [],
    };
  }
  const isNews = isNewTrouble || before.state !== state;
  const resumeState = state === 'blocked' ? resumeStateOf(before) : null;
  const after = enter(failed, state, reason, context, { nextActionAtMs, suspectedSinceMs, resumeState });
  const type = state === before.state ? 'refresh.failed' : `connection.${state.replaceAll('-', '_')}`;
  return {
    connection: after,
    events: isNews ? [audit(before, after, context, { type, ...entry, reason: reason ?? verdict.reason })] : [],
  };
}

/** Whether a "dead" counts against the token that was sent: at once, or as the second of its kind, late enough. */
export function isProof({ suspectedSinceMs }: Connection, verdict: Verdict, nowMs: number): boolean {
  if (verdict.outcome !== 'dead') return false;
  const { confirmAfterMs } = verdict;
  return confirmAfterMs === null || (suspectedSinceMs !== null && nowMs - suspectedSinceMs >= confirmAfterMs);
}

/** Which state a failed refresh leads to, and when the next try is due. */
function consequence(
  failed: Connection,
  event: Extract<ConnectionEvent, { type: 'refresh-failed' }>,
  context: TransitionContext,
): Pick<Connection, 'state' | 'nextActionAtMs' | 'reason' | 'suspectedSinceMs'> {
  const { verdict, remaining, uncertainUntilMs } = event;
  const { nowMs, policy, workflowId } = context;
  /** After this pause, or the one that Concur asked for: no two connections' alike, or an hour of trouble would end in step. */
  const later = (pauseMs: number): number =>
    nowMs + stretchMs(policy, Math.max(pauseMs, verdict.pauseMs ?? 0), workflowId);
  // A maintenance is waited for at a steady pace, whatever failed before it.
  const tries = verdict.outcome === 'maintenance' ? 0 : failed.failureCount;
  const retryAt = notBefore(
    Math.max(nowMs + retryPauseMs(policy, tries, !verdict.slow, workflowId), later(0)),
    uncertainUntilMs,
  );
  const suspendedAt = later(policy.suspendedRetryEveryMs);
  const { suspectedSinceMs } = failed;
  switch (verdict.outcome) {
    case 'transient':
    case 'uncertain':
    case 'maintenance':
      return { ...troubled(failed, verdict), nextActionAtMs: retryAt, suspectedSinceMs };
    case 'malformed':
      return { ...troubled(failed, verdict), nextActionAtMs: later(policy.retrySlowEveryMs * 12), suspectedSinceMs };
    case 'suspended':
    case 'revoked':
      return { state: 'suspended', nextActionAtMs: suspendedAt, reason: verdict.reason, suspectedSinceMs };
    case 'app-blocked':
      // The guardian wakes it; the long timer is there in case nobody does. A first answer, of the app's and of this
      // connection's, may be a mishap: asked again at once it is confirmed or over.
      return {
        state: 'blocked',
        nextActionAtMs:
          event.isFirstOfApp === true && failed.failureCount === 1
            ? nowMs + RECHECK_MS
            : later(policy.appProbeEveryMs * 15),
        reason: verdict.reason,
        suspectedSinceMs,
      };
    case 'dead':
      break;
  }
  if (remaining.kind === 'untried-token') {
    return { state: 'retrying', nextActionAtMs: nowMs, reason: verdict.reason, suspectedSinceMs };
  }
  if (remaining.kind === 'open-attempt') {
    return { state: 'retrying', nextActionAtMs: remaining.untilMs, reason: verdict.reason, suspectedSinceMs };
  }
  if (verdict.confirmAfterMs !== null && !isProof(failed, verdict, nowMs)) {
    const since = suspectedSinceMs ?? nowMs;
    return {
      state: 'suspended',
      nextActionAtMs: since + stretchMs(policy, verdict.confirmAfterMs, workflowId),
      reason: verdict.reason,
      suspectedSinceMs: since,
    };
  }
  if (remaining.held) {
    return { state: 'suspended', nextActionAtMs: suspendedAt, reason: HELD_BY_BRAKE, suspectedSinceMs };
  }
  const reason = remaining.rotationLost ? 'rotation-lost' : verdict.reason;
  return { state: 'reauthorization-required', nextActionAtMs: null, reason, suspectedSinceMs };
}

/** Trouble on the way says nothing about a suspension or the app's credentials: those stay as they are. */
function troubled(failed: Connection, verdict: Verdict): Pick<Connection, 'state' | 'reason'> {
  const keeps = failed.state === 'suspended' || failed.state === 'blocked';
  return keeps ? { state: failed.state, reason: failed.reason } : { state: 'retrying', reason: verdict.reason };
}
