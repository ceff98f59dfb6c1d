/**
 * The last transaction of a Connect, pure: what came of the exchange. Success overwrites in place, failure touches a
 * connection that is connecting, and beside a living one nothing but the session.
 */
import type { Aggregate, Attempt, ConnectSession, Decision } from './aggregate.ts';
import { clearTrouble, isAppTrouble, noteTrouble, RECHECK_MS } from './app-trouble.ts';
import { settleOthers } from './attempts.ts';
import type { Verdict } from './concur-codes.ts';
import { type Connection, isEnded, isLiving } from './connection.ts';
import {
  blockedPauseMs,
  exchangeContext,
  type ExchangeTimes,
  hasOthers,
  isUsedUp,
  shred,
} from './exchange-transaction.ts';
import { intakeKinds } from './intake-kind.ts';
import type { GrantFacts, IdentityFacts } from './transition.ts';
import { type RefreshPolicy, servicePauseMs } from './refresh-policy.ts';
import { reduceConnection } from './transitions.ts';

/** A request that never left this machine costs no use; it is tried again after this, and twice as long each time. */
const UNSENT_PAUSE_MS = 15_000;

/** Beside a living connection there is no hurry. */
function unsentPauseMs({ state, failureCount }: Connection, { retrySlowEveryMs }: RefreshPolicy): number {
  if (state !== 'connecting') return retrySlowEveryMs;
  return Math.min(UNSENT_PAUSE_MS * 2 ** failureCount, retrySlowEveryMs);
}

/** What came of the call. Tokens are already sealed under the attempt's id. */
export type ExchangeOutcome =
  | {
      readonly kind: 'tokens';
      readonly facts: GrantFacts;
      readonly identity: IdentityFacts;
      readonly accessToken: string;
      readonly refreshToken: string;
      readonly correlationId: string | null;
      /** Data centre that was asked, which need not be the one they belong to. */
      readonly dataCentre: string;
    }
  /** Concur gave tokens, but the connect can't be finished; `disposal` says what became of them. */
  | {
      readonly kind: 'refused';
      readonly reason: 'identity-mismatch' | 'no-refresh-token' | 'foreign-geolocation';
      readonly disposal: 'revoked' | 'discarded' | 'unrevoked';
      readonly correlationId: string | null;
    }
  /**
   * An import whose grant nobody has vouched for while its access token lived. `credential`: the refresh token that came
   * with it, sealed as what the session brings; under strict rotation there is no other any more.
   */
  | { readonly kind: 'unproven'; readonly credential: string; readonly correlationId: string | null }
  | {
      readonly kind: 'failure';
      readonly verdict: Verdict;
      readonly sent: boolean;
      readonly correlationId: string | null;
      /** Data centre that was asked. */
      readonly dataCentre: string;
    };

export interface FinishExchange extends ExchangeTimes {
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
      return finishRefused(aggregate, connection, attempt, session, outcome, input);
    case 'unproven':
      return finishUnproven(aggregate, connection, attempt, session, outcome, input);
    case 'failure':
      return finishFailed(aggregate, connection, attempt, session, outcome, input);
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
  // Another Connect was faster, and this one's was over: its tokens overwrite nothing, but may be the ones that live on.
  if (session === undefined && isLiving(connection.state) && connection.version !== attempt.versionRead) {
    const candidate = { sealed: outcome.refreshToken, attemptId: attempt.id, refused: false };
    return { result: 'duplicate', changes: { attempts: [{ ...attempt, status: 'done', answer: null, candidate }] } };
  }
  const event = {
    type: 'exchange-succeeded',
    facts: outcome.facts,
    identity: outcome.identity,
    customerRef: session?.customerRef ?? null,
    userId: session?.userId ?? null,
    correlationId: outcome.correlationId,
  } as const;
  const transition = reduceConnection(connection, event, exchangeContext(input, 'concur-admin'));
  const answered = new Set(
    aggregate.attempts
      .filter(({ id, status }) => id !== attempt.id && status === 'received')
      .map(({ sessionId }) => sessionId),
  );
  return {
    result: 'connected',
    changes: {
      ...transition,
      grant: {
        current: { sealed: outcome.refreshToken, attemptId: attempt.id, refused: false },
        previous: aggregate.grant.current,
      },
      accessToken: { sealed: outcome.accessToken, attemptId: attempt.id, tokenType: outcome.facts.tokenType },
      attempts: settleOthers(aggregate.attempts, attempt.id, input.nowMs),
      // Connects that still wait are overtaken by this one: tried later, they would undo a Disconnect after it.
      sessions: aggregate.sessions
        .filter(({ id, status }) => status === 'completed' && !answered.has(id))
        // Whose they are nobody knows: only the browser that made the connection is told about it.
        .map((other) =>
          other.id === attempt.sessionId ? shred(other, 'connected', null) : shred(other, 'failed', 'connect-failed'),
        ),
      ...clearTrouble(aggregate, outcome.dataCentre),
    },
  };
}

function finishRefused(
  aggregate: Aggregate,
  connection: Connection,
  attempt: Attempt,
  session: ConnectSession | undefined,
  outcome: Extract<ExchangeOutcome, { kind: 'refused' }>,
  input: FinishExchange,
): Decision<FinishedExchange> {
  const event = {
    type: 'exchange-failed',
    final: true,
    othersWait: hasOthers(aggregate, session),
    reason: `${outcome.reason}:${outcome.disposal}`,
    concurCode: null,
    correlationId: outcome.correlationId,
    userId: session?.userId ?? null,
  } as const;
  const transition = reduceConnection(connection, event, exchangeContext(input, 'workflow'));
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

/** Asked again with the refresh token of the answer, until somebody tells whose it is or the import's time is over. */
function finishUnproven(
  aggregate: Aggregate,
  connection: Connection,
  attempt: Attempt,
  session: ConnectSession | undefined,
  { credential, correlationId }: Extract<ExchangeOutcome, { kind: 'unproven' }>,
  input: FinishExchange,
): Decision<FinishedExchange> {
  const isUnwanted = connection.state === 'revoking' || isEnded(connection.state);
  if (session?.status !== 'completed' || isUnwanted || isUsedUp(session, input.nowMs)) {
    const refused = { kind: 'refused', reason: 'identity-mismatch', disposal: 'discarded', correlationId } as const;
    return finishRefused(aggregate, connection, attempt, session, refused, input);
  }
  const event = {
    type: 'exchange-failed',
    final: false,
    othersWait: hasOthers(aggregate, session),
    reason: 'identity-unknown',
    concurCode: null,
    correlationId,
    userId: session.userId,
  } as const;
  return {
    result: 'failed',
    changes: {
      ...reduceConnection(connection, event, exchangeContext(input, 'workflow')),
      attempts: [{ ...attempt, status: 'done', answer: null }],
      sessions: [{ ...session, requestToken: credential, nextTryAtMs: input.nowMs }],
    },
  };
}

function finishFailed(
  aggregate: Aggregate,
  connection: Connection,
  attempt: Attempt,
  session: ConnectSession | undefined,
  outcome: Extract<ExchangeOutcome, { kind: 'failure' }>,
  input: FinishExchange,
): Decision<FinishedExchange> {
  const { nowMs } = input;
  const { verdict, sent } = outcome;
  // The answer came while somebody was still noting that none had.
  if (attempt.status === 'received') return { result: 'duplicate', changes: {} };
  const isUncertain = verdict.outcome === 'uncertain' && attempt.horizonAtMs > nowMs;
  const settled: Attempt = { ...attempt, status: isUncertain ? 'uncertain' : 'done' };
  if (verdict.outcome === 'uncertain' && attempt.status === 'uncertain' && isUncertain) {
    return { result: 'duplicate', changes: {} };
  }
  const trouble = noteTrouble(aggregate, verdict, { dataCentre: outcome.dataCentre, nowMs });
  if (session === undefined || session.status !== 'completed')
    return { result: 'failed', changes: { attempts: [settled], ...trouble.changes } };

  // A request token that was not looked at, because the client was refused before or the company is being maintained,
  // has lost nothing.
  const isMaintenance = verdict.outcome === 'maintenance';
  const isSpent = sent && !isAppTrouble(verdict) && !isMaintenance;
  const uses = isSpent ? session.uses : session.uses - 1;
  const { policy } = input;
  const pauseMs = servicePauseMs(policy, verdict) ?? 0;
  const unspentPauseMs = sent
    ? trouble.isFirst
      ? RECHECK_MS
      : blockedPauseMs(policy)
    : unsentPauseMs(connection, policy);
  const nextTryAtMs = isSpent
    ? Math.max(session.nextTryAtMs, nowMs + pauseMs, isUncertain ? attempt.horizonAtMs : 0)
    : nowMs + Math.max(unspentPauseMs, pauseMs);
  const isUnwanted = connection.state === 'revoking' || isEnded(connection.state);
  const isFinal = isUnwanted || verdict.outcome === 'dead' || isUsedUp({ ...session, uses }, nextTryAtMs);
  const event = {
    type: 'exchange-failed',
    final: isFinal && !isUncertain,
    othersWait: hasOthers(aggregate, session),
    isFailure: !isMaintenance,
    reason: verdict.reason,
    concurCode: verdict.concurCode,
    correlationId: outcome.correlationId,
    userId: session.userId,
  } as const;
  const transition = reduceConnection(connection, event, exchangeContext(input, 'workflow'));
  const failure = verdict.outcome === 'dead' ? intakeKinds[session.kind].refused : 'connect-failed';
  const nextSession = event.final ? shred(session, 'failed', failure) : { ...session, uses, nextTryAtMs };
  // Tries that never left, or cost nothing, come often: beside a living connection the last of them is enough.
  const isNoise = !isSpent && !event.final && connection.state !== 'connecting';
  const changes = { ...transition, ...(isNoise ? { events: [] } : {}) };
  return {
    result: 'failed',
    changes: { ...changes, attempts: [settled], sessions: [nextSession], ...trouble.changes },
  };
}
