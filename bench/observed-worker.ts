import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, LOOPBACK } from '../dev/stack/ports.ts';
import type { Backend } from '../test/integration/backend.ts';
import { cpuMsOf, residentBytesOf } from './process-cost.ts';
import { percentile } from './statistics.ts';

/** For the backend whose worker is to be looked into. */
export const observedNodeArgs = [
  '--expose-gc',
  '--import',
  fileURLToPath(new URL('memory-probe.mjs', import.meta.url)),
] as const;

const EVERY_MS = 1_000;

export interface ObservedWorker {
  /** From the start of the process until it polls. */
  readonly startMs: number;
  cpuMs(): number;
  /** Median of the resident set, looked at every second for so long. */
  residentBytes(forMs: number): Promise<number>;
  /** What its heaps, of the main thread and of the workflows', hold after a collection. */
  heapBytes(): Promise<{ readonly main: number; readonly workflows: number }>;
  stop(): Promise<void>;
}

export async function startObservedWorker(
  backend: Backend,
  env: Readonly<Record<string, string>>,
): Promise<ObservedWorker> {
  const port = await freePort();
  const startedAtMs = performance.now();
  const { pid, stop } = await backend.startWorker({ ...env, MEMORY_PROBE_PORT: String(port) });
  return {
    startMs: performance.now() - startedAtMs,
    cpuMs: () => cpuMsOf(pid),
    async residentBytes(forMs) {
      const seen = [residentBytesOf(pid)];
      for (const endMs = performance.now() + forMs; performance.now() < endMs; ) {
        await pause(Math.min(EVERY_MS, forMs));
        seen.push(residentBytesOf(pid));
      }
      return percentile(seen, 50);
    },
    async heapBytes() {
      const response = await fetch(`http://${LOOPBACK}:${port}`);
      const threads = (await response.json()) as readonly { readonly threadId: number; readonly heapBytes: number }[];
      const sum = (isMain: boolean): number =>
        threads.filter(({ threadId }) => (threadId === 0) === isMain).reduce((all, one) => all + one.heapBytes, 0);
      return { main: sum(true), workflows: sum(false) };
    },
    async stop() {
      await stop();
    },
  };
}
