import { describe, expect, it } from 'vitest';
import { simulateSeed } from './simulate.ts';
import { addTo, createTally } from './tally.ts';

const SEEDS = 200;

describe('two hundred simulated lives of a connection', () => {
  it('hold every invariant in every moment, and end well or for a reason that Concur confirms', async () => {
    const tally = createTally();
    for (let seed = 1; seed <= SEEDS; seed += 1) addTo(tally, await simulateSeed(seed));
    const failed = tally.failed.map(
      ({ seed, violations }) => `npm run simulate -- --seed ${seed}: ${violations[0]?.what}`,
    );
    expect(failed).toEqual([]);
    expect(tally.seeds).toBe(SEEDS);
    // What is to be survived was among them.
    const { tokenCalls, tokensHandedOut, deaths, revivals, rotationsLost, diedInHand, lifeboats } = tally.counts;
    expect(tokenCalls).toBeGreaterThan(1_000);
    expect(tokensHandedOut).toBeGreaterThan(1_000);
    for (const count of [deaths, revivals, rotationsLost, diedInHand, lifeboats]) expect(count).toBeGreaterThan(0);
  });

  it('come out the same each time', async () => {
    const seeds = Array.from({ length: 10 }, (_, index) => 1 + index * 19);
    for (const seed of seeds) {
      const first = await simulateSeed(seed);
      const second = await simulateSeed(seed);
      expect(second.hash).toBe(first.hash);
      expect(second.trace).toEqual(first.trace);
    }
    const hashes = new Set(await Promise.all(seeds.map(async (seed) => (await simulateSeed(seed)).hash)));
    expect(hashes.size).toBe(seeds.length);
  });
});
