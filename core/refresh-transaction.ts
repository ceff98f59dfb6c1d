/**
 * The two transactions around a refresh, pure. Together they hold "no lost rotation" and "one refresh at a time":
 * the intent is on file before the call, no second call starts inside the horizon of one whose end is unknown,
 * and what came back is saved by compare-and-set or kept as a candidate, never dropped.
 */
import type { Aggregate, Attempt, Changes, Decision, Grant, SealedToken } from './aggregate.ts';
import type { Verdict } from './concur-codes.ts';
import { type Connection, isEnded } from './connection.ts';
import { horizonMs, keepAliveAtMs, type RefreshPolicy, upkeepOf } from './refresh-policy.ts';
import type { GrantFacts, Remaining, TransitionContext } from './transition.ts';
import { reduceConnection } from './transitions.ts';

/**
 * Why a refresh is wanted. `due`: the deadline has come. `fresh`: a reader found the token stale. `forced`: somebody
 * asked. `rejected`: Concur refused a token of this version. `revoke`: the revoke needs a live access token.
 */
export type RefreshCause = 'due' | 'fresh' | 'forced' | 'rejected' | 'revoke';

export interface BeginRefresh {
  readonly attemptId: string;
  readonly cause: RefreshCause;
  /** Version that the caller knows; a newer one on file means that the work is done. Null: no matter. */
  readonly expectedVersion: number | null;
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
}

export type BegunRefresh =
  | {
      readonly decision: 'call';
      readonly connection: Connection;
      readonly token: SealedToken;
      readonly attempt: Attempt;
    }
  /** Nothing to do: already newer, not due, or not in a state to refresh. */
  | { readonly decision: 'adopted' }
  /** Not now: an attempt is open, or Concur asked for a pause. */
  | { readonly decision: 'wait'; readonly untilMs: number };

/** Between the begin and the sending; a process that was frozen for longer must not send. */
export const SEND_BUDGET_MS = 10_000;

export function beginRefresh(aggregate: Aggregate, input: BeginRefresh): Decision<BegunRefresh> {
  const { connection } = aggregate;
  const { nowMs, policy, cause } = input;
  if (connection === null || !mayRefresh(connection, cause)) return { result: { decision: 'adopted' }, changes: {} };
  if (input.expectedVersion !== null && connection.version > input.expectedVersion) {
    return { result: { decision: 'adopted' }, changes: {} };
  }
  if (cause === 'due') {
    const later = notDueYet(connection, input);
    if (later !== null) return { result: { decision: 'adopted' }, changes: later };
  }
  const openUntilMs = openUntil(aggregate.attempts, nowMs);
  if (openUntilMs !== null) return { result: { decision: 'wait', untilMs: openUntilMs }, changes: {} };
  if (connection.pausedUntilMs !== null && connection.pausedUntilMs > nowMs) {
    return { result: { decision: 'wait', untilMs: connection.pausedUntilMs }, changes: {} };
  }
  const token = untriedToken(aggregate);
  if (token === null) return { result: { decision: 'adopted' }, changes: {} };

  const attempt: Attempt = {
    id: input.attemptId,
    kind: 'refresh',
    status: 'open',
    versionRead: connection.version,
    tokenAttemptId: token.attemptId,
    sessionId: null,
    startedAtMs: nowMs,
    horizonAtMs: nowMs + SEND_BUDGET_MS + horizonMs(policy),
    answer: null,
    candidate: null,
  };
  const read = cause === 'fresh' ? { connection: { ...connection, lastReadAtMs: nowMs } } : {};
  return {
    result: { decision: 'call', connection, token, attempt },
    changes: { ...read, attempts: [attempt, ...closeLost(aggregate.attempts, nowMs)] },
  };
}

function mayRefresh(connection: Connection, cause: RefreshCause): boolean {
  if (isEnded(connection.state) || connection.state === 'connecting') return false;
  if (connection.state === 'reauthorization-required') return false;
  if (connection.state === 'revoking') return cause === 'revoke';
  if (connection.state === 'paused') return cause === 'due';
  return true;
}

/** What to write instead of refreshing: null when the refresh is due. */
function notDueYet(connection: Connection, input: BeginRefresh): Changes | null {
  const { nowMs, policy, workflowId } = input;
  if (connection.nextActionAtMs !== null && connection.nextActionAtMs > nowMs) return {};
  if (connection.state !== 'active' || upkeepOf(policy, connection, nowMs) === 'warm') return null;
  if (keepAliveAtMs(policy, connection, workflowId) <= nowMs) return null;
  // Nobody reads it any more: let the access token lapse and sleep until the keep-alive.
  const context = { nowMs, policy, workflowId, actor: 'workflow', reason: null };
  return { connection: reduceConnection(connection, { type: 'refresh-postponed' }, context).connection };
}

/** End of the horizon of the attempt that may still bring an answer; null when there is none. */
export function openUntil(attempts: readonly Attempt[], nowMs: number, exceptId?: string): number | null {
  let latest: number | null = null;
  for (const attempt of attempts) {
    const mayAnswer = attempt.status === 'open' || attempt.status === 'uncertain';
    if (!mayAnswer || attempt.id === exceptId || attempt.horizonAtMs <= nowMs) continue;
    latest = Math.max(latest ?? 0, attempt.horizonAtMs);
  }
  return latest;
}

/** Attempts past their horizon: nobody will ever know how they ended. */
export function closeLost(attempts: readonly Attempt[], nowMs: number): Attempt[] {
  return attempts
    .filter(({ status, horizonAtMs }) => (status === 'open' || status === 'uncertain') && horizonAtMs <= nowMs)
    .map((attempt) => ({ ...attempt, status: 'lost' as const }));
}

/** The refresh token to try: the current one, then the previous, then candidates, newest first. */
function untriedToken(aggregate: Aggregate, refusedId?: string): SealedToken | null {
  const { grant, attempts } = aggregate;
  const candidates = attempts.map(({ candidate }) => candidate);
  for (const token of [grant.current, grant.previous, ...candidates]) {
    if (token !== null && !token.refused && token.attemptId !== refusedId) return token;
  }
  return null;
}

/** What came of the call. Tokens are already sealed under the attempt's id. */
export type RefreshOutcome =
  | {
      readonly kind: 'tokens';
      readonly facts: GrantFacts;
      readonly accessToken: string;
      /** Null when Concur returned none, or the value that was sent: the one on file stays. */
      readonly refreshToken: string | null;
      readonly correlationId: string | null;
    }
  | { readonly kind: 'failure'; readonly verdict: Verdict; readonly correlationId: string | null };

export interface FinishRefresh {
  readonly attemptId: string;
  readonly outcome: RefreshOutcome;
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
}

export type FinishedRefresh = 'saved' | 'candidate' | 'failed' | 'duplicate';

export function finishRefresh(aggregate: Aggregate, input: FinishRefresh): Decision<FinishedRefresh> {
  const { connection } = aggregate;
  const attempt = aggregate.attempts.find(({ id }) => id === input.attemptId);
  if (connection === null || attempt === undefined || attempt.status === 'done') {
    return { result: 'duplicate', changes: {} };
  }
  const { outcome } = input;
  if (outcome.kind === 'failure') return finishFailed(aggregate, connection, attempt, outcome, input);
  if (connection.version !== attempt.versionRead || isEnded(connection.state)) {
    return keepCandidate(attempt, outcome.refreshToken);
  }
  return save(aggregate, connection, attempt, outcome, input);
}

function save(
  aggregate: Aggregate,
  connection: Connection,
  attempt: Attempt,
  outcome: Extract<RefreshOutcome, { kind: 'tokens' }>,
  input: FinishRefresh,
): Decision<FinishedRefresh> {
  const event = { type: 'refresh-succeeded', facts: outcome.facts, correlationId: outcome.correlationId } as const;
  const transition = reduceConnection(connection, event, contextOf(input));
  return {
    result: 'saved',
    changes: {
      connection: transition.connection,
      events: transition.events,
      grant: nextGrant(aggregate, attempt, outcome.refreshToken),
      accessToken: { sealed: outcome.accessToken, attemptId: attempt.id, tokenType: 'Bearer' },
      // A success proves the grant alive: lost attempts and candidates explain nothing any more.
      attempts: aggregate.attempts.map((other) => ({
        ...other,
        status: settledStatus(other, attempt, input.nowMs),
        candidate: null,
      })),
    },
  };
}

function settledStatus(other: Attempt, finished: Attempt, nowMs: number): Attempt['status'] {
  if (other.id === finished.id || other.status === 'lost') return 'done';
  const isOver = other.horizonAtMs <= nowMs && (other.status === 'open' || other.status === 'uncertain');
  return isOver ? 'done' : other.status;
}

function nextGrant(aggregate: Aggregate, attempt: Attempt, refreshToken: string | null): Grant {
  const { current } = aggregate.grant;
  if (refreshToken !== null) {
    return { current: { sealed: refreshToken, attemptId: attempt.id, refused: false }, previous: current };
  }
  const sent = tokenById(aggregate, attempt.tokenAttemptId);
  if (sent === null || sent.attemptId === current?.attemptId) return aggregate.grant;
  return { current: sent, previous: null };
}

/** The version moved on while Concur answered: whose token is the living one is not known, so keep this too. */
function keepCandidate(attempt: Attempt, refreshToken: string | null): Decision<FinishedRefresh> {
  const candidate = refreshToken === null ? null : { sealed: refreshToken, attemptId: attempt.id, refused: false };
  return { result: 'candidate', changes: { attempts: [{ ...attempt, status: 'done', candidate }] } };
}

function finishFailed(
  aggregate: Aggregate,
  connection: Connection,
  attempt: Attempt,
  outcome: Extract<RefreshOutcome, { kind: 'failure' }>,
  input: FinishRefresh,
): Decision<FinishedRefresh> {
  const { nowMs } = input;
  const { verdict, correlationId } = outcome;
  const isUncertain = verdict.outcome === 'uncertain' && attempt.horizonAtMs > nowMs;
  const settled: Attempt = {
    ...attempt,
    status: isUncertain ? 'uncertain' : verdict.outcome === 'uncertain' ? 'lost' : 'done',
  };
  // Somebody saved newer tokens meanwhile: this failure speaks of a token that is no longer in use.
  if (connection.version !== attempt.versionRead) return { result: 'failed', changes: { attempts: [settled] } };

  const isDead = verdict.outcome === 'dead' && verdict.confirmAfterMs === null;
  const refusedId = isDead ? (attempt.tokenAttemptId ?? undefined) : undefined;
  const marked = refusedId === undefined ? null : markRefused(aggregate, refusedId);
  const others = (marked?.attempts ?? aggregate.attempts).filter(({ id }) => id !== attempt.id);
  const event = {
    type: 'refresh-failed',
    verdict,
    remaining: remainingProof(aggregate, attempt, refusedId, nowMs),
    uncertainUntilMs: isUncertain ? attempt.horizonAtMs : null,
    correlationId,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input));
  const revoked = transition.connection.state === 'revoked';
  return {
    result: 'failed',
    changes: {
      connection: transition.connection,
      events: transition.events,
      attempts: [settled, ...(marked === null ? [] : others)],
      ...(marked === null ? {} : { grant: marked.grant }),
      ...(revoked ? { grant: { current: null, previous: null }, accessToken: null } : {}),
    },
  };
}

function remainingProof(
  aggregate: Aggregate,
  attempt: Attempt,
  refusedId: string | undefined,
  nowMs: number,
): Remaining {
  if (refusedId !== undefined && untriedToken(aggregate, refusedId) !== null) return { kind: 'untried-token' };
  const untilMs = openUntil(aggregate.attempts, nowMs, attempt.id);
  if (untilMs !== null) return { kind: 'open-attempt', untilMs };
  const rotationLost = aggregate.attempts.some(
    ({ id, kind, status, versionRead }) =>
      id !== attempt.id && kind === 'refresh' && status !== 'done' && versionRead === attempt.versionRead,
  );
  return { kind: 'none', rotationLost };
}

function markRefused(aggregate: Aggregate, attemptId: string): { grant: Grant; attempts: Attempt[] } {
  const mark = (token: SealedToken | null): SealedToken | null =>
    token !== null && token.attemptId === attemptId ? { ...token, refused: true } : token;
  return {
    grant: { current: mark(aggregate.grant.current), previous: mark(aggregate.grant.previous) },
    attempts: aggregate.attempts.map((attempt) => ({ ...attempt, candidate: mark(attempt.candidate) })),
  };
}

function tokenById(aggregate: Aggregate, attemptId: string | null): SealedToken | null {
  const { grant, attempts } = aggregate;
  const all = [grant.current, grant.previous, ...attempts.map(({ candidate }) => candidate)];
  return all.find((token) => token?.attemptId === attemptId) ?? null;
}

function contextOf(input: FinishRefresh): TransitionContext {
  return { nowMs: input.nowMs, policy: input.policy, workflowId: input.workflowId, actor: 'workflow', reason: null };
}
