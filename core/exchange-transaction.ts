/**
 * The transactions of a Connect, pure: accept (landing page completed), begin (count the use, record the
 * intent), receive (the answer is on file before anything else is done with it). The last one is in `finish-exchange.ts`.
 *
 * A Connect for a living connection is a side attempt: until its exchange has succeeded, nothing but its session
 * is touched.
 */
import type { Aggregate, Attempt, ConnectSession, Decision } from './aggregate.ts';
import { blockedAt } from './app-trouble.ts';
import { type Connection, type ConnectionKey, isEnded, type PrincipalType } from './connection.ts';
import { closeLost, openUntil, SEND_BUDGET_MS } from './attempts.ts';
import { dataCentreOf, type IntakeKind, intakeKinds } from './intake-kind.ts';
import { horizonMs, type RefreshPolicy } from './refresh-policy.ts';
import type { TransitionContext } from './transition.ts';
import { reduceConnection } from './transitions.ts';

/** Concur allows a request token five uses within its 24 hours. */
const MAX_USES = 5;

/** Whether what a connect brought is of no more use at `atMs`: its time is over, or its uses are. */
export function isUsedUp(
  { kind, uses, expiresAtMs }: Pick<ConnectSession, 'kind' | 'uses' | 'expiresAtMs'>,
  atMs: number,
): boolean {
  return expiresAtMs <= atMs || (intakeKinds[kind].hasCountedUses && uses >= MAX_USES);
}

/** Pauses before the second to fifth use, in units of `RETRY_SLOW_EVERY`: at 5 min, 1 h, 6 h and 20 h by default. */
const USE_SPREAD = [1, 11, 60, 168] as const;

/** Clock and settings of every transaction of a Connect. */
export interface ExchangeTimes {
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
}

export interface AcceptConnect extends ExchangeTimes {
  readonly key: ConnectionKey;
  readonly sessionId: string;
  readonly actor: string;
  /** Of the request that completed it. */
  readonly correlationId?: string | null;
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
  const context = { ...exchangeContext(input, input.actor), correlationId: input.correlationId ?? null };
  const transition = reduceConnection(before, event, context);
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
    expiryNoticeDays: null,
    lastError: null,
    createdAtMs: input.nowMs,
  };
}

export interface BeginExchange extends ExchangeTimes {
  readonly attemptId: string;
  readonly sessionId: string;
}

export type BegunExchange =
  | {
      readonly decision: 'call';
      readonly connection: Connection;
      readonly attempt: Attempt;
      readonly kind: IntakeKind;
      /** Where to call. */
      readonly dataCentre: string;
      readonly requestToken: string;
      readonly userId: string | null;
    }
  /** An earlier try got its answer on file and went no further: go on from there. */
  | {
      readonly decision: 'resume';
      readonly connection: Connection;
      readonly attempt: Attempt;
      readonly kind: IntakeKind;
      readonly dataCentre: string;
      readonly userId: string | null;
    }
  | { readonly decision: 'wait'; readonly untilMs: number }
  /** The app's own credentials are refused where request tokens are exchanged: no use is spent. */
  | { readonly decision: 'app-blocked' }
  | { readonly decision: 'settled' };

/** A session that is over is not loaded: what it brought is not needed to finish what came of it. */
export const settledSession = { kind: 'request-token', dataCentre: null, userId: null } as const;

export function beginExchange(aggregate: Aggregate, input: BeginExchange): Decision<BegunExchange> {
  const { connection } = aggregate;
  const { nowMs } = input;
  const session = aggregate.sessions.find(({ id }) => id === input.sessionId);
  const received = aggregate.attempts.find(
    ({ status, sessionId }) => status === 'received' && sessionId === input.sessionId,
  );
  // Whatever became of the session meanwhile: what was obtained has to be kept or revoked.
  if (connection !== null && received !== undefined) {
    const { kind, dataCentre, userId } = session ?? settledSession;
    const at = dataCentreOf({ kind, dataCentre });
    return { result: { decision: 'resume', connection, attempt: received, kind, dataCentre: at, userId }, changes: {} };
  }
  if (connection === null || session === undefined || session.status !== 'completed') {
    return { result: { decision: 'settled' }, changes: {} };
  }
  const isOver = connection.state === 'revoking' || isEnded(connection.state);
  if (isOver && session.requestToken === null)
    return giveUp(aggregate, connection, session, 'connection-revoked', input);
  // Pressed after the revoke was asked for: its turn comes when the old grant is gone, or the revoke would end both.
  if (connection.state === 'revoking') {
    const untilMs = Math.max(nowMs + 1_000, connection.nextActionAtMs ?? 0);
    return { result: { decision: 'wait', untilMs }, changes: {} };
  }
  if (isEnded(connection.state)) return beginAgain(aggregate, connection, session, input);
  const openUntilMs = openUntil(aggregate.attempts, nowMs);
  if (openUntilMs !== null) return { result: { decision: 'wait', untilMs: openUntilMs }, changes: {} };
  if (session.requestToken === null || isUsedUp(session, nowMs)) {
    const { refused } = intakeKinds[session.kind];
    return giveUp(aggregate, connection, session, refused, input);
  }
  if (session.nextTryAtMs > nowMs) return { result: { decision: 'wait', untilMs: session.nextTryAtMs }, changes: {} };
  const dataCentre = dataCentreOf(session);
  if (blockedAt(aggregate, dataCentre) !== null) {
    const waiting = { ...session, nextTryAtMs: nowMs + blockedPauseMs(input.policy) };
    return { result: { decision: 'app-blocked' }, changes: { sessions: [waiting] } };
  }

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
  const uses = session.uses + 1;
  const isLast = isUsedUp({ ...session, uses }, nowMs);
  const nextTryAtMs = isLast ? attempt.horizonAtMs : nowMs + spreadMs(input.policy, session.uses);
  const counted = { ...session, uses, nextTryAtMs };
  return {
    result: {
      decision: 'call',
      connection,
      attempt,
      kind: session.kind,
      dataCentre,
      requestToken: session.requestToken,
      userId: session.userId,
    },
    changes: { attempts: [attempt, ...closeLost(aggregate.attempts, nowMs)], sessions: [counted] },
  };
}

/** A Connect that was accepted while the connection was being revoked: it begins now as it would have then. */
function beginAgain(
  aggregate: Aggregate,
  connection: Connection,
  { customerRef, userId }: ConnectSession,
  input: BeginExchange,
): Decision<BegunExchange> {
  const event = { type: 'connect-accepted', customerRef, userId } as const;
  const accepted = reduceConnection(connection, event, exchangeContext(input, 'concur-admin'));
  const { result, changes } = beginExchange({ ...aggregate, connection: accepted.connection }, input);
  const events = [...accepted.events, ...(changes.events ?? [])];
  return { result, changes: { connection: accepted.connection, ...changes, events } };
}

function giveUp(
  aggregate: Aggregate,
  connection: Connection,
  session: ConnectSession,
  failure: string,
  input: BeginExchange,
): Decision<BegunExchange> {
  const event = {
    type: 'exchange-failed',
    final: true,
    othersWait: hasOthers(aggregate, session),
    reason: failure,
    concurCode: connection.lastError?.concurCode ?? null,
    correlationId: connection.lastError?.correlationId ?? null,
    userId: session.userId,
  } as const;
  const transition = reduceConnection(connection, event, exchangeContext(input, 'workflow'));
  return { result: { decision: 'settled' }, changes: { ...transition, sessions: [shred(session, 'failed', failure)] } };
}

/** Whether another connect waits its turn. */
export function hasOthers({ sessions }: Aggregate, session: ConnectSession | undefined): boolean {
  return sessions.some(({ id, status }) => id !== session?.id && status === 'completed');
}

/** Puts the sealed answer on file: before identity, before the tokens are sorted, before anything. */
export function receiveExchange(
  aggregate: Aggregate,
  input: {
    readonly attemptId: string;
    readonly answer: string;
    /** As it was begun, in case the database has forgotten it while its session still waits. */
    readonly begun?: Attempt;
  },
): Decision<boolean> {
  const { begun } = input;
  const isWaitedFor = aggregate.sessions.some(({ id, status }) => id === begun?.sessionId && status === 'completed');
  const attempt = aggregate.attempts.find(({ id }) => id === input.attemptId) ?? (isWaitedFor ? begun : undefined);
  if (attempt === undefined || attempt.status === 'done') return { result: false, changes: {} };
  return { result: true, changes: { attempts: [{ ...attempt, status: 'received', answer: input.answer }] } };
}

/** Settles a session: its request token is of no more use and goes. */
export function shred(session: ConnectSession, status: 'connected' | 'failed', failure: string | null): ConnectSession {
  return { ...session, status, failure, requestToken: null };
}

/** Looking again whether the app is still blocked costs no call, and an administrator may be waiting. */
export function blockedPauseMs(policy: RefreshPolicy): number {
  return policy.appProbeEveryMs;
}

/** Pause before the use after `uses` earlier ones. */
function spreadMs(policy: RefreshPolicy, uses: number): number {
  return policy.retrySlowEveryMs * (USE_SPREAD[Math.min(uses, USE_SPREAD.length - 1)] ?? 1);
}

export function exchangeContext(input: ExchangeTimes, actor: string): TransitionContext {
  return { nowMs: input.nowMs, policy: input.policy, workflowId: input.workflowId, actor, reason: null };
}
