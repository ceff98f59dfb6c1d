/**
 * One call of the command line, from arguments to exit code: 0 done, 1 failed, 2 wrong use, 75 try again (and 78 for a
 * wrong environment, as every process of Evergrant has it).
 */
import { Command, CommanderError } from 'commander';
import { isAppError } from '../core/errors.ts';
import { hasSqlState } from '../db/database-error.ts';
import { parseConfig } from '../runtime/config.ts';
import type { Variables } from '../runtime/environment.ts';
import { describeFailure, exitCodeOf, EXIT_TRY_AGAIN } from '../runtime/main-guard.ts';
import { readVersion } from '../runtime/version.ts';
import { addApps } from './apps.ts';
import { addClients } from './clients.ts';
import { addCodes } from './codes.ts';
import { addConnections } from './connections.ts';
import { addDoctor } from './doctor.ts';
import { addKeys } from './keys.ts';
import { addMigrate } from './migrate.ts';
import { addReconcile } from './reconcile.ts';
import { completeVariables } from './running.ts';
import type { Terminal } from './terminal.ts';
import { createToolbox, type Toolbox } from './toolbox.ts';
import type { Bench } from './verb.ts';
import { addWebhooks } from './webhooks.ts';

/** What looks at the installation itself. */
const ownCheck: ReadonlySet<string> = new Set(['migrate', 'doctor', 'keys']);

const FAILED = 1;
const WRONG_USE = 2;

/** SQLSTATE of a statement that asks for what a migration would have made. */
const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';

const EXIT_CODES = `
Each of them has --help, and every verb --json. Secrets are read from standard input or a file, never from an argument.
Beside a running \`npm start\` its database and Temporal are found; else the environment says where they are.
Exit codes: 0 done, 1 failed, 2 wrong use, 75 try again, 78 the environment is wrong.`;

/** Never throws: failures are told on the terminal. */
export async function runCli(argv: readonly string[], variables: Variables, terminal: Terminal): Promise<number> {
  let toolbox: Toolbox | undefined;
  let exitCode = 0;
  const completed = completeVariables(variables);
  const bench: Bench = {
    terminal,
    tools() {
      toolbox ??= createToolbox(parseConfig(completed, 'cli'), terminal.user);
      return toolbox;
    },
    tryAgain(why) {
      exitCode = EXIT_TRY_AGAIN;
      terminal.err(`${why}\n`);
    },
    fail(why) {
      if (exitCode === 0) exitCode = FAILED;
      terminal.err(`${why}\n`);
    },
  };
  const program = createProgram(bench, completed);
  try {
    if (argv.length === 0) program.help({ error: true });
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    exitCode = report(error, terminal);
  } finally {
    await toolbox?.close();
  }
  return exitCode;
}

function createProgram(bench: Bench, variables: Variables): Command {
  const { terminal } = bench;
  const program = new Command('evergrant')
    .description("Operator's command line: connections of customers to SAP Concur, and who may use them.")
    .version(readVersion())
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', EXIT_CODES);
  // Wrong use has been told by now; whatever the verb is, it is not for another installation's database.
  program.hook('preAction', async (_program, verb) => {
    const names = [verb.name(), verb.parent?.name() ?? ''];
    if (!names.some((name) => ownCheck.has(name))) await bench.tools().assertOwn();
  });
  addConnections(program, bench);
  addApps(program, bench);
  addClients(program, bench);
  addCodes(program, bench);
  addKeys(program, bench);
  addWebhooks(program, bench);
  addReconcile(program, bench);
  addDoctor(program, bench, () => parseConfig(variables, 'cli'));
  addMigrate(program, terminal, () => parseConfig(variables, 'migrate'));
  return program;
}

function report(error: unknown, terminal: Terminal): number {
  // Commander has said on the terminal what it does not understand.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE;
  if (hasSqlState(error, UNDEFINED_TABLE, UNDEFINED_COLUMN)) {
    terminal.err('evergrant: The database lacks the schema of this version; run: evergrant migrate\n');
    return FAILED;
  }
  terminal.err(`${describeFailure('evergrant', error)}\n`);
  return isAppError(error, 'bad-request') ? WRONG_USE : exitCodeOf(error);
}
