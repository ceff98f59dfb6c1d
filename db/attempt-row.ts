import type { Attempt } from '../core/aggregate.ts';
import { type Columns, msOf, timeOf } from './columns.ts';
import { buildSealedToken } from './connection-row.ts';

/** A row of `refresh_attempts`, as `pg` reads it. */
export interface AttemptRow {
  readonly id: string;
  readonly kind: Attempt['kind'];
  readonly status: Attempt['status'];
  readonly version_read: number;
  readonly token_attempt_id: string | null;
  readonly session_id: string | null;
  readonly started_at: Date;
  readonly horizon_at: Date;
  readonly answer: string | null;
  readonly candidate: string | null;
  readonly candidate_attempt: string | null;
  readonly candidate_refused: boolean | null;
}

/** Every column of `refresh_attempts` and how it is filled. */
export const attemptColumns: Columns<{ readonly attempt: Attempt; readonly connectionId: string }> = {
  id: ({ attempt }) => attempt.id,
  connection_id: ({ connectionId }) => connectionId,
  kind: ({ attempt }) => attempt.kind,
  status: ({ attempt }) => attempt.status,
  version_read: ({ attempt }) => attempt.versionRead,
  token_attempt_id: ({ attempt }) => attempt.tokenAttemptId,
  session_id: ({ attempt }) => attempt.sessionId,
  started_at: ({ attempt }) => timeOf(attempt.startedAtMs),
  horizon_at: ({ attempt }) => timeOf(attempt.horizonAtMs),
  answer: ({ attempt }) => attempt.answer,
  candidate: ({ attempt }) => attempt.candidate?.sealed ?? null,
  candidate_attempt: ({ attempt }) => attempt.candidate?.attemptId ?? null,
  candidate_refused: ({ attempt }) => attempt.candidate?.refused ?? null,
};

export function buildAttempt(row: AttemptRow): Attempt {
  return {
    id: row.id,
    kind: row.kind,
    status: row.status,
    versionRead: row.version_read,
    tokenAttemptId: row.token_attempt_id,
    sessionId: row.session_id,
    startedAtMs: msOf(row.started_at),
    horizonAtMs: msOf(row.horizon_at),
    answer: row.answer,
    candidate: buildSealedToken(row.candidate, row.candidate_attempt, row.candidate_refused),
  };
}
