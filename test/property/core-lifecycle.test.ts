/**
 * The loop and the real activities in virtual time, with clocks that disagree, a Concur that does anything, a database
 * that goes away, and people who ask for everything.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasAnswer, openUntil } from '../../core/attempts.ts';
import { isEnded } from '../../core/connection.ts';
import { acceptConnect } from '../../core/exchange-transaction.ts';
import type { Wish } from '../../core/inbox.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { type ActivityWorld, createActivityWorld } from '../simulation/activity-world.ts';
import {
  buildAggregate,
  buildConnecting,
  buildSession,
  DAY,
  HOUR,
  KEY,
  MINUTE,
  policy,
  SECOND,
  WORKFLOW_ID,
} from '../simulation/builders.ts';
import { failure, refusal, type Reply, silence, success, tokens, unreachable } from '../simulation/scripted-concur.ts';
import { busiest, startLifecycle } from '../simulation/virtual-host.ts';

const codes = [5, 16, 53, 55, 59, 64, 100, 107, 108, 134] as const;
const statuses = [401, 403, 404, 429, 500, 503] as const;

const anyTrouble: fc.Arbitrary<Reply<never>> = fc.oneof(
  fc.constantFrom(...codes).map((code) => refusal({ code })),
  fc
    .tuple(fc.constantFrom(...statuses), fc.option(fc.nat(10 * MINUTE)))
    .map(([status, retryAfterMs]) => refusal(retryAfterMs === null ? { status } : { status, retryAfterMs })),
  fc.constantFrom(unreachable(), silence(180 * SECOND), failure({ kind: 'malformed', status: 200, what: 'no-json' })),
);
const anyTokens = fc
  .record({
    expiresInSeconds: fc.constantFrom(0, 1, 15, 3_600, 3_600),
    refreshToken: fc.constantFrom(null, 'refresh-0', 'refresh-9'),
    afterMs: fc.constantFrom(0, 0, SECOND, 120 * SECOND),
  })
  .map(({ afterMs, ...facts }) => tokens(facts, { afterMs }));

const anyWish: fc.Arbitrary<Wish> = fc.oneof(
  fc.constantFrom<Wish>({ kind: 'forced' }, { kind: 'fresh', version: null }, { kind: 'rejected', version: null }),
  fc.constantFrom('pause' as const, 'resume' as const, 'app-restored' as const, 'revoke' as const).map(
    (name): Wish => ({
      kind: 'command',
      name,
      actor: 'operator',
      reason: null,
    }),
  ),
);

const anyTurn = fc.record({
  do: fc.oneof(
    { weight: 6, arbitrary: anyWish },
    { weight: 2, arbitrary: fc.constant('connect' as const) },
    { weight: 1, arbitrary: fc.constantFrom('database-goes' as const, 'database-comes' as const) },
  ),
  afterMs: fc.oneof(fc.nat(3 * SECOND), fc.nat(10 * MINUTE), fc.nat(2 * HOUR)),
});

const anyStory = fc.record({
  skewMs: fc.integer({ min: -5 * SECOND, max: 5 * SECOND }),
  isNew: fc.boolean(),
  turns: fc.array(anyTurn, { minLength: 1, maxLength: 15 }),
  refreshes: fc.array(fc.oneof(anyTokens, anyTrouble), { minLength: 1, maxLength: 8 }),
  exchanges: fc.array(fc.oneof(anyTokens, anyTrouble), { minLength: 1, maxLength: 4 }),
  revokes: fc.array(fc.oneof(fc.constant(success(null)), anyTrouble), { minLength: 1, maxLength: 4 }),
});
type Story = typeof anyStory extends fc.Arbitrary<infer T> ? T : never;

function cycle<T>(replies: readonly Reply<T>[]): () => Reply<T> {
  let next = 0;
  return () => replies[next++ % replies.length] ?? success<T>(undefined as never);
}

/** An administrator completes a landing page. */
async function completeLanding({ store, vault, clock }: ActivityWorld, sessionId: string): Promise<void> {
  const times = { nowMs: clock.now(), policy, workflowId: WORKFLOW_ID };
  await store.transact(KEY, (aggregate) => {
    const session = buildSession({
      id: sessionId,
      requestToken: vault.sealed('request-token', sealContexts.requestToken(sessionId)),
      nextTryAtMs: clock.now(),
      expiresAtMs: clock.now() + DAY,
    });
    const connect = {
      ...times,
      key: KEY,
      sessionId,
      actor: 'concur-admin',
      newConnectionId: 'c1',
      principalType: 'company',
    } as const;
    const { result, changes } = acceptConnect({ ...aggregate, sessions: [...aggregate.sessions, session] }, connect);
    return { result, changes: { ...changes, sessions: [session] } };
  });
}

async function play(story: Story) {
  const world = createActivityWorld();
  const { clock, concur } = world;
  world.connect(story.isNew ? buildConnecting() : buildAggregate());
  concur.always('refreshTokens', cycle(story.refreshes));
  concur.always('exchangeRequestToken', cycle(story.exchanges));
  concur.always('revokeConnection', cycle(story.revokes));
  concur.always('fetchPrincipal', () =>
    success({ id: KEY.principal, type: 'company', name: 'Muster AG', domain: null }),
  );
  const start = () => startLifecycle(world, { skewMs: () => story.skewMs });
  const runs = [start()];
  const run = () => runs.at(-1) ?? start();
  let sessions = 0;
  for (const turn of story.turns) {
    await clock.advance(turn.afterMs);
    if (turn.do === 'database-goes') world.databaseIsAway = true;
    else if (turn.do === 'database-comes') world.databaseIsAway = false;
    else if (turn.do === 'connect') {
      if (world.databaseIsAway) continue;
      const sessionId = `t${(sessions += 1)}`;
      await completeLanding(world, sessionId);
      // As with update-with-start: a run that ended is followed by another.
      if (run().end() !== null) runs.push(start());
      run().wish({ kind: 'connect', sessionId });
    } else if (run().end() === null) run().wish(turn.do);
  }
  return { world, runs, run };
}

describe('a lifecycle, whatever happens', () => {
  it('never goes round without a pause, and always asks somebody when to wake up', async () => {
    await fc.assert(
      fc.asyncProperty(anyStory, async (story) => {
        const { runs } = await play(story);
        expect(runs.map((run) => run.crash())).toEqual(runs.map(() => null));
        const calls = runs.flatMap(({ steps }) => steps).filter((step) => step.do !== 'sleep' && step.do !== 'command');
        expect(busiest(calls, SECOND)).toBeLessThanOrEqual(8 + story.turns.length);
        // Tokens that are dead at once are refreshed every five seconds, and clocks that disagree ask a few times.
        expect(busiest(calls, HOUR)).toBeLessThan(HOUR / SECOND);
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });

  it('finds its way once Concur, the database and the operators are well again', async () => {
    const ends = new Set<string>();
    await fc.assert(
      fc.asyncProperty(anyStory, async (story) => {
        const { world, runs, run } = await play(story);
        world.databaseIsAway = false;
        world.concur.always('refreshTokens', () => tokens({ refreshToken: null }));
        world.concur.always('exchangeRequestToken', () => tokens());
        world.concur.always('revokeConnection', () => success(null));
        // The guardian has proven the app's credentials everywhere.
        for (const dataCentre of world.deps.dataCentres.names()) await world.store.troubles.clear(KEY.app, dataCentre);
        for (const name of ['resume', 'app-restored'] as const) {
          if (run().end() === null) run().wish({ kind: 'command', name, actor: 'operator', reason: null });
        }
        await world.clock.advance(2 * DAY);
        expect(runs.map((each) => each.crash())).toEqual(runs.map(() => null));
        const { connection, attempts, sessions } = world.store.one(KEY);
        ends.add(connection.state);
        expect(['active', 'reauthorization-required', 'revoked', 'connect-failed']).toContain(connection.state);
        expect(sessions).toEqual([]);
        expect(openUntil(attempts, world.clock.now())).toBeNull();
        expect(hasAnswer(attempts)).toBe(false);
        expect(run().end()).toBe(isEnded(connection.state) ? 'ended' : null);
        expect(runs.flatMap(({ breakdowns }) => breakdowns).filter(isDefect)).toEqual([]);
        if (connection.state === 'active')
          expect(connection.nextActionAtMs).toBeGreaterThan(world.clock.now() - 10 * SECOND);
      }),
      { numRuns: 300, endOnFailure: true },
    );
    // Chance decides which ends are reached; the common ones always are.
    expect([...ends]).toEqual(expect.arrayContaining(['active', 'connect-failed', 'revoked']));
  });
});

function isDefect(error: unknown): boolean {
  return !(error instanceof Error && error.name === 'AppError');
}
