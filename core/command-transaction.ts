/**
 * Commands of people and programs, and the two transactions around a revoke, pure. A revoke stops the reads in
 * the very transaction that records the wish; the call to Concur comes after.
 */
import type { Aggregate, Attempt, ConnectSession, Decision } from './aggregate.ts';
import { APP_GUARDIAN, clearTrouble, noteTrouble } from './app-trouble.ts';
import type { Verdict } from './concur-codes.ts';
import type { Connection } from './connection.ts';
import { closeLost, emptied, hasAnswer, openUntil, SEND_BUDGET_MS, unrefused } from './attempts.ts';
import { horizonMs, type RefreshPolicy } from './refresh-policy.ts';
import { isUnverified } from './command-transitions.ts';
import type { ConnectionEvent, TransitionContext } from './transition.ts';
import { reduceConnection } from './transitions.ts';

interface Times {
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
}

export type CommandName = 'pause' | 'resume' | 'revoke' | 'revive' | 'app-restored';

export interface Command extends Times {
  readonly name: CommandName;
  /** `client:{id}`, `cli:{user}`, `operator`. */
  readonly actor: string;
  readonly reason: string | null;
  /** Of the request; null or missing where nobody has one. */
  readonly correlationId?: string | null;
}

/** Applies a command; the connection as it is afterwards, null when there is none. Idempotent. */
export function applyCommand(aggregate: Aggregate, command: Command): Decision<Connection | null> {
  const { connection } = aggregate;
  if (connection === null) return { result: null, changes: {} };
  const context: TransitionContext = command;
  if (command.name === 'revive' && aggregate.grant.current === null) {
    // Nothing is left to ask with.
    return { result: connection, changes: {} };
  }
  if (command.name !== 'revoke') {
    const transition = reduceConnection(connection, { type: command.name }, context);
    const isRevived = command.name === 'revive' && transition.connection !== connection;
    // Somebody says that the credentials work: this connection finds out. The guardian has found out by itself.
    const isClaim = command.name === 'app-restored' && command.actor !== APP_GUARDIAN;
    return {
      result: transition.connection,
      changes: {
        ...transition,
        ...(isRevived ? unrefused(aggregate) : {}),
        ...(isClaim ? clearTrouble(aggregate, connection.dataCentre) : {}),
      },
    };
  }
  const hasGrant = aggregate.grant.current !== null;
  const isCalling = openUntil(aggregate.attempts, command.nowMs) !== null;
  const event = {
    type: 'revoke',
    nothingToRevoke: !hasGrant && !isCalling && !hasAnswer(aggregate.attempts),
  } as const;
  const transition = reduceConnection(connection, event, context);
  if (transition.connection === connection) return { result: connection, changes: {} };
  return {
    result: transition.connection,
    changes: {
      ...transition,
      // No later try may bring the grant back: request tokens and candidates go now.
      sessions: aggregate.sessions.map((session) => giveUp(session, aggregate.attempts)),
      attempts: aggregate.attempts.map((attempt) => ({ ...attempt, candidate: null })),
    },
  };
}

/** A session whose exchange has or may yet have an answer stays until that is known: its tokens are to be revoked. */
function giveUp(session: ConnectSession, attempts: readonly Attempt[]): ConnectSession {
  const shredded = { ...session, requestToken: null };
  const exchange = attempts.find(({ sessionId, status }) => sessionId === session.id && status !== 'done');
  if (exchange === undefined || exchange.status === 'lost') {
    return { ...shredded, status: 'failed', failure: 'connection-revoked' };
  }
  return { ...shredded, nextTryAtMs: Math.min(session.nextTryAtMs, exchange.horizonAtMs) };
}

export interface BeginRevoke extends Times {
  readonly attemptId: string;
  /** Whether an access token is on file to do it with. */
  readonly hasAccessToken: boolean;
}

export type BegunRevoke =
  | { readonly decision: 'call'; readonly connection: Connection; readonly attempt: Attempt; readonly withinMs: number }
  /** Concur's revoke needs a live access token, and there is none. */
  | { readonly decision: 'refresh-first' }
  | { readonly decision: 'wait'; readonly untilMs: number }
  | { readonly decision: 'settled' };

/** An access token with less life left than this is refreshed before it is used for the revoke. */
const LEAST_LIFE_MS = 2_000;

export function beginRevoke(aggregate: Aggregate, input: BeginRevoke): Decision<BegunRevoke> {
  const { connection, grant } = aggregate;
  const { nowMs } = input;
  if (connection === null || connection.state !== 'revoking') return { result: { decision: 'settled' }, changes: {} };
  // Tokens that nobody has looked at yet: finishing their exchange comes first, then they are revoked too.
  if (hasAnswer(aggregate.attempts)) return { result: { decision: 'settled' }, changes: {} };
  const openUntilMs = openUntil(aggregate.attempts, nowMs);
  if (openUntilMs !== null) return { result: { decision: 'wait', untilMs: openUntilMs }, changes: {} };
  if (grant.current === null) {
    return { result: { decision: 'settled' }, changes: confirm(aggregate, connection, null, null, input) };
  }
  const lifeMs = (connection.accessTokenExpiresAtMs ?? 0) - nowMs;
  if (lifeMs < LEAST_LIFE_MS || !input.hasAccessToken) {
    // The row says so too, so that whoever decides by it with another clock decides the same.
    return {
      result: { decision: 'refresh-first' },
      changes: { connection: { ...connection, accessTokenExpiresAtMs: null } },
    };
  }
  const attempt: Attempt = {
    id: input.attemptId,
    kind: 'revoke',
    status: 'open',
    versionRead: connection.version,
    tokenAttemptId: grant.current.attemptId,
    sessionId: null,
    startedAtMs: nowMs,
    horizonAtMs: nowMs + SEND_BUDGET_MS + horizonMs(input.policy),
    answer: null,
    candidate: null,
  };
  return {
    result: { decision: 'call', connection, attempt, withinMs: lifeMs },
    changes: { attempts: [attempt, ...closeLost(aggregate.attempts, nowMs)] },
  };
}

export interface FinishRevoke extends Times {
  readonly attemptId: string;
  readonly outcome:
    | { readonly kind: 'confirmed'; readonly correlationId: string | null }
    | { readonly kind: 'failure'; readonly verdict: Verdict; readonly correlationId: string | null };
}

export function finishRevoke(aggregate: Aggregate, input: FinishRevoke): Decision<null> {
  const { connection } = aggregate;
  const attempt = aggregate.attempts.find(({ id }) => id === input.attemptId);
  if (connection === null || attempt === undefined || attempt.status === 'done') return { result: null, changes: {} };
  // Too late: confirmed by other means, and perhaps connected again since.
  if (connection.state !== 'revoking') return { result: null, changes: { attempts: [{ ...attempt, status: 'done' }] } };
  const { outcome, nowMs } = input;
  // "Bad refresh token" is as good a confirmation: there is nothing left to revoke.
  if (outcome.kind === 'confirmed' || outcome.verdict.outcome === 'revoked') {
    const concurCode = outcome.kind === 'confirmed' ? null : outcome.verdict.concurCode;
    return { result: null, changes: confirm(aggregate, connection, outcome.correlationId, concurCode, input) };
  }
  const { verdict, correlationId } = outcome;
  const isUncertain = verdict.outcome === 'uncertain' && attempt.horizonAtMs > nowMs;
  // Told before.
  if (verdict.outcome === 'uncertain' && attempt.status === 'uncertain') return { result: null, changes: {} };
  const trouble = noteTrouble(aggregate, verdict, { dataCentre: connection.dataCentre, nowMs });
  const event: ConnectionEvent = { type: 'revoke-failed', verdict, correlationId };
  const transition = reduceConnection(connection, event, contextOf(input));
  // Refused: the access token is of no use any more, so the next step is the refresh that proves it.
  const refused = isUnverified(verdict);
  const after = refused ? { ...transition.connection, accessTokenExpiresAtMs: null } : transition.connection;
  return {
    result: null,
    changes: {
      connection: after,
      events: transition.events,
      attempts: [{ ...attempt, status: isUncertain ? 'uncertain' : 'done' }],
      ...(refused ? { accessToken: null } : {}),
      ...trouble.changes,
    },
  };
}

function confirm(
  aggregate: Aggregate,
  connection: Connection,
  correlationId: string | null,
  concurCode: number | null,
  input: Times,
) {
  const event: ConnectionEvent = { type: 'revoke-confirmed', concurCode, correlationId };
  const transition = reduceConnection(connection, event, contextOf(input));
  return { ...transition, ...emptied(aggregate.attempts) };
}

function contextOf(input: Times): TransitionContext {
  return { nowMs: input.nowMs, policy: input.policy, workflowId: input.workflowId, actor: 'workflow', reason: null };
}
