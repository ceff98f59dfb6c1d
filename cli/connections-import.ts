/** `evergrant connections import`: refresh tokens from elsewhere, from a file; see docs/migrating.md. */
import { type Command, InvalidArgumentError } from 'commander';
import { buildIntakeRequest } from '../api/intake-request.ts';
import { isLiving } from '../core/connection.ts';
import { AppError } from '../core/errors.ts';
import type { Vault } from '../core/ports.ts';
import type { App } from '../core/stores.ts';
import { type ImportFile, type ImportRow, type InvalidLine, parseImportFile } from './import-file.ts';
import { type ImportedRow, importRows } from './import-rows.ts';
import { parseApp } from './parse.ts';
import { printJson, printTable } from './print.ts';
import { createPrivateFile } from './private-file.ts';
import { drawProgress } from './progress.ts';
import { readAll } from './terminal.ts';
import type { Toolbox } from './toolbox.ts';
import { addVerb, type Bench } from './verb.ts';

interface ImportOptions {
  readonly json?: true;
  readonly dryRun?: true;
  readonly skipInvalid?: true;
  readonly report?: string;
  readonly concurrency: number;
  readonly rate?: number;
}

const CONCURRENCY = 20;
/** Rows that take longer than 20 s are waited for at the end for so long. */
const PATIENCE_MS = 60_000;
/** Principals that are looked up at a time. */
const PAGE = 200;
/** Lines that a person is told about; the report has all. */
const MOST_TOLD = 20;

const NOTES = `
FILE has one JSON object a line, or is - for standard input:
  {"principal_id":"…","refresh_token":"…","geolocation":"https://us2.api.concursolutions.com","customer_ref":"…","replace":false}
The last two may be left out. Each token is proven by a refresh before it is kept. The same command again goes on where
it was interrupted, and tries the rows again that failed. Exit code: 0 all are connected, 1 some failed, 75 try again.`;

export function addImport(noun: Command, bench: Bench): void {
  addVerb(noun, 'import', 'connect with refresh tokens from a file')
    .argument('<app>', 'name of the app', parseApp)
    .argument('<file>', 'NDJSON, one connection a line; - for standard input')
    .option('--dry-run', 'judge the file and say what would be done')
    .option('--skip-invalid', 'import the other lines where some are wrong')
    .option('--report <file>', 'what became of each line, NDJSON; FILE.report.ndjson unless told otherwise')
    .option('--concurrency <rows>', 'rows under way at a time', parseWhole(1, 200), CONCURRENCY)
    .option(
      '--rate <rows>',
      'rows begun a second; half of CONCUR_RATE_PER_DATACENTER by default',
      parseWhole(1, 10_000),
    )
    .addHelpText('after', NOTES)
    .action((app: string, file: string, options: ImportOptions) => run(bench, app, file, options));
}

async function run(bench: Bench, name: string, path: string, options: ImportOptions): Promise<void> {
  const { terminal } = bench;
  const tools = bench.tools();
  const app = await tools.apps.maybeOne(name);
  if (app === null) throw new AppError('not-found', `There is no app ${name}`, { details: { app: name } });
  const file = parseImportFile(await readAll(terminal, path), { app: name, dataCentres: tools.dataCentres });
  tellInvalid(bench, file.invalid);
  if (file.invalid.length > 0 && options.skipInvalid !== true) {
    const more = 'nothing was imported; mend them, or say --skip-invalid';
    throw new AppError('bad-request', `${path}: ${file.invalid.length} lines are wrong: ${more}.`);
  }
  if (options.dryRun === true) return await foretell(bench, tools, app, file, options);

  const imported = await importAll(bench, tools, app, file.rows, options);
  const report = options.report ?? (path === '-' ? null : `${path}.report.ndjson`);
  if (report !== null) await writeReport(report, imported, file.invalid);
  summarise(bench, options, { ...countOutcomes(imported), invalid: file.invalid.length, report });
}

function tellInvalid({ terminal }: Bench, invalid: readonly InvalidLine[]): void {
  for (const { line, message } of invalid.slice(0, MOST_TOLD)) terminal.err(`line ${line}: ${message}\n`);
  if (invalid.length > MOST_TOLD) terminal.err(`… and ${invalid.length - MOST_TOLD} more\n`);
}

async function importAll(
  { terminal }: Bench,
  tools: Toolbox,
  app: App,
  rows: readonly ImportRow[],
  { concurrency, rate }: ImportOptions,
): Promise<readonly ImportedRow[]> {
  const vault = await tools.vault();
  const { clock, dataCentres, act, config } = tools;
  const startedMs = clock.monotonic();
  const draw = (done: number): void =>
    terminal.progress?.(drawProgress(done, rows.length, clock.monotonic() - startedMs));
  try {
    return await importRows(
      {
        clock,
        intake: await tools.intake(vault),
        app: app.app,
        concurrency,
        // The other half is left to the connections that live.
        ratePerSecond: rate ?? Math.max(1, config.concurRatePerDataCentre / 2),
        patienceMs: PATIENCE_MS,
        buildRequest: ({ order }) => buildIntakeRequest(order, { app, ...act, dataCentres }),
        sessionIdOf: (row, tries) => sessionIdOf(vault, app.app, row, tries),
        onProgress: draw,
      },
      rows,
    );
  } finally {
    terminal.progress?.('');
  }
}

/** Keyed, so that nobody who has the file's tokens can tell a session by them. */
function sessionIdOf(vault: Vault, app: string, { order }: ImportRow, tries: number): Promise<string> {
  return vault.fingerprint(order.canonical, `import:${app}:${tries}`);
}

/** What would be done: nothing is called, nothing is written. */
async function foretell(
  bench: Bench,
  tools: Toolbox,
  { app }: App,
  { rows, invalid }: ImportFile,
  { json }: ImportOptions,
): Promise<void> {
  const living = new Set<string>();
  for (let at = 0; at < rows.length; at += PAGE) {
    const principals = rows.slice(at, at + PAGE).map(({ principal }) => principal);
    const { items } = await tools.connections.many({ app, principals, limit: PAGE });
    for (const { principal, state } of items) if (isLiving(state)) living.add(principal);
  }
  const known = rows.filter(({ principal }) => living.has(principal));
  const replaced = known.filter(({ order }) => order.replace).length;
  const counts = {
    lines: rows.length + invalid.length,
    invalid: invalid.length,
    to_connect: rows.length - known.length,
    to_replace: replaced,
    living: known.length - replaced,
  };
  if (json) return printJson(bench.terminal, { dry_run: true, ...counts });
  printTable(
    bench.terminal,
    ['lines', 'invalid', 'to connect', 'to replace', 'living, not to be replaced'],
    [Object.values(counts)],
  );
}

async function writeReport(
  path: string,
  imported: readonly ImportedRow[],
  invalid: readonly InvalidLine[],
): Promise<void> {
  const lines = [
    ...imported.map(({ row, result }) => ({ line: row.line, principal_id: row.principal, ...result })),
    ...invalid.map(({ line, message }) => ({
      line,
      principal_id: null,
      outcome: 'invalid',
      code: 'bad-request',
      message,
    })),
  ].toSorted((one, other) => one.line - other.line);
  const file = await createPrivateFile(path, { overwrite: true });
  try {
    for (const line of lines) await file.write(JSON.stringify(line));
    await file.keep();
  } finally {
    await file.discard();
  }
}

interface Outcomes {
  readonly connected: number;
  readonly failed: number;
  readonly pending: number;
  readonly notTried: number;
}

function countOutcomes(imported: readonly ImportedRow[]): Outcomes {
  const count = (outcome: ImportedRow['result']['outcome']): number =>
    imported.filter(({ result }) => result.outcome === outcome).length;
  return {
    connected: count('connected'),
    failed: count('failed'),
    pending: count('pending'),
    notTried: count('not-tried'),
  };
}

function summarise(
  bench: Bench,
  { json }: ImportOptions,
  counts: Outcomes & { readonly invalid: number; readonly report: string | null },
): void {
  const { connected, failed, pending, notTried, invalid, report } = counts;
  if (json) printJson(bench.terminal, { connected, failed, pending, not_tried: notTried, invalid, report });
  else {
    printTable(
      bench.terminal,
      ['connected', 'failed', 'pending', 'not tried', 'invalid'],
      [[connected, failed, pending, notTried, invalid]],
    );
    if (report !== null) bench.terminal.out(`\nWhat became of each line: ${report}\n`);
  }
  if (failed + invalid > 0) bench.fail(`${failed + invalid} lines are not connected; the report says why.`);
  if (pending + notTried > 0) bench.tryAgain('Some rows are not done yet: the same command again goes on with them.');
}

function parseWhole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`A whole number between ${least} and ${most}.`);
  };
}
