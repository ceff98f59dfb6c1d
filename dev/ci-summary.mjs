/**
 * The last line of a CI run: `N passed, N failed`. Arguments: vitest's results as JSON, the exit code of the tests, the
 * exit code of the static checks. Ends with 1 when anything failed or no test ran.
 */
import { readFileSync } from 'node:fs';
import { argv, exit, stdout } from 'node:process';

const [file, testsCode, checksCode] = argv.slice(2);
const results = read(file);

const ran = results.numPassedTests + results.numFailedTests;
// A file that can't be loaded, or whose clean-up fails, has no failed test of its own.
const brokenFiles = results.testResults.filter(
  ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
).length;
let failedTests = results.numFailedTests + brokenFiles;
if (failedTests === 0 && (testsCode !== '0' || ran === 0)) {
  stdout.write(ran === 0 ? 'No test ran.\n' : `The tests ended with exit code ${testsCode}.\n`);
  failedTests = 1;
}
const failed = failedTests + (checksCode === '0' ? 0 : 1);
const passed = results.numPassedTests + (checksCode === '0' ? 1 : 0);
const skipped = results.numPendingTests + results.numTodoTests;
stdout.write(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`);
exit(failed === 0 ? 0 : 1);

function read(path) {
  const nothing = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  try {
    return { ...nothing, ...JSON.parse(readFileSync(path, 'utf8')) };
  } catch {
    return nothing;
  }
}
