/** Who used the processor meanwhile: what a ratio of rates is made of, and hardly touched by what else the machine does. */
import { cpuMsOf, cpuMsWithChildren } from './process-cost.ts';
import type { Place } from './place.ts';

/** CPU milliseconds by process. */
export type CpuShares = Readonly<Record<string, number>>;

/**
 * Starts to count; the function returned tells what has been used since. `bench` is the benchmark's own process, which
 * plays Concur and the callers.
 */
export function countCpu({ pids }: Place, more: Readonly<Record<string, number>>): () => CpuShares {
  const look = (): CpuShares => ({
    bench: cpuMsOf(process.pid),
    temporal: cpuMsOf(pids.temporal),
    // A process for each connection, which outlives the measurement.
    postgres: cpuMsWithChildren(pids.postgres),
    ...Object.fromEntries(Object.entries(more).map(([name, pid]) => [name, cpuMsOf(pid)])),
  });
  const before = look();
  return () => Object.fromEntries(Object.entries(look()).map(([name, ms]) => [name, ms - (before[name] ?? 0)]));
}

/** The same for one piece of the work that was done meanwhile. */
export function perPiece(shares: CpuShares, pieces: number): CpuShares {
  const each = Object.entries(shares).map(([name, ms]) => [name, Math.round((ms / pieces) * 100) / 100] as const);
  const sum = each.reduce((total, [, ms]) => total + ms, 0);
  return { ...Object.fromEntries(each), sum: Math.round(sum * 100) / 100 };
}
