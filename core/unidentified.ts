/**
 * Connects whose principal only SAP Concur's answer tells: the transactions of the call that obtains it. Once it is
 * known, the answer is handed to the connection's own lifecycle as one that is on file already.
 *
 * The same rules as for a request token: the use is counted before the call, no call while another may still bring an
 * answer, and an answer is on file before anything else is done with it. Longer than 300 lines: the steps of one
 * connect, each of which reads what the one before has left on file.
 */
import type { Aggregate, AppTrouble, Attempt, Changes, ConnectSession } from './aggregate.ts';
import type { Decision as ConnectionDecision } from './aggregate.ts';
import { blockedAt, clearTrouble, isAppTrouble, noteTrouble, RECHECK_MS } from './app-trouble.ts';
import { SEND_BUDGET_MS } from './attempts.ts';
import type { Verdict } from './concur-codes.ts';
import type { Connection } from './connection.ts';
import type { ErrorCode } from './errors.ts';
import { type AcceptConnect, acceptConnect, blockedPauseMs, isUsedUp } from './exchange-transaction.ts';
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

/** The row is locked; the app's troubles are those on file. */
export interface UnidentifiedSight {
  readonly row: UnidentifiedConnect;
  readonly appTroubles: readonly AppTrouble[];
}

/** How such a connect ended without a connection: goes on record with it. */
export interface UnidentifiedEnding {
  /** Stable word: Concur's, as the table of its codes has it, or our own. */
  readonly reason: string;
  readonly concurCode: number | null;
  readonly correlationId: string | null;
  /** What became of tokens that were obtained for nothing. */
  readonly disposal?: 'revoked' | 'discarded' | 'unrevoked';
}

/** What one transaction returns to its caller, and the row as it shall be; undefined: as it is. */
export interface Decision<T> extends Pick<Changes, 'appTrouble'> {
  readonly result: T;
  readonly after?: UnidentifiedConnect;
  readonly ending?: UnidentifiedEnding;
}

export type BegunUnidentified =
  | {
      readonly decision: 'call';
      readonly credential: string;
      readonly dataCentre: string;
      /** Number of the call: what a process reports that was frozen while others went on is told from their reports. */
      readonly call: number;
    }
  /** The answer is on file: it only has to be found out whose it is. */
  | { readonly decision: 'resume'; readonly answer: string; readonly sentAtMs: number; readonly dataCentre: string }
  | { readonly decision: 'wait'; readonly untilMs: number }
  /** The app's own credentials are refused there: no call is spent. */
  | { readonly decision: 'app-blocked'; readonly untilMs: number }
  /** Handed over, or failed. */
  | { readonly decision: 'settled' };

export function beginUnidentified(
  { row, appTroubles }: UnidentifiedSight,
  { nowMs, policy }: UnidentifiedTimes,
): Decision<BegunUnidentified> {
  if (row.principal !== null || row.status !== 'completed') return { result: { decision: 'settled' } };
  const dataCentre = dataCentreOf(row);
  if (row.answer !== null && row.answerSentAtMs !== null) {
    return { result: { decision: 'resume', answer: row.answer, sentAtMs: row.answerSentAtMs, dataCentre } };
  }
  // However soon it ends: a call that may still bring an answer is waited for.
  if (row.openUntilMs !== null && row.openUntilMs > nowMs) {
    return { result: { decision: 'wait', untilMs: row.openUntilMs } };
  }
  const { credential, nextTryAtMs } = row;
  if (credential === null || isUsedUp(row, Math.max(nowMs, nextTryAtMs))) {
    return { result: { decision: 'settled' }, ...fail(row, 'connect-failed', unanswered) };
  }
  if (nextTryAtMs > nowMs) return { result: { decision: 'wait', untilMs: nextTryAtMs } };
  // Nothing can be probed where the flow of before 2017 is at home: only a call tells that the credentials work again.
  if (row.kind !== 'legacy-code' && blockedAt({ appTroubles }, dataCentre) !== null) {
    const untilMs = nowMs + blockedPauseMs(policy);
    return { result: { decision: 'app-blocked', untilMs }, after: { ...row, nextTryAtMs: untilMs } };
  }
  const call = row.uses + 1;
  return {
    result: { decision: 'call', credential, dataCentre, call },
    // In case this call never reports back, the next one keeps the pause that Concur asks for after a time-out.
    after: {
      ...row,
      uses: call,
      nextTryAtMs: nowMs + policy.retrySlowEveryMs,
      openUntilMs: nowMs + SEND_BUDGET_MS + horizonMs(policy),
    },
  };
}

/** Puts the sealed answer on file: before identity, before anything. False: another answer was faster, and counts. */
export function receiveUnidentified(
  { row, appTroubles }: UnidentifiedSight,
  { answer, sentAtMs, call = row.uses }: { readonly answer: string; readonly sentAtMs: number; readonly call?: number },
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
      // Another call may be under way: this answer comes from a process that was frozen.
      openUntilMs: call === row.uses ? null : row.openUntilMs,
      answer,
      answerSentAtMs: sentAtMs,
    },
    ...clearTrouble({ appTroubles }, dataCentreOf(row)),
  };
}

export interface RefusedUnidentified extends UnidentifiedTimes {
  /** Number of the call that it is about. */
  readonly call: number;
  readonly verdict: Verdict;
  readonly sent: boolean;
  /** Data centre that was asked last. */
  readonly dataCentre: string;
  readonly correlationId: string | null;
}

/** The call brought no answer, or none that can be used. */
export function refuseUnidentified(
  { row, appTroubles }: UnidentifiedSight,
  { call, verdict, sent, dataCentre, correlationId, nowMs, policy }: RefusedUnidentified,
): Decision<'failed' | 'waits'> {
  const trouble = noteTrouble({ appTroubles }, verdict, { dataCentre, nowMs });
  const isSettled = row.principal !== null || row.status !== 'completed' || row.answer !== null;
  // A late word of a frozen process must not end the call that another has under way.
  if (isSettled || row.openUntilMs === null || row.uses !== call) return { result: 'waits', ...trouble.changes };
  const servicePause = servicePauseMs(policy, verdict);
  // Until its horizon the call that timed out may still bring the answer.
  if (verdict.outcome === 'uncertain') {
    const nextTryAtMs = Math.max(row.nextTryAtMs, nowMs + (servicePause ?? 0));
    return { result: 'waits', after: { ...row, nextTryAtMs } };
  }
  const ending = { reason: verdict.reason, concurCode: verdict.concurCode, correlationId };
  if (isFinal(row.kind, verdict)) {
    const failure = verdict.outcome === 'dead' ? intakeKinds[row.kind].refused : 'connect-failed';
    return { result: 'failed', ...fail(row, failure, ending) };
  }
  // What was not looked at, because the client was refused before or the company is being maintained, has lost nothing.
  const isSpent = sent && !isAppTrouble(verdict) && verdict.outcome !== 'maintenance';
  const uses = isSpent ? row.uses : row.uses - 1;
  const pauseMs = isAppTrouble(verdict)
    ? trouble.isFirst
      ? RECHECK_MS
      : blockedPauseMs(policy)
    : (servicePause ?? retryPauseMs(policy, Math.max(1, uses), true, row.id));
  const waiting = { ...row, uses, nextTryAtMs: nowMs + pauseMs, openUntilMs: null };
  if (isUsedUp(waiting, waiting.nextTryAtMs)) {
    return { result: 'failed', ...fail(waiting, 'connect-failed', ending), ...trouble.changes };
  }
  return { result: 'waits', after: waiting, ...trouble.changes };
}

/** What was obtained can't be used, and has been disposed of. `sentAtMs`: of the answer that this is about. */
export function failUnidentified(
  { row }: UnidentifiedSight,
  { sentAtMs, ending }: { readonly sentAtMs: number; readonly ending: UnidentifiedEnding },
): Decision<null> {
  return holds(row, sentAtMs) ? { result: null, ...fail(row, 'connect-failed', ending) } : { result: null };
}

/** A grant that nobody else has is not given up for an outage of a day. */
const KEEP_TRYING_MS = 30 * 24 * 3_600_000;

/**
 * A migrated grant is an import from here on: its first refresh proves it. The grant is in nobody else's hands any more,
 * so it may be tried for longer. `sentAtMs`: of the answer that brought it.
 */
export function becomeImport(
  { row }: UnidentifiedSight,
  { credential, sentAtMs, nowMs }: { readonly credential: string; readonly sentAtMs: number; readonly nowMs: number },
): Decision<null> {
  if (!holds(row, sentAtMs)) return { result: null };
  return {
    result: null,
    after: {
      ...row,
      kind: 'refresh-token',
      dataCentre: dataCentreOf(row),
      credential,
      nextTryAtMs: nowMs,
      expiresAtMs: row.kind === 'refresh-token' ? row.expiresAtMs : nowMs + KEEP_TRYING_MS,
      answer: null,
      answerSentAtMs: null,
    },
  };
}

/** Whether this very answer still waits for what becomes of it; a frozen process may come back with one that doesn't. */
function holds({ principal, answer, answerSentAtMs }: UnidentifiedConnect, sentAtMs: number): boolean {
  return principal === null && answer !== null && answerSentAtMs === sentAtMs;
}

/** An import ends with a word about the grant alone: disabled at the customer, or configured wrongly, it may come back. */
function isFinal(kind: IntakeKind, { outcome }: Verdict): boolean {
  if (outcome === 'dead') return true;
  return kind !== 'refresh-token' && (outcome === 'suspended' || outcome === 'malformed');
}

const unanswered: UnidentifiedEnding = { reason: 'no-answer-in-time', concurCode: null, correlationId: null };

function fail(
  row: UnidentifiedConnect,
  failure: ErrorCode,
  ending: UnidentifiedEnding,
): { readonly after: UnidentifiedConnect; readonly ending: UnidentifiedEnding } {
  const over = { credential: null, openUntilMs: null, answer: null, answerSentAtMs: null };
  return { after: { ...row, ...over, status: 'failed', failure }, ending };
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
 * that the session has its principal, and nobody else can hand it over: null for a session that is in sight already,
 * because it was handed over before, perhaps to another connection, or has failed. Its tokens may be newer by now.
 */
export function handOver(aggregate: Aggregate, input: HandOver): ConnectionDecision<Connection | null> {
  const { session, brought, ...accept } = input;
  if (aggregate.sessions.some(({ id }) => id === session.id)) return { result: null, changes: {} };
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
    expiresAtMs: brought.kind === 'refresh-token' ? input.nowMs + KEEP_TRYING_MS : session.expiresAtMs,
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
