/**
 * The last line of a CI run: `N passed, N failed`. Arguments: vitest's results as JSON, the exit code of the tests, the
 * exit code of the static checks. Ends with 1 when anything failed or a suite ran no test.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { sep } from 'node:path';
import { argv, exit, stdout } from 'node:process';

const [file, testsCode, checksCode] = argv.slice(2);
const results = read(file);

const ran = results.numPassedTests + results.numFailedTests;
// A file that can't be loaded, or whose clean-up fails, has no failed test of its own.
const brokenFiles = results.testResults.filter(
  ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
).length;
// Left out of the run, a suite would fail nowhere.
const silentSuites = suites().filter(
  (suite) => !results.testResults.some(({ name }) => name.includes(`/test/${suite}/`)),
);
for (const suite of silentSuites) stdout.write(`The suite ${suite} ran no test.\n`);
let failedTests = results.numFailedTests + brokenFiles + silentSuites.length;
if (failedTests === 0 && (testsCode !== '0' || ran === 0)) {
  stdout.write(ran === 0 ? 'No test ran.\n' : `The tests ended with exit code ${testsCode}.\n`);
  failedTests = 1;
}
const failed = failedTests + (checksCode === '0' ? 0 : 1);
const passed = results.numPassedTests + (checksCode === '0' ? 1 : 0);
const skipped = results.numPendingTests + results.numTodoTests;
stdout.write(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`);
exit(failed === 0 ? 0 : 1);

/** Every folder of `test/` that holds tests. */
function suites() {
  const files = readdirSync(new URL('../test', import.meta.url), { recursive: true }).map(String);
  return [...new Set(files.filter((file) => file.endsWith('.test.ts')).map((file) => file.split(sep)[0]))];
}

function read(path) {
  const nothing = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  try {
    return { ...nothing, ...JSON.parse(readFileSync(path, 'utf8')) };
  } catch {
    return nothing;
  }
}
