import type { Command } from 'commander';
import { isAppError } from '../core/errors.ts';
import type { Config } from '../runtime/settings.ts';
import { checkConcur } from './doctor/concur.ts';
import { checkDatabase } from './doctor/database.ts';
import { type Finding, fail, ok } from './doctor/finding.ts';
import { checkTemporal } from './doctor/temporal.ts';
import { printJson, printTable } from './print.ts';
import { addVerb, type Bench } from './verb.ts';

interface Options {
  readonly json?: true;
}

/** `evergrant doctor`: looks at everything that a running installation needs, and says what to do. */
export function addDoctor(program: Command, bench: Bench, config: () => Config): void {
  addVerb(program, 'doctor', 'check configuration, database, keys, Temporal and SAP Concur, and say what to do').action(
    async ({ json }: Options) => {
      const findings = await examine(bench, config);
      print(bench, findings, json);
      const failed = findings.filter(({ status }) => status === 'fail').length;
      if (failed > 0) bench.fail(failed === 1 ? 'One thing needs to be done.' : `${failed} things need to be done.`);
    },
  );
}

async function examine({ tools }: Bench, config: () => Config): Promise<readonly Finding[]> {
  let settings: Config;
  try {
    settings = config();
  } catch (error) {
    if (!isAppError(error, 'configuration-invalid')) throw error;
    return [fail('configuration', error.message, 'Set what is named, then run this again.')];
  }
  const configured = ok('configuration', `mode ${settings.mode}`);
  const [database, temporal, concur] = await Promise.all([
    unlessBroken('database', () => checkDatabase(tools())),
    unlessBroken('temporal', () => checkTemporal(settings)),
    unlessBroken('SAP Concur', () => checkConcur(settings)),
  ]);
  return [configured, ...database, ...temporal, ...concur];
}

/** What one check stumbles over must not hide what the others find. */
async function unlessBroken(check: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    const found = error instanceof Error ? error.message : 'broke down';
    return [fail(check, `could not be looked at: ${found}`, 'See that this role, key or certificate may read there.')];
  }
}

function print({ terminal }: Bench, findings: readonly Finding[], json: true | undefined): void {
  if (json) return printJson(terminal, { items: findings });
  // The first line has its place in the table, what else was found stands below.
  const rows = findings.map(({ check, status, found }) => [check, status, found.split('\n', 1)[0] ?? '']);
  printTable(terminal, ['check', 'status', 'found'], rows);
  for (const { check, found, todo } of findings) {
    const [, ...more] = found.split('\n');
    if (todo !== null) terminal.out(`\n${[...more, `${check}: ${todo}`].join('\n')}\n`);
  }
}
