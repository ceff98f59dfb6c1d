/**
 * `npm run simulate -- --seeds 1000` lives the lives of a thousand connections; `--seed 42` replays one and prints what
 * happened in it. `--from` is the first seed, `--bug` plants one of the known bugs. Exit code 1 when an invariant broke.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { plantedBugs } from './planted-bugs.ts';
import type { SeedMessage, SeedOrder } from './seed-process.ts';
import { simulateSeed } from './simulate.ts';
import { addTo, createTally, type SeedSummary } from './tally.ts';

/** One for each core of the machine that the budget is made for. */
const PROCESSES = 2;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    bug: { type: 'string' },
  },
});
const bug = values.bug ?? null;
if (bug !== null && plantedBugs[bug] === undefined) {
  throw new Error(`--bug is one of ${Object.keys(plantedBugs).join(', ')}`);
}
process.exitCode = values.seed === undefined ? await simulateMany() : await replay(Number(values.seed));

async function replay(seed: number): Promise<number> {
  const { trace, violations, hash } = await simulateSeed(seed, bug);
  print(trace.join('\n'));
  print(`${hash}: ${violations.length === 0 ? 'every invariant held' : describe({ seed, violations })}`);
  return violations.length === 0 ? 0 : 1;
}

async function simulateMany(): Promise<number> {
  const first = Number(values.from);
  const last = first + Number(values.seeds) - 1;
  const startedAtMs = performance.now();
  const tally = createTally();
  const cpuMicros = await Promise.all(
    Array.from({ length: PROCESSES }, (_, index) =>
      runProcess({ first: first + index, last, stride: PROCESSES, bug }, (summary) => addTo(tally, summary)),
    ),
  );

  const seconds = (performance.now() - startedAtMs) / 1_000;
  const cpuMs = cpuMicros.reduce((sum, micros) => sum + micros, 0) / 1_000;
  const { seeds, steps, counts, failed } = tally;
  print(`${seeds} seeds in ${seconds.toFixed(1)} s: ${(seeds / seconds).toFixed(0)} a second`);
  print(`${(cpuMs / seeds).toFixed(1)} ms of CPU and ${(steps / seeds).toFixed(0)} events a seed`);
  for (const [name, count] of Object.entries(counts)) print(`  ${name}: ${count}`);
  const [worst] = failed.sort((one, other) => one.seed - other.seed);
  if (worst === undefined) {
    print('every invariant held');
    return 0;
  }
  print(`${failed.length} seeds failed:`);
  for (const summary of failed.slice(0, 20)) print(`  ${describe(summary)}`);
  print('The first of them:');
  await replay(worst.seed);
  print(`Replay: npm run simulate -- --seed ${worst.seed}${bug === null ? '' : ` --bug ${bug}`}`);
  return 1;
}

/** Resolves to the CPU that it used, in microseconds. */
function runProcess(order: SeedOrder, onSummary: (summary: SeedSummary) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    // Brings `--import tsx` along, as this process was started with it.
    const child = fork(fileURLToPath(new URL('./seed-process.ts', import.meta.url)));
    let cpuMicros = 0;
    child.on('message', (message: SeedMessage) => {
      if ('summary' in message) onSummary(message.summary);
      else cpuMicros = message.cpuMicros;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve(cpuMicros);
      else reject(new Error(`a process ended with ${code}`));
    });
    child.send(order);
  });
}

function describe({ seed, violations }: Pick<SeedSummary, 'seed' | 'violations'>): string {
  return `seed ${seed}: ${violations.map(({ invariant, what }) => `${invariant}, ${what}`).join('; ')}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
