/**
 * The reducer: how a connection changes when something becomes known about it.
 *
 * Pure and total: every event is defined in every state. It never invents a death: `refresh-failed` ends a
 * connection only with a verdict that says `dead` and evidence that nothing else on file is left to try.
 * What it returns besides the row are the audit entries that belong to the change, to be written with it.
 */
import type { Verdict } from './concur-codes.ts';
import { type Connection, type ConnectionState, isEnded, isLiving, type PrincipalType } from './connection.ts';
import { nextRefreshAtMs, keepAliveAtMs, type RefreshPolicy, retryPauseMs } from './refresh-policy.ts';
import type { AuditEntry } from './stores.ts';

/** The token set's facts, without the tokens. */
export interface GrantFacts {
  readonly dataCentre: string;
  readonly geolocation: string;
  readonly scope: string;
  readonly missingScopes: readonly string[];
  readonly sentAtMs: number;
  readonly accessTokenExpiresAtMs: number;
  readonly refreshTokenExpiresAtMs: number;
}

/** Who the token belongs to, as far as Concur told. */
export interface IdentityFacts {
  readonly identity: 'proven' | 'asserted';
  readonly principalType: PrincipalType;
  readonly company: Connection['company'];
}

/** What else could still prove a "dead" verdict wrong. */
export type Remaining =
  /** Another refresh token on file that Concur has not refused. */
  | { readonly kind: 'untried-token' }
  /** An attempt whose outcome is unknown until then. */
  | { readonly kind: 'open-attempt'; readonly untilMs: number }
  | { readonly kind: 'none'; readonly rotationLost: boolean };

export type ConnectionEvent =
  | { readonly type: 'connect-accepted'; readonly customerRef: string | null; readonly userId: string | null }
  | {
      readonly type: 'exchange-succeeded';
      readonly facts: GrantFacts;
      readonly identity: IdentityFacts;
      readonly customerRef: string | null;
      readonly userId: string | null;
      readonly correlationId: string | null;
    }
  | {
      /** One try of an exchange brought nothing; `final` when no further try will follow. */
      readonly type: 'exchange-failed';
      readonly final: boolean;
      readonly reason: string;
      readonly concurCode: number | null;
      readonly correlationId: string | null;
      readonly userId: string | null;
    }
  | { readonly type: 'refresh-succeeded'; readonly facts: GrantFacts; readonly correlationId: string | null }
  | {
      readonly type: 'refresh-failed';
      readonly verdict: Verdict;
      readonly remaining: Remaining;
      /** End of this attempt's own horizon while its outcome is unknown, else null. */
      readonly uncertainUntilMs: number | null;
      readonly correlationId: string | null;
    }
  | { readonly type: 'refresh-postponed' }
  | { readonly type: 'read' }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'app-restored' }
  | { readonly type: 'revoke'; readonly nothingToRevoke: boolean }
  | { readonly type: 'revoke-confirmed'; readonly concurCode: number | null; readonly correlationId: string | null }
  | { readonly type: 'revoke-failed'; readonly verdict: Verdict; readonly correlationId: string | null };

export interface TransitionContext {
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
  /** Who caused it, for the audit trail. */
  readonly actor: string;
  readonly reason: string | null;
}

export interface Transition {
  readonly connection: Connection;
  readonly events: readonly AuditEntry[];
}

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
    case 'refresh-postponed':
      return {
        connection: { ...before, nextActionAtMs: keepAliveAtMs(context.policy, before, context.workflowId) },
        events: [],
      };
    case 'read':
      return { connection: { ...before, lastReadAtMs: Math.max(before.lastReadAtMs ?? 0, context.nowMs) }, events: [] };
    case 'pause':
      return pause(before, context);
    case 'resume':
      return resume(before, context);
    case 'app-restored':
      return appRestored(before, context);
    case 'revoke':
      return revoke(before, event, context);
    case 'revoke-confirmed':
      return revokeConfirmed(before, event, context);
    case 'revoke-failed':
      return revokeFailed(before, event, context);
  }
}

// ── Connect ────────────────────────────────────────────────────────────────────────────────────────────────

function connectAccepted(
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

function exchangeSucceeded(
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

function exchangeFailed(
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
  const failed = { ...before, lastError, failureCount: before.failureCount + 1 };
  if (!event.final) {
    const first = before.failureCount === 0;
    return { connection: failed, events: first ? [audit(before, failed, context, entry)] : [] };
  }
  const after = enter(failed, 'connect-failed', event.reason, context, { nextActionAtMs: null });
  return { connection: after, events: [audit(before, after, context, entry)] };
}

// ── Refresh ────────────────────────────────────────────────────────────────────────────────────────────────

function refreshSucceeded(
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
    case 'revoking':
      return { connection: { ...fresh, nextActionAtMs: context.nowMs }, events };
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

function refreshFailed(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'refresh-failed' }>,
  context: TransitionContext,
): Transition {
  const { verdict, correlationId } = event;
  if (isEnded(before.state) || before.state === 'reauthorization-required') return { connection: before, events: [] };
  const failureCount = before.failureCount + 1;
  const lastError = { code: verdict.reason, concurCode: verdict.concurCode, atMs: context.nowMs, correlationId };
  const pausedUntilMs = verdict.pauseMs === null ? before.pausedUntilMs : context.nowMs + verdict.pauseMs;
  const failed: Connection = { ...before, failureCount, lastError, pausedUntilMs };
  const entry = { reason: verdict.reason, concurCode: verdict.concurCode, correlationId };
  const { state, nextActionAtMs, reason, suspectedSinceMs } = consequence(failed, event, context);

  // The first failure of each trouble is on record, its repetitions are not.
  const isNews = before.lastError?.code !== verdict.reason || before.state !== state;
  if (before.state === 'paused' && state !== 'reauthorization-required') {
    const after = { ...failed, suspectedSinceMs, nextActionAtMs };
    return {
      connection: after,
      events: isNews ? [audit(before, after, context, { type: 'refresh.failed', ...entry })] : [],
    };
  }
  if (before.state === 'revoking') {
    if (state === 'reauthorization-required') {
      // The proof that a revoke wants: Concur knows the grant no more.
      const confirmed = { type: 'revoke-confirmed', concurCode: verdict.concurCode, correlationId } as const;
      return revokeConfirmed(failed, confirmed, context);
    }
    const after = { ...failed, suspectedSinceMs, nextActionAtMs };
    return {
      connection: after,
      events: isNews ? [audit(before, after, context, { type: 'refresh.failed', ...entry })] : [],
    };
  }
  const resumeState = state === 'blocked' ? resumeStateOf(before) : null;
  const after = enter(failed, state, reason, context, { nextActionAtMs, suspectedSinceMs, resumeState });
  const type = state === before.state ? 'refresh.failed' : `connection.${state.replaceAll('-', '_')}`;
  return {
    connection: after,
    events: isNews ? [audit(before, after, context, { type, ...entry, reason: reason ?? verdict.reason })] : [],
  };
}

/** Which state a failed refresh leads to, and when the next try is due. */
function consequence(
  failed: Connection,
  event: Extract<ConnectionEvent, { type: 'refresh-failed' }>,
  context: TransitionContext,
): Pick<Connection, 'state' | 'nextActionAtMs' | 'reason' | 'suspectedSinceMs'> {
  const { verdict, remaining, uncertainUntilMs } = event;
  const { nowMs, policy, workflowId } = context;
  const retryAt = notBefore(
    nowMs + Math.max(retryPauseMs(policy, failed.failureCount, !verdict.slow, workflowId), verdict.pauseMs ?? 0),
    uncertainUntilMs,
  );
  const suspendedAt = nowMs + Math.max(policy.suspendedRetryEveryMs, verdict.pauseMs ?? 0);
  const { suspectedSinceMs } = failed;
  switch (verdict.outcome) {
    case 'transient':
    case 'uncertain':
    case 'maintenance':
      return { ...troubled(failed, verdict), nextActionAtMs: retryAt, suspectedSinceMs };
    case 'malformed':
      return { ...troubled(failed, verdict), nextActionAtMs: nowMs + policy.retrySlowEveryMs * 12, suspectedSinceMs };
    case 'suspended':
    case 'revoked':
      return { state: 'suspended', nextActionAtMs: suspendedAt, reason: verdict.reason, suspectedSinceMs };
    case 'app-blocked':
      // The guardian wakes it; the long timer is there in case nobody does.
      return {
        state: 'blocked',
        nextActionAtMs: nowMs + policy.appProbeEveryMs * 15,
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
  if (verdict.confirmAfterMs !== null) {
    const since = suspectedSinceMs ?? nowMs;
    if (nowMs - since < verdict.confirmAfterMs) {
      return {
        state: 'suspended',
        nextActionAtMs: since + verdict.confirmAfterMs,
        reason: verdict.reason,
        suspectedSinceMs: since,
      };
    }
  }
  const reason = remaining.rotationLost ? 'rotation-lost' : verdict.reason;
  return { state: 'reauthorization-required', nextActionAtMs: null, reason, suspectedSinceMs };
}

/** Trouble on the way says nothing about a suspension or the app's credentials: those stay as they are. */
function troubled(failed: Connection, verdict: Verdict): Pick<Connection, 'state' | 'reason'> {
  const keeps = failed.state === 'suspended' || failed.state === 'blocked';
  return keeps ? { state: failed.state, reason: failed.reason } : { state: 'retrying', reason: verdict.reason };
}

// ── Commands ───────────────────────────────────────────────────────────────────────────────────────────────

function pause(before: Connection, context: TransitionContext): Transition {
  if (!isLiving(before.state) || before.state === 'paused') return { connection: before, events: [] };
  const after = enter(before, 'paused', context.reason, context, {
    resumeState: resumeStateOf(before),
    nextActionAtMs: keepAliveAtMs(context.policy, before, context.workflowId),
  });
  return { connection: after, events: [audit(before, after, context, { type: 'command.paused' })] };
}

function resume(before: Connection, context: TransitionContext): Transition {
  if (before.state !== 'paused') return { connection: before, events: [] };
  return backToWork(before, context, 'command.resumed');
}

function appRestored(before: Connection, context: TransitionContext): Transition {
  if (before.state !== 'blocked') return { connection: before, events: [] };
  return backToWork(before, context, 'app.restored');
}

/** Leaves paused or blocked for where it was; what is overdue is due at once. */
function backToWork(before: Connection, context: TransitionContext, type: string): Transition {
  const state = before.resumeState ?? 'active';
  const entered = enter(before, state, null, context, { resumeState: null });
  const after = state === 'active' ? schedule(entered, context) : { ...entered, nextActionAtMs: context.nowMs };
  return { connection: after, events: [audit(before, after, context, { type })] };
}

function revoke(
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

function revokeConfirmed(
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

function revokeFailed(
  before: Connection,
  event: Extract<ConnectionEvent, { type: 'revoke-failed' }>,
  context: TransitionContext,
): Transition {
  if (before.state !== 'revoking') return { connection: before, events: [] };
  const { verdict, correlationId } = event;
  const failureCount = before.failureCount + 1;
  const pauseMs = Math.max(
    retryPauseMs(context.policy, failureCount, !verdict.slow, context.workflowId),
    verdict.pauseMs ?? 0,
  );
  const after: Connection = {
    ...before,
    failureCount,
    lastError: { code: verdict.reason, concurCode: verdict.concurCode, atMs: context.nowMs, correlationId },
    // A DELETE that was refused is proven by a refresh, and that needs no pause.
    nextActionAtMs: verdict.outcome === 'revoked' && failureCount === 1 ? context.nowMs : context.nowMs + pauseMs,
  };
  const isNews = before.lastError?.code !== verdict.reason;
  const entry = { type: 'revoke.failed', reason: verdict.reason, concurCode: verdict.concurCode, correlationId };
  return { connection: after, events: isNews ? [audit(before, after, context, entry)] : [] };
}

// ── Pieces ─────────────────────────────────────────────────────────────────────────────────────────────────

function enter(
  before: Connection,
  state: ConnectionState,
  reason: string | null,
  context: TransitionContext,
  also: Partial<Connection> = {},
): Connection {
  const stateSinceMs = state === before.state ? before.stateSinceMs : context.nowMs;
  return { ...before, ...also, state, reason, stateSinceMs };
}

function schedule(connection: Connection, context: TransitionContext): Connection {
  const nextActionAtMs = nextRefreshAtMs(context.policy, connection, context.nowMs, context.workflowId);
  return { ...connection, nextActionAtMs };
}

function withFacts(before: Connection, facts: GrantFacts): Connection {
  return {
    ...before,
    version: before.version + 1,
    dataCentre: facts.dataCentre,
    geolocation: facts.geolocation,
    scope: facts.scope,
    missingScopes: facts.missingScopes,
    accessTokenSentAtMs: facts.sentAtMs,
    accessTokenExpiresAtMs: facts.accessTokenExpiresAtMs,
    refreshTokenExpiresAtMs: facts.refreshTokenExpiresAtMs,
  };
}

function resumeStateOf(connection: Connection): Connection['resumeState'] {
  const { state } = connection;
  return state === 'active' || state === 'retrying' || state === 'suspended'
    ? state
    : (connection.resumeState ?? 'active');
}

function notBefore(atMs: number, floorMs: number | null): number {
  return floorMs === null ? atMs : Math.max(atMs, floorMs);
}

function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

function audit(
  before: Connection,
  after: Connection,
  context: TransitionContext,
  entry: Pick<AuditEntry, 'type'> & Partial<AuditEntry>,
): AuditEntry {
  const changed = before.state !== after.state;
  return {
    actor: context.actor,
    reason: context.reason ?? after.reason,
    stateFrom: changed ? before.state : null,
    stateTo: changed ? after.state : null,
    version: after.version,
    concurCode: null,
    correlationId: null,
    userId: null,
    atMs: context.nowMs,
    ...entry,
  };
}
