/**
 * Bugs to be found: each takes one guarantee away by a wrapper around a port or a decision, and the product's code stays
 * as it is. They are the test of the simulation itself.
 */
import type { Aggregate, Attempt, Changes, Decision, SealedToken } from '../../core/aggregate.ts';
import type { StoredAccessToken } from '../../core/stores.ts';

export interface PlantedBug {
  /** The invariant that must be seen broken. */
  readonly breaks: 'I1' | 'I2' | 'I3' | 'I4' | 'I8';
  /** What a transaction sees of the row. */
  readonly aggregate?: (aggregate: Aggregate) => Aggregate;
  /** What a transaction writes. */
  readonly changes?: (changes: Changes, before: Aggregate) => Changes;
  /** What a reader of access tokens is told. */
  readonly stored?: (stored: StoredAccessToken) => StoredAccessToken;
  /** What an activity brought to safety is forgotten. */
  readonly losesCargo?: boolean;
}

const withAttempts = (aggregate: Aggregate, change: (attempt: Attempt) => Attempt): Aggregate => ({
  ...aggregate,
  attempts: aggregate.attempts.map(change),
});

const refuse = (token: SealedToken | null): SealedToken | null => token && { ...token, refused: true };

export const plantedBugs: Readonly<Record<string, PlantedBug>> = {
  /** Whoever saves last wins, whatever has been saved since it asked. */
  'no-compare-and-set': {
    breaks: 'I1',
    aggregate: (aggregate) =>
      withAttempts(aggregate, (attempt) => ({ ...attempt, versionRead: aggregate.connection?.version ?? 0 })),
  },
  'no-lifeboat': { breaks: 'I1', losesCargo: true },
  /** The next call as soon as the outcome is called unknown, while the answer may still come. */
  'no-horizon': {
    breaks: 'I2',
    changes: (changes) =>
      changes.attempts === undefined
        ? changes
        : {
            ...changes,
            attempts: changes.attempts.map((attempt) => ({
              ...attempt,
              horizonAtMs: Math.min(attempt.horizonAtMs, attempt.startedAtMs + 80_000),
            })),
          },
  },
  'no-intent-on-file': {
    breaks: 'I2',
    aggregate: (aggregate) =>
      withAttempts(aggregate, (attempt) => (attempt.status === 'open' ? { ...attempt, horizonAtMs: 0 } : attempt)),
  },
  'serves-after-revoke': {
    breaks: 'I3',
    stored: ({ connection, token }) => ({ connection: { ...connection, state: 'active' }, token }),
  },
  'serves-stale': {
    breaks: 'I3',
    stored: ({ connection, token }) => ({
      connection: { ...connection, accessTokenExpiresAtMs: (connection.accessTokenExpiresAtMs ?? 0) + 600_000 },
      token,
    }),
  },
  /** Nobody asks whether another attempt may still bring an answer. */
  'verdict-while-open': {
    breaks: 'I4',
    aggregate: (aggregate) =>
      withAttempts(aggregate, (attempt) =>
        attempt.status === 'open' || attempt.status === 'uncertain' ? { ...attempt, horizonAtMs: 0 } : attempt,
      ),
  },
  /** The first refusal is the last word: the previous token and candidates are not asked. */
  'verdict-by-one-token': {
    breaks: 'I4',
    aggregate: (aggregate) => ({
      ...withAttempts(aggregate, (attempt) => ({ ...attempt, candidate: refuse(attempt.candidate) })),
      grant: { ...aggregate.grant, previous: refuse(aggregate.grant.previous) },
    }),
  },
  'no-audit-row': {
    breaks: 'I8',
    changes: (changes) => ({
      ...changes,
      events: (changes.events ?? []).filter(({ stateTo }) => stateTo !== 'active'),
    }),
  },
};

/** A decision as the bug would have it. */
export function misdecide<T>(
  bug: PlantedBug | null,
  decide: (aggregate: Aggregate) => Decision<T>,
): (aggregate: Aggregate) => Decision<T> {
  if (bug === null) return decide;
  return (before) => {
    const { result, changes } = decide(bug.aggregate?.(before) ?? before);
    return { result, changes: bug.changes?.(changes, before) ?? changes };
  };
}
