/** A process that simulates every n-th seed, and tells its parent of each. */
import { simulateSeed } from './simulate.ts';
import type { SeedSummary } from './tally.ts';

/** What the parent sends first. */
export interface SeedOrder {
  readonly first: number;
  readonly last: number;
  readonly stride: number;
  readonly bug: string | null;
}

/** What the parent is told: each seed, and in the end the CPU that was used, in microseconds. */
export type SeedMessage = { readonly summary: SeedSummary } | { readonly cpuMicros: number };

process.once('message', (order: SeedOrder) => void simulate(order));

async function simulate({ first, last, stride, bug }: SeedOrder): Promise<void> {
  const before = process.cpuUsage();
  for (let seed = first; seed <= last; seed += stride) {
    const { violations, counts, steps } = await simulateSeed(seed, bug);
    tell({ summary: { seed, violations, counts, steps } });
  }
  const { user, system } = process.cpuUsage(before);
  tell({ cpuMicros: user + system });
  process.disconnect();
}

function tell(message: SeedMessage): void {
  process.send?.(message);
}
