/** What the attempts on file say: whether a call may still be answered, whether one was lost, what waits to be finished. */
import type { Aggregate, Attempt, Changes, SealedToken } from './aggregate.ts';

/** Between the begin and the sending; a process that was frozen for longer must not send. */
export const SEND_BUDGET_MS = 10_000;

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

/** A process that holds an answer for longer than this without saving it is gone. */
const KEPT_MS = 24 * 60 * 60 * 1_000;

/**
 * What a new attempt changes about those before it. Past their horizon: nobody will ever know how they ended. Lost for a
 * day, with a younger one that bears the same witness: forgotten, so that a long outage does not pile them up.
 */
export function closeLost(attempts: readonly Attempt[], nowMs: number): Attempt[] {
  const lost = attempts.filter(({ status }) => status === 'lost');
  return [
    ...attempts
      .filter(({ status, horizonAtMs }) => (status === 'open' || status === 'uncertain') && horizonAtMs <= nowMs)
      .map((attempt) => ({ ...attempt, status: 'lost' as const })),
    ...lost
      .filter((attempt) => attempt.startedAtMs + KEPT_MS <= nowMs && lost.some((other) => outlives(other, attempt)))
      .map((attempt) => ({ ...attempt, status: 'done' as const })),
  ];
}

function outlives(other: Attempt, { kind, versionRead, startedAtMs }: Attempt): boolean {
  return other.kind === kind && other.versionRead === versionRead && other.startedAtMs > startedAtMs;
}

/**
 * The attempts after one of them brought the grant's new tokens: candidates explain nothing any more. One that never
 * told its end stays a while, so that what it may still bring is kept as a candidate.
 */
export function settleOthers(attempts: readonly Attempt[], finishedId: string, nowMs: number): Attempt[] {
  return attempts.map((attempt) => {
    if (attempt.id === finishedId) return { ...attempt, status: 'done', answer: null, candidate: null };
    const isOver = attempt.status !== 'received' && attempt.horizonAtMs <= nowMs;
    if (!isOver || attempt.status === 'done') return { ...attempt, candidate: null };
    const status = attempt.startedAtMs + KEPT_MS <= nowMs ? 'done' : 'lost';
    return { ...attempt, status, candidate: null };
  });
}

/** With the attempt, should the database have forgotten it. */
export function withAttempt(attempts: readonly Attempt[], attempt: Attempt): readonly Attempt[] {
  return attempts.some(({ id }) => id === attempt.id) ? attempts : [attempt, ...attempts];
}

/** Whether a refresh of this version never told how it ended: it may have taken the living token with it. */
export function isRotationLost(attempts: readonly Attempt[], version: number): boolean {
  return attempts.some(
    ({ kind, status, versionRead }) => kind === 'refresh' && status !== 'done' && versionRead === version,
  );
}

/** The tokens on file as if Concur had never called one bad: they are asked with once more. */
export function unrefused({
  grant,
  attempts,
}: Pick<Aggregate, 'grant' | 'attempts'>): Pick<Changes, 'grant' | 'attempts'> {
  const clear = (token: SealedToken | null): SealedToken | null => token && { ...token, refused: false };
  return {
    grant: { current: clear(grant.current), previous: clear(grant.previous) },
    attempts: attempts.map((attempt) => ({ ...attempt, candidate: clear(attempt.candidate) })),
  };
}

/** What is left of the secrets once a revoke is confirmed. A late answer finds its attempt done. */
export function emptied(attempts: readonly Attempt[]): Pick<Changes, 'grant' | 'accessToken' | 'attempts'> {
  return {
    grant: { current: null, previous: null },
    accessToken: null,
    attempts: attempts.map((attempt) => ({ ...attempt, status: 'done', answer: null, candidate: null })),
  };
}

/** Whether the answer of an exchange is on file and has not been looked at. */
export function hasAnswer(attempts: readonly Attempt[]): boolean {
  return attempts.some(({ status }) => status === 'received');
}
