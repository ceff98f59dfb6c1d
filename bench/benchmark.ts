/** What a benchmark is, and what it says: claims with their targets, and the raw numbers behind them. */
import type { Place } from './place.ts';
import type { Spread } from './statistics.ts';

export interface Benchmark {
  readonly name: string;
  /** What is measured against what, in a sentence or two. */
  readonly about: string;
  /** `place`: where the servers and the product run. */
  run(effort: Effort, place: Place): Promise<Findings>;
}

export interface Effort {
  /** A minute at most: fewer rounds of shorter measurements, smaller fleets. */
  readonly isQuick: boolean;
  /** Tells the one who waits what goes on. */
  say(line: string): void;
}

export interface Findings {
  readonly claims: readonly Claim[];
  /** Every number that was measured, by contender. */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly notes: readonly string[];
}

/** One measured number beside what it should be. */
export interface Claim {
  readonly what: string;
  /** Median of the rounds; the extremes beside it. */
  readonly measured: Spread;
  /** Null: reported, not judged. */
  readonly target: { readonly sense: '>=' | '<='; readonly value: number } | null;
}

/** Null where nothing was to be met. */
export function isMet({ measured, target }: Claim): boolean | null {
  if (target === null) return null;
  return target.sense === '>=' ? measured.median >= target.value : measured.median <= target.value;
}
