/**
 * Stands in for the API or the worker where the launcher itself is under test: says that it is up, answers on its port,
 * notes in a journal when it ends, and can be told by its environment to misbehave.
 *
 * `FIXTURE_JOURNAL`: file for one line per start and end. `FIXTURE_REFUSES`, `FIXTURE_STUBBORN`, `FIXTURE_SLOW`: name
 * of the part that ends with 78 at once, that ignores signals, that never says that it is up.
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { announceReady } from '../../../runtime/ready.ts';

export function runFixturePart(name: 'api' | 'worker', port: number): void {
  const { FIXTURE_JOURNAL: journal, FIXTURE_REFUSES, FIXTURE_STUBBORN, FIXTURE_SLOW } = process.env;
  const note = (what: string): void => {
    if (journal !== undefined) appendFileSync(journal, `${name} ${what}\n`);
  };
  if (FIXTURE_REFUSES === name) {
    process.stderr.write('The configuration is wrong: FIXTURE_REFUSES\n');
    process.exit(78);
  }
  for (let line = 1; line <= 30; line += 1) process.stdout.write(`${name} line ${line}\n`);
  process.stdout.write(`${JSON.stringify({ level: 'warn', msg: `${name} warns` })}\n`);
  process.stdout.write(`${JSON.stringify({ level: 'info', msg: `${name} informs` })}\n`);

  const server = createServer((_request, response) => response.end(`${name}\n`));
  const stop = (why: string) => (): void => {
    note(`ended by ${why}`);
    process.exit(0);
  };
  const isStubborn = FIXTURE_STUBBORN === name;
  process.on('SIGTERM', isStubborn ? () => note('ignored SIGTERM') : stop('SIGTERM'));
  process.on('SIGINT', isStubborn ? () => note('ignored SIGINT') : stop('SIGINT'));
  process.on('disconnect', isStubborn ? () => note('ignored disconnect') : stop('disconnect'));
  server.listen(port, '127.0.0.1', () => {
    note('up');
    if (FIXTURE_SLOW !== name) announceReady(`http://127.0.0.1:${port}`);
  });
}
