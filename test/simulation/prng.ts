/** Chance that can be repeated: sfc32, seeded by one number. Every draw of a simulated world comes from here. */
import type { Rng } from '../../core/ports.ts';

export interface Prng extends Rng {
  /** In [0, 1). */
  next(): number;
  chance(probability: number): boolean;
  /** A whole number in [low, high]. */
  between(low: number, high: number): number;
  /** The same, each order of magnitude as likely as the next. */
  spread(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

const SYMBOLS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export function createPrng(seed: number): Prng {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = Math.imul(seed, 0x85ebca6b) ^ 0xb7e15162;
  let counter = seed | 0;
  const draw = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i += 1) draw();
  const next = (): number => draw() / 0x1_0000_0000;
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(next() * 16).toString(16)).join('');
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between,
    chance: (probability) => probability > 0 && next() < probability,
    spread: (low, high) => Math.round(Math.exp(Math.log(low) + next() * (Math.log(high) - Math.log(low)))),
    pick(items) {
      const item = items[between(0, items.length - 1)];
      if (item === undefined) throw new Error('nothing to pick from');
      return item;
    },
    uuid: () => [hex(8), hex(4), hex(4), hex(4), hex(12)].join('-'),
    token: (bytes) =>
      Array.from({ length: Math.ceil((bytes * 4) / 3) }, () => SYMBOLS[Math.floor(next() * 64)]).join(''),
  };
}
