/** The test of the test: each bug takes one guarantee away, and the simulation has to notice. */
import { describe, expect, it } from 'vitest';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { simulateSeed } from './simulate.ts';

const MOST_SEEDS = 200;

/** The first seed that shows the invariant broken, null when none does. */
async function firstSeedThatFinds(name: string, invariant: PlantedBug['breaks']): Promise<number | null> {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    const { violations } = await simulateSeed(seed, name);
    if (violations.some((violation) => violation.invariant === invariant)) return seed;
  }
  return null;
}

describe('a planted bug', () => {
  it.each(Object.entries(plantedBugs).map(([name, { breaks }]) => ({ name, breaks })))(
    'named $name breaks $breaks within two hundred seeds',
    async ({ name, breaks }) => {
      expect(await firstSeedThatFinds(name, breaks)).not.toBeNull();
    },
  );

  it('is there for each of the invariants that the simulation watches', () => {
    const broken = new Set(Object.values(plantedBugs).map(({ breaks }) => breaks));
    expect([...broken].sort()).toEqual(['I1', 'I2', 'I3', 'I4', 'I8']);
  });
});
