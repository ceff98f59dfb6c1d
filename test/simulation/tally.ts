/** What many seeds came to. */
import { type Counted, counted } from './oracle.ts';
import type { SeedReport } from './simulate.ts';

/** A report without its trace: that can be had again by the seed. */
export type SeedSummary = Pick<SeedReport, 'seed' | 'violations' | 'counts' | 'steps'>;

export interface Tally {
  seeds: number;
  steps: number;
  readonly counts: Record<Counted, number>;
  readonly failed: SeedSummary[];
}

export function createTally(): Tally {
  const counts = Object.fromEntries(counted.map((name) => [name, 0])) as Record<Counted, number>;
  return { seeds: 0, steps: 0, counts, failed: [] };
}

export function addTo(tally: Tally, summary: SeedSummary): void {
  tally.seeds += 1;
  tally.steps += summary.steps;
  for (const name of counted) tally.counts[name] += summary.counts[name];
  if (summary.violations.length > 0) tally.failed.push(summary);
}
