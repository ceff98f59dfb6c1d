import { describe, expect, it } from 'vitest';
import { createActivityWorld } from '../activity-world.ts';
import { buildAggregate, KEY, MINUTE } from '../builders.ts';
import { failure, refusal, type Reply } from '../scripted-concur.ts';
import { simulateSeed } from '../simulate.ts';
import { regressions } from './seeds.ts';

describe('seeds that found a bug', () => {
  it.each([...regressions])('find it no more: $seed, $story', async ({ seed }) => {
    const { violations } = await simulateSeed(seed);
    expect(violations).toEqual([]);
  });
});

describe('a refresh whose answer came from a gateway', () => {
  /** The first try meets `first`; five minutes later Concur knows the token no more. */
  async function reasonAfter(first: Reply<never>): Promise<string | null> {
    const world = createActivityWorld();
    world.connect(buildAggregate());
    world.concur.script('refreshTokens', first, refusal({ code: 108 }));
    const refresh = (attemptId: string) =>
      world.activities.refreshTokens({ ...KEY, attemptId, cause: 'forced', expectedVersion: null });
    await world.clock.run(refresh('r1'));
    await world.clock.advance(6 * MINUTE);
    await world.clock.run(refresh('r2'));
    const { state, reason } = world.store.one(KEY).connection;
    expect(state).toBe('reauthorization-required');
    return reason;
  }

  it.each([500, 502, 503, 504])('is a rotation that may be lost, after a %i', async (status) => {
    expect(await reasonAfter(refusal({ status }))).toBe('rotation-lost');
  });

  it('is a rotation that may be lost, after a 200 that nobody can read', async () => {
    expect(await reasonAfter(failure({ kind: 'malformed', status: 200, what: 'no-json' }))).toBe('rotation-lost');
  });

  it('is no lost rotation when Concur itself asked for patience', async () => {
    expect(await reasonAfter(refusal({ status: 429 }))).toBe('bad-refresh-token');
  });
});
