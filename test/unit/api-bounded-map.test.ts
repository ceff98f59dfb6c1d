/** What a bounded map keeps and what it forgets, against a map that moves an entry at every look. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedMap } from '../../api/bounded-map.ts';

const step = fc.record({ key: fc.nat(60), isLook: fc.boolean() });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Keys that are gone after these steps. Seen in a copy: a look at a key is a use of it. */
function missingOf(capacity: number, steps: readonly Step[], keys: readonly number[]): readonly number[] {
  const copy = new BoundedMap<number, number>(capacity);
  for (const [value, { key, isLook }] of steps.entries()) {
    if (isLook) copy.get(key);
    else copy.set(key, value);
  }
  return keys.filter((key) => copy.get(key) === undefined);
}

describe('a bounded map', () => {
  it('forgets what was used longest ago, to the key while it is small', () => {
    const map = new BoundedMap<string, number>(3);
    for (const [index, key] of ['a', 'b', 'c'].entries()) map.set(key, index);
    expect(map.get('a')).toBe(0);
    map.set('b', 7);
    map.set('d', 3);
    expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toEqual([0, 7, undefined, 3]);
    expect([map.delete('a'), map.delete('a'), map.get('a'), map.size]).toEqual([true, false, undefined, 2]);
  });

  it('forgets nothing that was used a quarter of its capacity later than everything that it keeps', () => {
    const capacity = 20;
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 200 }), (steps) => {
        const map = new BoundedMap<number, number>(capacity);
        const kept = new Map<number, { value: number; usedAt: number }>();
        let arrivals = 0;
        for (const [value, { key, isLook }] of steps.entries()) {
          const before = kept.get(key);
          if (isLook) {
            expect(map.get(key)).toBe(before?.value);
            if (before !== undefined) before.usedAt = arrivals;
            continue;
          }
          if (before === undefined) arrivals += 1;
          map.set(key, value);
          kept.set(key, { value, usedAt: arrivals });
          expect(map.size).toBe(Math.min(kept.size, capacity));
          if (kept.size <= capacity) continue;
          const [forgotten = -1, ...others] = missingOf(capacity, steps.slice(0, value + 1), [...kept.keys()]);
          expect(others).toEqual([]);
          const { usedAt = 0 } = kept.get(forgotten) ?? {};
          kept.delete(forgotten);
          for (const other of kept.values()) expect(usedAt - other.usedAt).toBeLessThanOrEqual(capacity / 4);
        }
      }),
      { numRuns: 60 },
    );
  });
});
