/**
 * Several processes try one connect whose principal nobody knows, in every order of begin, answer, refusal, freeze and
 * crash. An answer that was put on file is never lost or replaced by a late one, no call is begun while another may still
 * bring one, and whatever ends the connect shreds what was brought and is on record once.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SEND_BUDGET_MS } from '../../core/attempts.ts';
import { judge } from '../../core/concur-codes.ts';
import type { IntakeKind } from '../../core/intake-kind.ts';
import type { ConcurFailure } from '../../core/ports.ts';
import { horizonMs } from '../../core/refresh-policy.ts';
import {
  becomeImport,
  beginUnidentified,
  type Decision,
  failUnidentified,
  receiveUnidentified,
  refuseUnidentified,
  type UnidentifiedConnect,
} from '../../core/unidentified.ts';
import { DAY, HOUR, MINUTE, NOW_MS, policy, SECOND } from '../simulation/builders.ts';

const WRITERS = 3;
const HORIZON_MS = SEND_BUDGET_MS + horizonMs(policy);
const ending = { reason: 'identity-unknown', concurCode: null, correlationId: null } as const;

const writer = fc.nat(WRITERS - 1);
const failure: fc.Arbitrary<ConcurFailure> = fc.oneof(
  fc.record({
    kind: fc.constant('answer' as const),
    status: fc.constantFrom(400, 429, 500, 502, 503),
    concurCode: fc.constantFrom(null, null, null, null, null, 5, 53, 61, 134, 135),
    oauthError: fc.constant(null),
    retryAfterMs: fc.constant(null),
    geolocation: fc.constant(null),
  }),
  fc.record({
    kind: fc.constant('transport' as const),
    transport: fc.constantFrom('timeout' as const, 'dns' as const),
    sent: fc.boolean(),
  }),
);
const op = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('begin' as const), writer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('answer' as const), writer }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('refuse' as const), writer, failure }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('import' as const, 'give-up' as const), writer }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(SECOND, SECOND, 30 * SECOND, MINUTE, 6 * MINUTE, HOUR),
    }),
  },
);

const kinds = ['password', 'legacy-code', 'legacy-refresh-token'] as const satisfies readonly IntakeKind[];

it('holds its promises in every order of events', () => {
  let answered = 0;
  let failed = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.constantFrom(MINUTE, 10 * MINUTE, DAY),
      fc.array(op, { minLength: 20, maxLength: 80 }),
      (kind, lifeMs, ops) => {
        let nowMs = NOW_MS;
        let row = build(kind, NOW_MS + lifeMs);
        let endings = 0;
        /** What each process has in hand: the call it made, and since when; the answer it read. */
        const calls: ({ readonly call: number; readonly atMs: number } | null)[] = Array.from(
          { length: WRITERS },
          () => null,
        );
        const inHand: (number | null)[] = Array.from({ length: WRITERS }, () => null);
        const apply = <T>(decide: (row: UnidentifiedConnect) => Decision<T>): T => {
          const { result, after = row, ending: told } = decide(row);
          if (told !== undefined) endings += 1;
          // On record when it ends, and only then.
          expect(told !== undefined).toBe(after.status === 'failed' && row.status !== 'failed');
          row = after;
          if (row.status === 'failed') expect([row.credential, row.answer]).toEqual([null, null]);
          if (row.answer !== null) expect(row.credential).toBeNull();
          expect((row.answer === null) === (row.answerSentAtMs === null)).toBe(true);
          if (row.kind !== 'refresh-token') expect(row.uses).toBeLessThanOrEqual(5);
          return result;
        };
        const sight = (one: UnidentifiedConnect) => ({ row: one, appTroubles: [] });
        for (const one of ops) {
          if (one.do === 'advance') {
            nowMs += one.ms;
            continue;
          }
          const mine = calls[one.writer] ?? null;
          const holds = inHand[one.writer] ?? null;
          const before = row;
          if (one.do === 'begin' && mine === null) {
            const begun = apply((now) => beginUnidentified(sight(now), { nowMs, policy }));
            if (begun.decision === 'call') {
              for (const other of calls)
                if (other !== null) expect(nowMs - other.atMs).toBeGreaterThanOrEqual(HORIZON_MS);
              calls[one.writer] = { call: begun.call, atMs: nowMs };
            } else if (begun.decision === 'settled' && before.status === 'completed') {
              expect(calls.every((other) => other === null || nowMs - other.atMs >= HORIZON_MS)).toBe(true);
            } else if (begun.decision === 'resume') inHand[one.writer] = begun.sentAtMs;
          } else if (one.do === 'answer' && mine !== null) {
            const sentAtMs = mine.atMs;
            const counts = apply((now) =>
              receiveUnidentified(sight(now), { answer: `answer of ${sentAtMs}`, sentAtMs, call: mine.call }),
            );
            expect(counts).toBe(before.answer === null);
            if (counts) inHand[one.writer] = sentAtMs;
            else expect(row).toEqual(before);
            if (counts && before.status === 'failed') endings -= 1;
            calls[one.writer] = null;
            answered += 1;
          } else if (one.do === 'refuse' && mine !== null) {
            const verdict = judge('exchange', one.failure);
            const sent = one.failure.kind !== 'transport' || one.failure.sent;
            const told = { call: mine.call, verdict, sent, dataCentre: 'us2', correlationId: null, nowMs, policy };
            apply((now) => refuseUnidentified(sight(now), told));
            if (before.answer !== null) expect(row).toEqual(before);
            if (verdict.outcome !== 'uncertain') calls[one.writer] = null;
          } else if ((one.do === 'import' || one.do === 'give-up') && holds !== null) {
            const isMine = row.answer !== null && row.answerSentAtMs === holds;
            if (one.do === 'import')
              apply((now) => becomeImport(sight(now), { credential: `by ${one.writer}`, sentAtMs: holds, nowMs }));
            else apply((now) => failUnidentified(sight(now), { sentAtMs: holds, ending }));
            if (!isMine) expect(row).toEqual(before);
            inHand[one.writer] = null;
          }
        }
        if (row.status === 'failed') failed += 1;
        expect(endings).toBe(row.status === 'failed' ? 1 : 0);
      },
    ),
    { numRuns: 3_000 },
  );
  expect(Math.min(answered, failed)).toBeGreaterThan(100);
});

function build(kind: IntakeKind, expiresAtMs: number): UnidentifiedConnect {
  return {
    id: 's1',
    app: 'demo',
    kind,
    dataCentre: 'us2',
    principal: null,
    customerRef: null,
    actor: 'client:t',
    credential: 'sealed',
    uses: 0,
    status: 'completed',
    failure: null,
    nextTryAtMs: NOW_MS,
    expiresAtMs,
    openUntilMs: null,
    answer: null,
    answerSentAtMs: null,
  };
}
