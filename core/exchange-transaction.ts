/**
 * The transactions of a Connect, pure: accept (landing page completed), begin (count the use, record the
 * intent), receive (the answer is on file before anything else is done with it), finish.
 *
 * A Connect for a living connection is a side attempt: until its exchange has succeeded, nothing but its session
 * is touched.
 */
import type { Aggregate, Attempt, ConnectSession, Decision } from './aggregate.ts';
import type { Verdict } from './concur-codes.ts';
import { type Connection, type ConnectionKey, isEnded, type PrincipalType } from './connection.ts';
import { closeLost, openUntil, SEND_BUDGET_MS } from './refresh-transaction.ts';
import { horizonMs, type RefreshPolicy } from './refresh-policy.ts';
import type { GrantFacts, IdentityFacts, TransitionContext } from './transition.ts';
import { reduceConnection } from './transitions.ts';

/** Concur allows a request token five uses within its 24 hours. */
const MAX_USES = 5;

/** Pauses before the second to fifth use, in units of `RETRY_SLOW_EVERY`: at 5 min, 1 h, 6 h and 20 h by default. */
const USE_SPREAD = [1, 11, 60, 168] as const;

/** A request that never left this machine costs no use; it is tried again after this. */
const UNSENT_PAUSE_MS = 15_000;

interface Times {
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
}

export interface AcceptConnect extends Times {
  readonly key: ConnectionKey;
  readonly sessionId: string;
  readonly actor: string;
  /** Id of the row, used if there is none yet. */
  readonly newConnectionId: string;
  readonly principalType: PrincipalType;
}

/** The landing page was completed: from here on the request token may be exchanged. */
export function acceptConnect(aggregate: Aggregate, input: AcceptConnect): Decision<Connection> {
  const session = aggregate.sessions.find(({ id }) => id === input.sessionId);
  const before = aggregate.connection ?? buildConnection(input);
  const event = {
    type: 'connect-accepted',
    customerRef: session?.customerRef ?? null,
    userId: session?.userId ?? null,
  } as const;
  const transition = reduceConnection(before, event, contextOf(input, input.actor));
  if (aggregate.connection !== null) return { result: transition.connection, changes: transition };
  // The trail of a new connection begins with no state at all.
  const events = transition.events.map((entry) => ({ ...entry, stateFrom: null }));
  return { result: transition.connection, changes: { connection: transition.connection, events } };
}

/** A connection that does not exist yet, in the state from which `connect-accepted` leads on. */
function buildConnection(input: AcceptConnect): Connection {
  return {
    ...input.key,
    id: input.newConnectionId,
    principalType: input.principalType,
    state: 'connect-failed',
    stateSinceMs: input.nowMs,
    reason: null,
    resumeState: null,
    version: 0,
    dataCentre: null,
    geolocation: null,
    scope: null,
    missingScopes: [],
    company: null,
    customerRef: null,
    identity: null,
    accessTokenSentAtMs: null,
    accessTokenExpiresAtMs: null,
    refreshTokenExpiresAtMs: null,
    connectedAtMs: null,
    lastRefreshedAtMs: null,
    rotationsOnDay: 0,
    lastReadAtMs: null,
    nextActionAtMs: null,
    pausedUntilMs: null,
    failureCount: 0,
    suspectedSinceMs: null,
    lastError: null,
    createdAtMs: input.nowMs,
  };
}

export interface BeginExchange extends Times {
  readonly attemptId: string;
  readonly sessionId: string;
}

export type BegunExchange =
  | {
      readonly decision: 'call';
      readonly connection: Connection;
      readonly attempt: Attempt;
      readonly requestToken: string;
      readonly userId: string | null;
    }
  /** An earlier try got its answer on file and went no further: go on from there. */
  | {
      readonly decision: 'resume';
      readonly connection: Connection;
      readonly attempt: Attempt;
      readonly userId: string | null;
    }
  | { readonly decision: 'wait'; readonly untilMs: number }
  | { readonly decision: 'settled' };

export function beginExchange(aggregate: Aggregate, input: BeginExchange): Decision<BegunExchange> {
  const { connection } = aggregate;
  const { nowMs } = input;
  const session = aggregate.sessions.find(({ id }) => id === input.sessionId);
  if (connection === null || session === undefined || session.status !== 'completed') {
    return { result: { decision: 'settled' }, changes: {} };
  }
  if (isEnded(connection.state)) return giveUp(connection, session, 'session-expired', input);
  const received = aggregate.attempts.find(
    ({ status, sessionId }) => status === 'received' && sessionId === session.id,
  );
  if (received !== undefined) {
    return { result: { decision: 'resume', connection, attempt: received, userId: session.userId }, changes: {} };
  }
  if (connection.state === 'revoking') return giveUp(connection, session, 'connection-revoked', input);
  const openUntilMs = openUntil(aggregate.attempts, nowMs);
  if (openUntilMs !== null) return { result: { decision: 'wait', untilMs: openUntilMs }, changes: {} };
  if (session.requestToken === null || session.expiresAtMs <= nowMs || session.uses >= MAX_USES) {
    return giveUp(connection, session, 'request-token-rejected', input);
  }
  if (session.nextTryAtMs > nowMs) return { result: { decision: 'wait', untilMs: session.nextTryAtMs }, changes: {} };

  const attempt: Attempt = {
    id: input.attemptId,
    kind: 'exchange',
    status: 'open',
    versionRead: connection.version,
    tokenAttemptId: null,
    sessionId: session.id,
    startedAtMs: nowMs,
    horizonAtMs: nowMs + SEND_BUDGET_MS + horizonMs(input.policy),
    answer: null,
    candidate: null,
  };
  // The use is counted before the call, and the next one spread, in case this try never reports back.
  const counted = { ...session, uses: session.uses + 1, nextTryAtMs: nowMs + spreadMs(input.policy, session.uses) };
  return {
    result: { decision: 'call', connection, attempt, requestToken: session.requestToken, userId: session.userId },
    changes: { attempts: [attempt, ...closeLost(aggregate.attempts, nowMs)], sessions: [counted] },
  };
}

function giveUp(
  connection: Connection,
  session: ConnectSession,
  failure: string,
  input: BeginExchange,
): Decision<BegunExchange> {
  const event = {
    type: 'exchange-failed',
    final: true,
    reason: failure,
    concurCode: connection.lastError?.concurCode ?? null,
    correlationId: connection.lastError?.correlationId ?? null,
    userId: session.userId,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input, 'workflow'));
  return { result: { decision: 'settled' }, changes: { ...transition, sessions: [shred(session, 'failed', failure)] } };
}

/** Puts the sealed answer on file: before identity, before the tokens are sorted, before anything. */
export function receiveExchange(aggregate: Aggregate, input: { attemptId: string; answer: string }): Decision<boolean> {
  const attempt = aggregate.attempts.find(({ id }) => id === input.attemptId);
  if (attempt === undefined || attempt.status === 'done') return { result: false, changes: {} };
  return { result: true, changes: { attempts: [{ ...attempt, status: 'received', answer: input.answer }] } };
}

export type ExchangeOutcome =
  | {
      readonly kind: 'tokens';
      readonly facts: GrantFacts;
      readonly identity: IdentityFacts;
      readonly accessToken: string;
      readonly refreshToken: string;
      readonly correlationId: string | null;
    }
  /** Concur gave tokens, but the connect can't be finished; `disposal` says what became of them. */
  | {
      readonly kind: 'refused';
      readonly reason: 'identity-mismatch' | 'no-refresh-token' | 'foreign-geolocation';
      readonly disposal: 'revoked' | 'discarded' | 'unrevoked';
      readonly correlationId: string | null;
    }
  | {
      readonly kind: 'failure';
      readonly verdict: Verdict;
      readonly sent: boolean;
      readonly correlationId: string | null;
    };

export interface FinishExchange extends Times {
  readonly attemptId: string;
  readonly outcome: ExchangeOutcome;
}

export type FinishedExchange = 'connected' | 'failed' | 'duplicate';

export function finishExchange(aggregate: Aggregate, input: FinishExchange): Decision<FinishedExchange> {
  const { connection } = aggregate;
  const attempt = aggregate.attempts.find(({ id }) => id === input.attemptId);
  if (connection === null || attempt === undefined || attempt.status === 'done') {
    return { result: 'duplicate', changes: {} };
  }
  const session = aggregate.sessions.find(({ id }) => id === attempt.sessionId);
  const { outcome } = input;
  switch (outcome.kind) {
    case 'tokens':
      return finishConnected(aggregate, connection, attempt, session, outcome, input);
    case 'refused':
      return finishRefused(connection, attempt, session, outcome, input);
    case 'failure':
      return finishFailed(connection, attempt, session, outcome, input);
  }
}

function finishConnected(
  aggregate: Aggregate,
  connection: Connection,
  attempt: Attempt,
  session: ConnectSession | undefined,
  outcome: Extract<ExchangeOutcome, { kind: 'tokens' }>,
  input: FinishExchange,
): Decision<FinishedExchange> {
  const event = {
    type: 'exchange-succeeded',
    facts: outcome.facts,
    identity: outcome.identity,
    customerRef: session?.customerRef ?? null,
    userId: session?.userId ?? null,
    correlationId: outcome.correlationId,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input, 'concur-admin'));
  return {
    result: 'connected',
    changes: {
      ...transition,
      grant: {
        current: { sealed: outcome.refreshToken, attemptId: attempt.id, refused: false },
        previous: aggregate.grant.current,
      },
      accessToken: { sealed: outcome.accessToken, attemptId: attempt.id, tokenType: 'Bearer' },
      attempts: aggregate.attempts.map((other) =>
        other.id === attempt.id || other.status === 'lost'
          ? { ...other, status: 'done', answer: null, candidate: null }
          : other,
      ),
      // Older connects that still wait are overtaken by this one.
      sessions: aggregate.sessions
        .filter(({ status }) => status === 'completed')
        .map((other) => shred(other, 'connected', null)),
    },
  };
}

function finishRefused(
  connection: Connection,
  attempt: Attempt,
  session: ConnectSession | undefined,
  outcome: Extract<ExchangeOutcome, { kind: 'refused' }>,
  input: FinishExchange,
): Decision<FinishedExchange> {
  const event = {
    type: 'exchange-failed',
    final: true,
    reason: `${outcome.reason}:${outcome.disposal}`,
    concurCode: null,
    correlationId: outcome.correlationId,
    userId: session?.userId ?? null,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input, 'workflow'));
  const failure = outcome.reason === 'identity-mismatch' ? 'identity-mismatch' : 'connect-failed';
  // The reason on the connection is the plain word; what became of the tokens stays in the audit trail.
  const state = transition.connection.state;
  const named =
    state === 'connect-failed' ? { ...transition.connection, reason: outcome.reason } : transition.connection;
  return {
    result: 'failed',
    changes: {
      connection: named,
      events: transition.events,
      attempts: [{ ...attempt, status: 'done', answer: null }],
      sessions: session === undefined ? [] : [shred(session, 'failed', failure)],
    },
  };
}

function finishFailed(
  connection: Connection,
  attempt: Attempt,
  session: ConnectSession | undefined,
  outcome: Extract<ExchangeOutcome, { kind: 'failure' }>,
  input: FinishExchange,
): Decision<FinishedExchange> {
  const { nowMs } = input;
  const { verdict, sent } = outcome;
  const isUncertain = verdict.outcome === 'uncertain' && attempt.horizonAtMs > nowMs;
  const settled: Attempt = { ...attempt, status: isUncertain ? 'uncertain' : 'done' };
  if (session === undefined || session.status !== 'completed')
    return { result: 'failed', changes: { attempts: [settled] } };

  const uses = sent ? session.uses : session.uses - 1;
  const pauseMs = verdict.pauseMs ?? 0;
  const nextTryAtMs = sent
    ? Math.max(session.nextTryAtMs, nowMs + pauseMs, isUncertain ? attempt.horizonAtMs : 0)
    : nowMs + UNSENT_PAUSE_MS;
  const isFinal = verdict.outcome === 'dead' || uses >= MAX_USES || nextTryAtMs >= session.expiresAtMs;
  const event = {
    type: 'exchange-failed',
    final: isFinal && !isUncertain,
    reason: verdict.reason,
    concurCode: verdict.concurCode,
    correlationId: outcome.correlationId,
    userId: session.userId,
  } as const;
  const transition = reduceConnection(connection, event, contextOf(input, 'workflow'));
  const failure = verdict.outcome === 'dead' ? 'request-token-rejected' : 'connect-failed';
  const nextSession = event.final ? shred(session, 'failed', failure) : { ...session, uses, nextTryAtMs };
  return { result: 'failed', changes: { ...transition, attempts: [settled], sessions: [nextSession] } };
}

/** Settles a session: its request token is of no more use and goes. */
function shred(session: ConnectSession, status: 'connected' | 'failed', failure: string | null): ConnectSession {
  return { ...session, status, failure, requestToken: null };
}

/** Pause before the use after `uses` earlier ones. */
function spreadMs(policy: RefreshPolicy, uses: number): number {
  return policy.retrySlowEveryMs * (USE_SPREAD[Math.min(uses, USE_SPREAD.length - 1)] ?? 1);
}

function contextOf(input: Times, actor: string): TransitionContext {
  return { nowMs: input.nowMs, policy: input.policy, workflowId: input.workflowId, actor, reason: null };
}
