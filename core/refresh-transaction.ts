/**
 * The two transactions around a refresh, pure. Together they hold "no lost rotation" and "one refresh at a time": the
 * intent is on file before the call, no second call starts inside the horizon of one whose end is unknown, and what
 * came back is saved by compare-and-set or kept as a candidate, never dropped. Longer than 300 lines: what begins a
 * refresh and what ends it keep one promise together, and are judged side by side.
 */
import type { Aggregate, Attempt, Changes, Decision, Grant, SealedToken } from './aggregate.ts';
import {
  closeLost,
  emptied,
  hasAnswer,
  isRotationLost,
  openUntil,
  SEND_BUDGET_MS,
  settleOthers,
  unrefused,
  withAttempt,
} from './attempts.ts';
import { blockedAt, blockedVerdict, clearTrouble, noteTrouble } from './app-trouble.ts';
import type { AppTrouble } from './aggregate.ts';
import type { Verdict } from './concur-codes.ts';
import { decideDeath } from './brake.ts';
import { type Connection, isEnded } from './connection.ts';
import type { AskedBy } from './inbox.ts';
import { horizonMs, keepAliveAtMs, LEAST_INTERVAL_MS, type RefreshPolicy, upkeepOf } from './refresh-policy.ts';
import { audit, type GrantFacts, type Remaining, type TransitionContext } from './transition.ts';
import { isProof } from './refresh-transitions.ts';
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
  /** Who asked for it, where somebody did: a command is on record. */
  readonly askedBy?: AskedBy;
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
  | { readonly decision: 'wait'; readonly untilMs: number }
  /** The app's own credentials are refused at this data centre: no connection calls. */
  | { readonly decision: 'app-blocked' }
  /** It is about a death: to be decided again with the crowd in sight. Nothing is written. */
  | { readonly decision: 'crowd-needed' };

export function beginRefresh(aggregate: Aggregate, input: BeginRefresh): Decision<BegunRefresh> {
  const { connection } = aggregate;
  const { nowMs, policy, cause } = input;
  if (connection === null || !mayRefresh(connection, cause)) return { result: { decision: 'adopted' }, changes: {} };
  if (input.expectedVersion !== null && connection.version > input.expectedVersion) {
    return { result: { decision: 'adopted' }, changes: {} };
  }
  // However short a life Concur gives a token, its readers make no storm.
  const sentAtMs = connection.accessTokenSentAtMs ?? 0;
  if (cause === 'fresh' && connection.state === 'active' && nowMs - sentAtMs < LEAST_INTERVAL_MS) {
    return { result: { decision: 'adopted' }, changes: {} };
  }
  if (cause === 'due' || cause === 'revoke') {
    const later = notDueYet(connection, input);
    if (later !== null) return { result: { decision: 'adopted' }, changes: later };
  }
  const openUntilMs = openUntil(aggregate.attempts, nowMs);
  if (openUntilMs !== null) return { result: { decision: 'wait', untilMs: openUntilMs }, changes: {} };
  if (connection.pausedUntilMs !== null && connection.pausedUntilMs > nowMs) {
    return { result: { decision: 'wait', untilMs: connection.pausedUntilMs }, changes: {} };
  }
  const token = untriedToken(aggregate);
  if (token === null) return endRefused(aggregate, connection, input);
  // Nothing can be probed where the flow of before 2017 is at home: each of its connections finds out by its own timer.
  const isLegacy = connection.principalType === 'legacy-user';
  const trouble = isLegacy ? null : blockedAt(aggregate, connection.dataCentre);
  // Who asks for it by name may find out that the credentials work again.
  if (trouble !== null && cause !== 'forced') return beginBlocked(connection, trouble, input);

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
    changes: { ...read, ...asked(connection, input), attempts: [attempt, ...closeLost(aggregate.attempts, nowMs)] },
  };
}

/** What the call would have been told is known already. */
function beginBlocked(connection: Connection, trouble: AppTrouble, input: BeginRefresh): Decision<BegunRefresh> {
  const event = {
    type: 'refresh-failed',
    verdict: blockedVerdict(trouble),
    remaining: { kind: 'none', rotationLost: false, held: false },
    uncertainUntilMs: null,
    correlationId: null,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input));
  const events = [...(asked(connection, input).events ?? []), ...transition.events];
  return { result: { decision: 'app-blocked' }, changes: { connection: transition.connection, events } };
}

function asked(connection: Connection, input: BeginRefresh): Pick<Changes, 'events'> {
  const { cause, askedBy } = input;
  if (askedBy === undefined) return {};
  const type = cause === 'rejected' ? 'command.token-rejected' : 'command.refresh';
  return { events: [audit(connection, connection, { ...contextOf(input), ...askedBy }, { type })] };
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
  return { connection: reduceConnection(connection, { type: 'refresh-postponed' }, contextOf(input)).connection };
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

/**
 * What to write when no token is left to ask with: the verdict that an open attempt held back until now. Without any
 * refused token there is no evidence, and nothing is written; a revoke then has nothing to do.
 */
function endRefused(aggregate: Aggregate, connection: Connection, input: BeginRefresh): Decision<BegunRefresh> {
  const { grant, attempts } = aggregate;
  const adopted = { decision: 'adopted' } as const;
  const hasEvidence = grant.current?.refused === true || connection.state === 'revoking';
  if (!hasEvidence || hasAnswer(attempts)) return { result: adopted, changes: {} };
  const rotationLost = isRotationLost(attempts, connection.version);
  const death = decideDeath(aggregate, connection, input);
  if (death === 'crowd-needed') return { result: { decision: death }, changes: {} };
  const event = {
    type: 'refresh-failed',
    verdict: everyTokenRefused,
    remaining: { kind: 'none', rotationLost, held: death.held },
    uncertainUntilMs: null,
    correlationId: null,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input));
  return {
    result: adopted,
    changes: {
      ...transition,
      ...death.changes,
      ...(death.held ? unrefused(aggregate) : {}),
      ...(transition.connection.state === 'revoked' ? emptied(attempts) : {}),
    },
  };
}

const everyTokenRefused: Verdict = {
  outcome: 'dead',
  scope: 'connection',
  reason: 'bad-refresh-token',
  pauseMs: null,
  slow: false,
  confirmAfterMs: null,
  alarm: false,
  mayHaveRotated: false,
  concurCode: null,
};

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
  | {
      readonly kind: 'failure';
      readonly verdict: Verdict;
      readonly correlationId: string | null;
      /** Data centre that gave the answer, where it is not the connection's own. */
      readonly dataCentre?: string;
      /** One that came all the same, in an answer of no other use. */
      readonly refreshToken?: string;
    };

export interface FinishRefresh {
  readonly attemptId: string;
  /** As it was begun: the database may have forgotten it (a fail-over, a restored backup), what it brought stays good. */
  readonly begun?: Attempt;
  readonly outcome: RefreshOutcome;
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
}

/** `crowd-needed`: it is about a death, to be decided again with the crowd in sight; nothing is written. */
export type FinishedRefresh = 'saved' | 'candidate' | 'failed' | 'duplicate' | 'crowd-needed';

export function finishRefresh(aggregate: Aggregate, input: FinishRefresh): Decision<FinishedRefresh> {
  const { connection } = aggregate;
  const attempt = aggregate.attempts.find(({ id }) => id === input.attemptId) ?? forgotten(aggregate, input);
  if (connection === null || attempt === undefined || attempt.status === 'done') {
    return { result: 'duplicate', changes: {} };
  }
  const { outcome } = input;
  if (outcome.kind === 'failure') return finishFailed(aggregate, connection, attempt, outcome, input);
  // The revoke that ended this life of the connection has ended these tokens with it.
  if (isEnded(connection.state) || connection.state === 'connecting') return keepCandidate(attempt, null);
  if (connection.version !== attempt.versionRead) return keepCandidate(attempt, outcome.refreshToken);
  return save(aggregate, connection, attempt, outcome, input);
}

/** The attempt as it was begun, when nothing on file shows that its tokens were ever saved. */
function forgotten({ grant }: Aggregate, { attemptId, begun, outcome }: FinishRefresh): Attempt | undefined {
  if (outcome.kind !== 'tokens' || outcome.refreshToken === null) return undefined;
  const isSaved = grant.current?.attemptId === attemptId || grant.previous?.attemptId === attemptId;
  return isSaved ? undefined : begun;
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
      accessToken: { sealed: outcome.accessToken, attemptId: attempt.id, tokenType: outcome.facts.tokenType },
      attempts: settleOthers(withAttempt(aggregate.attempts, attempt), attempt.id, input.nowMs),
      ...clearTrouble(aggregate, connection.dataCentre),
    },
  };
}

function nextGrant(aggregate: Aggregate, attempt: Attempt, refreshToken: string | null): Grant {
  const { current, previous } = aggregate.grant;
  const sent = tokenById(aggregate, attempt.tokenAttemptId);
  // It worked, whatever another attempt with it was told.
  const proven = sent && { ...sent, refused: false };
  if (refreshToken !== null) {
    const received = { sealed: refreshToken, attemptId: attempt.id, refused: false };
    return { current: received, previous: proven ?? current };
  }
  if (proven === null) return aggregate.grant;
  return { current: proven, previous: proven.attemptId === current?.attemptId ? previous : null };
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
  const isUncertain = verdict.outcome === 'uncertain' && attempt.horizonAtMs > nowMs && attempt.status !== 'lost';
  const settled: Attempt = {
    ...attempt,
    status: isUncertain ? 'uncertain' : verdict.mayHaveRotated ? 'lost' : 'done',
    candidate: candidateOf(attempt, outcome),
  };
  if (verdict.mayHaveRotated && attempt.status === 'lost') return { result: 'duplicate', changes: {} };
  // Told before: the horizon may have passed since, nothing else is new.
  if (verdict.outcome === 'uncertain' && attempt.status !== 'open') {
    if (settled.status === attempt.status) return { result: 'duplicate', changes: {} };
    return { result: 'failed', changes: { attempts: [settled] } };
  }
  const trouble = noteTrouble(aggregate, verdict, { dataCentre: outcome.dataCentre ?? connection.dataCentre, nowMs });
  // Somebody saved newer tokens meanwhile: this failure speaks of a token that is no longer in use.
  if (connection.version !== attempt.versionRead) {
    return { result: 'failed', changes: { attempts: [settled], ...trouble.changes } };
  }

  const refusedId = isProof(connection, verdict, nowMs) ? (attempt.tokenAttemptId ?? undefined) : undefined;
  const marked = refusedId === undefined ? null : markRefused(aggregate, refusedId);
  const others = (marked?.attempts ?? aggregate.attempts).filter(({ id }) => id !== attempt.id);
  const remaining = remainingProof(aggregate, attempt, refusedId, nowMs);
  const death =
    refusedId !== undefined && remaining.kind === 'none' ? decideDeath(aggregate, connection, input) : undefined;
  if (death === 'crowd-needed') return { result: death, changes: {} };
  const event = {
    type: 'refresh-failed',
    verdict,
    remaining: death === undefined ? remaining : { ...remaining, held: death.held },
    uncertainUntilMs: isUncertain ? attempt.horizonAtMs : null,
    isFirstOfApp: trouble.isFirst,
    correlationId,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input));
  const isRevoked = transition.connection.state === 'revoked' && connection.state === 'revoking';
  return {
    result: 'failed',
    changes: {
      connection: transition.connection,
      events: transition.events,
      attempts: [settled, ...(marked === null ? [] : others)],
      ...trouble.changes,
      ...(marked === null ? {} : { grant: marked.grant }),
      ...death?.changes,
      ...(death?.held === true ? unrefused({ grant: aggregate.grant, attempts: [settled, ...others] }) : {}),
      ...(isRevoked ? emptied([settled, ...others]) : {}),
    },
  };
}

/** Kept until it is proven useless: under strict rotation it is the only one alive. */
function candidateOf(
  attempt: Attempt,
  { refreshToken }: Extract<RefreshOutcome, { kind: 'failure' }>,
): Attempt['candidate'] {
  if (refreshToken === undefined) return attempt.candidate;
  return { sealed: refreshToken, attemptId: attempt.id, refused: false };
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
  const others = aggregate.attempts.filter(({ id }) => id !== attempt.id);
  // The answer of an exchange that nobody has looked at brings another.
  if (hasAnswer(others)) return { kind: 'open-attempt', untilMs: nowMs };
  return { kind: 'none', rotationLost: isRotationLost(others, attempt.versionRead), held: false };
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

function contextOf({ nowMs, policy, workflowId }: BeginRefresh | FinishRefresh): TransitionContext {
  return { nowMs, policy, workflowId, actor: 'workflow', reason: null };
}
