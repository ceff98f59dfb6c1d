/**
 * Connects whose principal only SAP Concur's answer tells: the transactions of the call that obtains it. Once it is
 * known, the answer is handed to the connection's own lifecycle as one that is on file already.
 *
 * The same rules as for a request token: the use is counted before the call, no call while another may still bring an
 * answer, and an answer is on file before anything else is done with it.
 */
import type { Attempt, Decision as ConnectionDecision } from './aggregate.ts';
import type { Aggregate, ConnectSession } from './aggregate.ts';
import { isAppTrouble } from './app-trouble.ts';
import { SEND_BUDGET_MS } from './attempts.ts';
import type { Verdict } from './concur-codes.ts';
import type { Connection } from './connection.ts';
import type { ErrorCode } from './errors.ts';
import { type AcceptConnect, acceptConnect, blockedPauseMs, MAX_USES } from './exchange-transaction.ts';
import { dataCentreOf, type IntakeKind, intakeKinds } from './intake-kind.ts';
import { horizonMs, type RefreshPolicy, retryPauseMs, servicePauseMs } from './refresh-policy.ts';

/** Such a connect, as it is on file. */
export interface UnidentifiedConnect {
  readonly id: string;
  readonly app: string;
  readonly kind: IntakeKind;
  readonly dataCentre: string | null;
  /** Null until it is known, which ends this part of its life. */
  readonly principal: string | null;
  readonly customerRef: string | null;
  /** Who asked for it, for the audit trail. */
  readonly actor: string;
  /** Sealed; null once it is settled or of no more use. */
  readonly credential: string | null;
  /** Calls so far, counted before each. */
  readonly uses: number;
  readonly status: 'completed' | 'connected' | 'failed';
  readonly failure: string | null;
  readonly nextTryAtMs: number;
  readonly expiresAtMs: number;
  /** Until then a call under way may bring an answer; null: none is. */
  readonly openUntilMs: number | null;
  /** Sealed under `connect_sessions:{id}:answer`, until it is handed over. */
  readonly answer: string | null;
  /** When the request of that answer was sent. */
  readonly answerSentAtMs: number | null;
}

export interface UnidentifiedTimes {
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
}

/** What one transaction returns to its caller, and the row as it shall be; undefined: as it is. */
export interface Decision<T> {
  readonly result: T;
  readonly after?: UnidentifiedConnect;
}

export type BegunUnidentified =
  | { readonly decision: 'call'; readonly credential: string; readonly dataCentre: string }
  /** The answer is on file: it only has to be found out whose it is. */
  | { readonly decision: 'resume'; readonly answer: string; readonly sentAtMs: number; readonly dataCentre: string }
  | { readonly decision: 'wait'; readonly untilMs: number }
  /** Handed over, or failed. */
  | { readonly decision: 'settled' };

export function beginUnidentified(row: UnidentifiedConnect, times: UnidentifiedTimes): Decision<BegunUnidentified> {
  const { nowMs, policy } = times;
  if (row.principal !== null || row.status !== 'completed') return { result: { decision: 'settled' } };
  const dataCentre = dataCentreOf(row);
  if (row.answer !== null && row.answerSentAtMs !== null) {
    return { result: { decision: 'resume', answer: row.answer, sentAtMs: row.answerSentAtMs, dataCentre } };
  }
  const untilMs = Math.max(row.openUntilMs ?? 0, row.nextTryAtMs);
  if (untilMs > nowMs && untilMs < row.expiresAtMs) return { result: { decision: 'wait', untilMs } };
  if (row.credential === null || row.expiresAtMs <= nowMs || row.uses >= MAX_USES) {
    return { result: { decision: 'settled' }, after: fail(row, 'connect-failed') };
  }
  const openUntilMs = nowMs + SEND_BUDGET_MS + horizonMs(policy);
  return {
    result: { decision: 'call', credential: row.credential, dataCentre },
    after: { ...row, uses: row.uses + 1, openUntilMs },
  };
}

/** Puts the sealed answer on file: before identity, before anything. */
export function receiveUnidentified(
  row: UnidentifiedConnect,
  { answer, sentAtMs }: { readonly answer: string; readonly sentAtMs: number },
): Decision<boolean> {
  if (row.principal !== null || row.answer !== null) return { result: false };
  return {
    result: true,
    // It failed while its answer was on its way: what was obtained has to be kept or revoked all the same.
    after: {
      ...row,
      status: 'completed',
      failure: null,
      credential: null,
      openUntilMs: null,
      answer,
      answerSentAtMs: sentAtMs,
    },
  };
}

/** The call brought no answer, or none that can be used. */
export function refuseUnidentified(
  row: UnidentifiedConnect,
  { verdict, sent, nowMs, policy }: UnidentifiedTimes & { readonly verdict: Verdict; readonly sent: boolean },
): Decision<'failed' | 'waits'> {
  if (row.principal !== null || row.status !== 'completed' || row.answer !== null) return { result: 'waits' };
  if (isFinal(verdict)) {
    const failure = verdict.outcome === 'dead' ? intakeKinds[row.kind].refused : 'connect-failed';
    return { result: 'failed', after: fail(row, failure) };
  }
  // Until its horizon the call that timed out may still bring the answer.
  if (verdict.outcome === 'uncertain') return { result: 'waits' };
  const isSpent = sent && !isAppTrouble(verdict);
  const uses = isSpent ? row.uses : row.uses - 1;
  const pauseMs = isAppTrouble(verdict)
    ? blockedPauseMs(policy)
    : (servicePauseMs(policy, verdict) ?? retryPauseMs(policy, Math.max(1, uses), true, row.id));
  const nextTryAtMs = nowMs + pauseMs;
  const waiting = { ...row, uses, nextTryAtMs, openUntilMs: null };
  if (uses >= MAX_USES || nextTryAtMs >= row.expiresAtMs) {
    return { result: 'failed', after: fail(waiting, 'connect-failed') };
  }
  return { result: 'waits', after: waiting };
}

/** What was obtained can't be used, and has been disposed of. */
export function failUnidentified(row: UnidentifiedConnect, failure: ErrorCode): Decision<null> {
  return row.principal === null ? { result: null, after: fail(row, failure) } : { result: null };
}

/** A migrated grant is an import from here on: its first refresh proves it. */
export function becomeImport(
  row: UnidentifiedConnect,
  { credential, nowMs }: { readonly credential: string; readonly nowMs: number },
): Decision<null> {
  if (row.principal !== null) return { result: null };
  const { answer: _spent, answerSentAtMs: _then, ...rest } = row;
  return {
    result: null,
    after: {
      ...rest,
      kind: 'refresh-token',
      dataCentre: dataCentreOf(row),
      credential,
      uses: 0,
      nextTryAtMs: nowMs,
      openUntilMs: null,
      answer: null,
      answerSentAtMs: null,
    },
  };
}

function isFinal({ outcome }: Verdict): boolean {
  return outcome === 'dead' || outcome === 'suspended' || outcome === 'malformed';
}

function fail(row: UnidentifiedConnect, failure: ErrorCode): UnidentifiedConnect {
  return { ...row, status: 'failed', failure, credential: null, openUntilMs: null, answer: null, answerSentAtMs: null };
}

export interface HandOver extends Omit<AcceptConnect, 'sessionId'> {
  readonly session: Pick<UnidentifiedConnect, 'id' | 'kind' | 'dataCentre' | 'customerRef' | 'expiresAtMs'>;
  /**
   * The answer, sealed for this connection and this attempt; or, where only a refresh token was obtained, that token,
   * sealed as what the session brings.
   */
  readonly brought:
    | { readonly kind: 'answer'; readonly attemptId: string; readonly sentAtMs: number; readonly answer: string }
    | { readonly kind: 'refresh-token'; readonly credential: string };
}

/**
 * Gives the connect to the connection it turned out to be for: an exchange whose answer is on file, or an import. With
 * that the session has its principal, and nobody else can hand it over.
 */
export function handOver(aggregate: Aggregate, input: HandOver): ConnectionDecision<Connection> {
  const { session, brought, ...accept } = input;
  const waiting: ConnectSession = {
    id: session.id,
    kind: brought.kind === 'refresh-token' ? 'refresh-token' : session.kind,
    requestToken: brought.kind === 'refresh-token' ? brought.credential : null,
    dataCentre: session.dataCentre,
    userId: null,
    customerRef: session.customerRef,
    status: 'completed',
    uses: brought.kind === 'answer' ? 1 : 0,
    nextTryAtMs: input.nowMs,
    expiresAtMs: session.expiresAtMs,
    failure: null,
  };
  const accepted = acceptConnect(
    { ...aggregate, sessions: [...aggregate.sessions, waiting] },
    { ...accept, sessionId: session.id },
  );
  const received: readonly Attempt[] =
    brought.kind === 'answer'
      ? [
          {
            id: brought.attemptId,
            kind: 'exchange',
            status: 'received',
            versionRead: accepted.result.version,
            tokenAttemptId: null,
            sessionId: session.id,
            startedAtMs: brought.sentAtMs,
            horizonAtMs: Math.max(brought.sentAtMs, input.nowMs),
            answer: brought.answer,
            candidate: null,
          },
        ]
      : [];
  return { result: accepted.result, changes: { ...accepted.changes, sessions: [waiting], attempts: received } };
}
