/**
 * The suites, each a project. Servers are started by the projects that need them and by no other: `--project unit` is
 * there at once.
 */
import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

interface Suite {
  readonly name: string;
  /** What it needs of the world, by the set-up files of `test/rig`. */
  readonly needs?: readonly ('postgres' | 'temporal' | 'temporal-program' | 'time-skipping' | 'browser' | 'product')[];
  /** Of one test. */
  readonly timeoutMs?: number;
  /** Suites of one group run side by side, groups one after the other. */
  readonly group: number;
  /** One for what measures times: beside others it would measure them. Three where one of them waits most of its time. */
  readonly filesAtOnce?: number;
  /**
   * A time that was measured once, or a process that was slow to start beside others, may have been somebody else's
   * fault. The reporter says what was tried again.
   */
  readonly retry?: number;
  /**
   * Its files follow each other in the same processes, which load once what they import: no module of the product keeps a
   * state of its own. Saves half a second of CPU and more for each file.
   */
  readonly sharesProcesses?: boolean;
}

const suites: readonly Suite[] = [
  { name: 'unit', group: 0, sharesProcesses: true },
  { name: 'property', group: 0, timeoutMs: 30_000 },
  { name: 'simulation', group: 0, timeoutMs: 60_000 },
  { name: 'arch', group: 0, timeoutMs: 60_000 },
  { name: 'types', group: 0, timeoutMs: 60_000 },
  { name: 'replay', group: 0, timeoutMs: 60_000 },
  { name: 'workflow', group: 1, timeoutMs: 60_000, needs: ['time-skipping'], filesAtOnce: 3 },
  {
    name: 'integration',
    group: 1,
    timeoutMs: 30_000,
    needs: ['postgres', 'temporal'],
    filesAtOnce: 3,
    retry: 1,
    sharesProcesses: true,
  },
  {
    name: 'e2e',
    group: 1,
    timeoutMs: 120_000,
    needs: ['temporal-program', 'browser', 'product'],
    filesAtOnce: 3,
    retry: 1,
  },
  { name: 'chaos', group: 2, timeoutMs: 120_000, needs: ['postgres', 'temporal'] },
  { name: 'scale', group: 3, timeoutMs: 30_000, needs: ['postgres', 'temporal'], filesAtOnce: 1, retry: 1 },
];

/** Two: what the suites are tuned for. More files at once only make the servers fight for two cores. */
const FILES_AT_ONCE = 2;

export default defineConfig({
  test: {
    maxWorkers: FILES_AT_ONCE,
    maxConcurrency: 3,
    reporters: ['default'],
    projects: suites
      .filter(({ name }) => existsSync(new URL(`./test/${name}`, import.meta.url)))
      .map(
        ({
          name,
          needs = [],
          timeoutMs = 10_000,
          group,
          filesAtOnce = FILES_AT_ONCE,
          retry = 0,
          sharesProcesses = false,
        }) => ({
          extends: true as const,
          test: {
            name,
            include: [`test/${name}/**/*.test.ts`],
            globalSetup: needs.map((need) => `test/rig/${need}-setup.ts`),
            setupFiles: ['test/rig/leak-guard.ts'],
            // Temporal's SDK is native code that does not live in worker threads.
            pool: 'forks' as const,
            isolate: !sharesProcesses,
            maxWorkers: filesAtOnce,
            retry,
            testTimeout: timeoutMs,
            hookTimeout: Math.max(timeoutMs, 60_000),
            teardownTimeout: 20_000,
            sequence: { groupOrder: group },
          },
        }),
      ),
  },
});
