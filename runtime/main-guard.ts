/** The frame around every `main.ts`: what a failure looks like on the terminal and to whoever started the process. */
import { type ErrorCode, errorTable, isAppError } from '../core/errors.ts';
import { maskTokens } from './error-fields.ts';

/** `EX_CONFIG` of BSD's sysexits. */
const EXIT_CONFIGURATION = 78;
/** `EX_TEMPFAIL`: the same again may work later. */
export const EXIT_TRY_AGAIN = 75;
const EXIT_FAILED = 1;

/** Their messages say what is wrong and what to do; the table's hints are for those who read an answer of the API. */
const speaksForItself: ReadonlySet<ErrorCode> = new Set([
  'configuration-invalid',
  'bad-request',
  'not-found',
  'conflict',
]);

/** 78 for a wrong configuration, 75 when trying again may help, else 1. */
export function exitCodeOf(error: unknown): number {
  if (!isAppError(error)) return EXIT_FAILED;
  if (error.code === 'configuration-invalid') return EXIT_CONFIGURATION;
  return errorTable[error.code].retryable ? EXIT_TRY_AGAIN : EXIT_FAILED;
}

/** What is told about a failure: an `AppError` speaks for itself, a defect brings its stack. */
export function describeFailure(name: string, error: unknown): string {
  if (isAppError(error)) {
    const hint = speaksForItself.has(error.code) ? '' : `\n${errorTable[error.code].hint}`;
    return maskTokens(`${name}: ${error.message}${hint}`);
  }
  return maskTokens(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

/** Runs `main`; when it fails, says why on standard error and ends the process with the fitting exit code. */
export async function runMain(name: string, main: () => Promise<void>): Promise<void> {
  const fail = (error: unknown) => {
    process.stderr.write(`${describeFailure(name, error)}\n`);
    process.exit(exitCodeOf(error));
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  try {
    await main();
  } catch (error) {
    fail(error);
  }
}
