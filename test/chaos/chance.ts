/** Chance that can be had again: `CHAOS_SEED` in the output leads to the same choices, if not to the same moments. */
export interface Chance {
  readonly seed: number;
  /** A whole number from 0 to `below`, exclusive. */
  below(limit: number): number;
  one<T>(items: readonly T[]): T;
}

export function createChance(seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000)): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    seed,
    below,
    one(items) {
      const item = items[below(items.length)];
      if (item === undefined) throw new Error('nothing to choose from');
      return item;
    },
  };
}
