/** `npm run bench -- NAME [--quick] [--product FOLDER] [--profile FOLDER]`: one benchmark, its table, its numbers as JSON. */
import { parseArgs } from 'node:util';
import type { Benchmark } from './benchmark.ts';
import { catchUp } from './catch-up.ts';
import { connect } from './connect.ts';
import { cost } from './cost.ts';
import { fleet } from './fleet.ts';
import { currentLoad, lookAtMachine } from './machine.ts';
import { openPlace } from './place.ts';
import { printReport } from './report.ts';
import { rotation } from './rotation.ts';
import { tokenRead } from './token-read.ts';

const benchmarks: readonly Benchmark[] = [tokenRead, connect, rotation, cost, fleet, catchUp];

/** EX_USAGE of sysexits.h is for programs; a shell's usage error is 2. */
const WRONG_USE = 2;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, product: { type: 'string' }, profile: { type: 'string' } },
  });
  const benchmark = benchmarks.find(({ name }) => name === positionals[0]);
  if (benchmark === undefined || positionals.length > 1) {
    console.error('npm run bench -- NAME [--quick] [--product FOLDER] [--profile FOLDER]\n');
    for (const { name, about } of benchmarks) console.error(`${name}\n  ${about}`);
    console.error('\n--product FOLDER: measures what is built in FOLDER/dist already, instead of building it now.');
    console.error("--profile FOLDER: CPU profiles of the product's processes go there.");
    process.exitCode = WRONG_USE;
    return;
  }
  const isQuick = values.quick;
  const machine = lookAtMachine();
  const startedAtMs = Date.now();
  const say = (line: string): void => console.error(`[${((Date.now() - startedAtMs) / 1_000).toFixed(1)} s] ${line}`);
  const place = await openPlace({ product: values.product ?? null, profiles: values.profile ?? null, say });
  const findings = await benchmark.run({ isQuick, say }, place).finally(() => place.close());
  machine.loadAtEnd = currentLoad();
  const seconds = Math.round((Date.now() - startedAtMs) / 1_000);
  printReport({ name: benchmark.name, isQuick, seconds, at: new Date().toISOString(), machine, ...findings });
}

await main();
