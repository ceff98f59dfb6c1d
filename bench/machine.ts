import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** What a number was measured on. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly node: string;
  /** Processes that wanted a core, over the last minute, as the benchmark began: others' work, if it is not near 0. */
  readonly loadAtStart: number;
  loadAtEnd: number;
}

export function lookAtMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    loadAtStart: currentLoad(),
    loadAtEnd: Number.NaN,
  };
}

export function currentLoad(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}
