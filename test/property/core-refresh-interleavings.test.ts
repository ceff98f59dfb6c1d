/**
 * Several writers refresh one connection, as when workers are frozen, killed and replaced: every order of begin, send,
 * Concur's own work, answer, time-out and crash. Concur is a model that rotates in one of the three ways it may, and
 * that may forget its last answer, as after a fail-over.
 *
 * What the oracle exempts is the window that nobody can close: Concur rotated strictly, and the answer never came.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Aggregate, applyChanges, type Changes, type SealedToken } from '../../core/aggregate.ts';
import { openUntil, SEND_BUDGET_MS } from '../../core/attempts.ts';
import { judge } from '../../core/concur-codes.ts';
import { isLiving } from '../../core/connection.ts';
import type { ConcurFailure } from '../../core/ports.ts';
import { horizonMs } from '../../core/refresh-policy.ts';
import {
  beginRefresh,
  type FinishedRefresh,
  finishRefresh,
  type RefreshOutcome,
} from '../../core/refresh-transaction.ts';
import {
  buildAggregate,
  buildFacts,
  HOUR,
  MINUTE,
  NOW_MS,
  policy,
  SECOND,
  WORKFLOW_ID,
} from '../simulation/builders.ts';
import { createModelGrant, type Rotation, rotations } from '../simulation/model-grant.ts';

type Op =
  /** `go`: the next thing this writer would do, of begin, send, Concur's own work, and the answer. */
  | { readonly do: 'go' | 'time-out' | 'reset' | 'crash'; readonly writer: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'forget' };

const WRITERS = 3;

const anyWriter = fc.nat(WRITERS - 1);
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  { weight: 24, arbitrary: anyWriter.map((writer): Op => ({ do: 'go', writer })) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('time-out' as const, 'reset' as const, 'crash' as const),
      writer: anyWriter,
    }),
  },
  { weight: 6, arbitrary: fc.constantFrom(SECOND, 80 * SECOND, 5 * MINUTE).map((ms): Op => ({ do: 'advance', ms })) },
  { weight: 1, arbitrary: fc.constant<Op>({ do: 'forget' }) },
);

/** One attempt in the hands of a process. */
interface Call {
  readonly attemptId: string;
  readonly token: string;
  readonly versionRead: number;
  readonly begunAtMs: number;
  sentAtMs: number | null;
  /** What Concur answered: a token, or null for "bad refresh token"; undefined before it did anything. */
  answer: string | null | undefined;
}

const badToken: ConcurFailure = {
  kind: 'answer',
  status: 400,
  concurCode: 108,
  oauthError: 'invalid_grant',
  retryAfterMs: null,
  geolocation: null,
};
const timeout: ConcurFailure = { kind: 'transport', transport: 'timeout', sent: true };
const reset: ConcurFailure = { kind: 'transport', transport: 'reset', sent: true };

/** The first writer gets its answer and freezes, the second is refused, then the first wakes up. */
const frozenInMidCall: Op[] = [
  ...Array.from({ length: 3 }, (): Op => ({ do: 'go', writer: 0 })),
  { do: 'advance', ms: 5 * MINUTE },
  ...Array.from({ length: 4 }, (): Op => ({ do: 'go', writer: 1 })),
  { do: 'go', writer: 0 },
];

const seen = { deaths: 0, rotationsLost: 0, candidates: 0, lateSaves: 0, revivals: 0 };

function createRun(rotation: Rotation) {
  const concur = createModelGrant(rotation, 'T');
  const values = new Map([['a0', 'T']]);
  const delivered = new Set(['T']);
  const calls: (Call | null)[] = new Array(WRITERS).fill(null);
  let aggregate: Aggregate = buildAggregate();
  let nowMs = NOW_MS;
  let begun = 0;
  let hasForgotten = false;
  const times = () => ({ nowMs, policy, workflowId: WORKFLOW_ID });
  const connection = () => {
    if (aggregate.connection === null) throw new Error('the connection is gone');
    return aggregate.connection;
  };

  function write(changes: Changes): void {
    const before = connection();
    aggregate = applyChanges(aggregate, changes);
    const after = connection();
    expect(after.version - before.version).toBe(changes.accessToken === undefined ? 0 : 1);
    if (after.state === 'reauthorization-required' && before.state !== after.state) judgeDeath();
    if (before.state === 'reauthorization-required' && after.state === 'active') seen.revivals += 1;
    if (isLiving(after.state)) expect(Number.isFinite(after.nextActionAtMs)).toBe(true);
  }

  function judgeDeath(): void {
    seen.deaths += 1;
    expect(living()).toEqual([]);
    expect(openUntil(aggregate.attempts, nowMs)).toBeNull();
    if (concur.isDisconnected() || hasForgotten) return;
    seen.rotationsLost += 1;
    expect(rotation).toBe('strict');
    expect(connection().reason).toBe('rotation-lost');
  }

  function onFile(): SealedToken[] {
    const { grant, attempts } = aggregate;
    const all = [grant.current, grant.previous, ...attempts.map(({ candidate }) => candidate)];
    return all.filter((token) => token !== null);
  }

  const valueOf = ({ attemptId }: SealedToken): string => values.get(attemptId) ?? 'unknown';

  /** Tokens on file that Concur would take, and was not heard to refuse. */
  function living(): SealedToken[] {
    return onFile().filter((token) => !token.refused && concur.isAlive(valueOf(token)));
  }

  function begin(cause: 'due' | 'forced'): Call | null {
    const attemptId = `w${(begun += 1)}`;
    const { result, changes } = beginRefresh(aggregate, { ...times(), attemptId, cause, expectedVersion: null });
    write(changes);
    if (result.decision !== 'call') return null;
    const token = valueOf(result.token);
    const { versionRead } = result.attempt;
    return { attemptId, token, versionRead, begunAtMs: nowMs, sentAtMs: null, answer: undefined };
  }

  function finish(call: Call, outcome: RefreshOutcome): FinishedRefresh {
    const first = finishRefresh(aggregate, { ...times(), attemptId: call.attemptId, outcome });
    write(first.changes);
    const again = finishRefresh(aggregate, { ...times(), attemptId: call.attemptId, outcome });
    expect(again).toEqual({ result: 'duplicate', changes: {} });
    return first.result;
  }

  function failed(call: Call, failure: ConcurFailure): void {
    finish(call, { kind: 'failure', verdict: judge('refresh', failure), correlationId: null });
  }

  function deliver(call: Call): void {
    if (call.answer === undefined) return;
    if (call.answer === null) return failed(call, badToken);
    const isNew = call.answer !== call.token;
    if (isNew) values.set(call.attemptId, call.answer);
    delivered.add(call.answer);
    const isLate = nowMs >= call.begunAtMs + SEND_BUDGET_MS + horizonMs(policy);
    const isNewer = connection().version > call.versionRead;
    const facts = buildFacts({ sentAtMs: nowMs, accessTokenExpiresAtMs: nowMs + HOUR });
    const refreshToken = isNew ? `sealed:${call.attemptId}` : null;
    const result = finish(call, { kind: 'tokens', facts, accessToken: 'sealed', refreshToken, correlationId: null });
    expect(result).toBe(isNewer ? 'candidate' : 'saved');
    if (result === 'candidate') seen.candidates += 1;
    if (result === 'saved' && isLate) seen.lateSaves += 1;
  }

  /** True when the call is over. */
  function go(call: Call): boolean {
    if (call.sentAtMs === null) {
      if (nowMs > call.begunAtMs + SEND_BUDGET_MS) return true;
      call.sentAtMs = nowMs;
    } else if (call.answer === undefined) {
      if (nowMs > call.sentAtMs + horizonMs(policy)) return true;
      call.answer = concur.refresh(call.token);
    } else {
      deliver(call);
      return true;
    }
    return false;
  }

  function step(op: Op): void {
    if (op.do === 'advance') {
      nowMs += op.ms;
      return;
    }
    if (op.do === 'forget') {
      hasForgotten = true;
      concur.forget();
      return;
    }
    const call = calls[op.writer] ?? null;
    if (call === null) {
      calls[op.writer] = op.do === 'go' ? begin('forced') : null;
      return;
    }
    if (op.do === 'time-out' || op.do === 'reset') {
      if (call.sentAtMs === null) return;
      failed(call, op.do === 'reset' ? reset : timeout);
      if (op.do === 'time-out') return;
    }
    if (op.do !== 'go' || go(call)) calls[op.writer] = null;
  }

  function check(): void {
    const open = aggregate.attempts.filter(
      ({ status, horizonAtMs }) => (status === 'open' || status === 'uncertain') && horizonAtMs > nowMs,
    );
    expect(open.length).toBeLessThanOrEqual(1);
    const kept = new Set(onFile().map(valueOf));
    const alive = [...delivered].filter((token) => concur.isAlive(token));
    // Strictly, one token lives; otherwise any that lives will do.
    if (alive.length > 0) expect(alive.some((token) => kept.has(token))).toBe(true);
  }

  /** Everybody in flight dies, and one writer goes on alone until it knows. */
  function settle(): void {
    calls.fill(null);
    for (let rounds = 0; rounds < 12; rounds += 1) {
      const { state, nextActionAtMs, pausedUntilMs } = connection();
      if (state === 'reauthorization-required') break;
      nowMs = Math.max(nowMs, openUntil(aggregate.attempts, nowMs) ?? 0, nextActionAtMs ?? 0, pausedUntilMs ?? 0);
      const call = begin(state === 'active' ? 'forced' : 'due');
      if (call === null) continue;
      call.answer = concur.refresh(call.token);
      deliver(call);
      check();
      if (connection().state === 'active') break;
    }
    expect(connection().state).toBe(living().length > 0 ? 'active' : 'reauthorization-required');
  }

  return { step, check, settle, disconnect: () => concur.disconnect() };
}

describe('writers that refresh one connection in any order', () => {
  it('never have two attempts open, never lose a living token, and let nothing die that lives', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...rotations),
        fc.array(anyOp, { minLength: 20, maxLength: 80 }),
        fc.option(fc.nat(80), { freq: 2 }),
        (rotation, ops, disconnectAt) => {
          const run = createRun(rotation);
          ops.forEach((op, index) => {
            if (index === disconnectAt) run.disconnect();
            run.step(op);
            run.check();
          });
          run.settle();
        },
      ),
      { numRuns: 3_000, examples: [['strict', frozenInMidCall, null]] },
    );
    // The orders that matter were among them.
    for (const [what, count] of Object.entries(seen)) expect([what, count > 0]).toEqual([what, true]);
  });
});
