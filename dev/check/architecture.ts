/** `npm run check:arch`: directions of imports, rules about single files, secrets in the tree. */
import { fileURLToPath } from 'node:url';
import { cruiseHouse } from './cruise-house.ts';
import { readRepository } from './repository-files.ts';
import { scanForSecrets } from './secret-scan.ts';
import { checkSources } from './source-rules.ts';

/** A check that read next to nothing has not checked anything. */
const LEAST_MODULES = 200;

const root = fileURLToPath(new URL('../..', import.meta.url));
const house = await cruiseHouse(root);
const files = readRepository(root);
const problems = [
  ...house.violations.map(({ rule, from, to }) => `${rule}: ${from} -> ${to}`),
  ...checkSources(files).findings.map(({ rule, path, line }) => `${rule}: ${path}:${line}`),
  ...scanForSecrets(files).map(({ kind, path, line }) => `${kind}: ${path}:${line}`),
];
if (house.modules.size < LEAST_MODULES) {
  problems.push(`only ${house.modules.size} modules were read; has dependency-cruiser found its TypeScript?`);
}
for (const problem of problems) console.log(problem);
console.log(`${house.modules.size} modules, ${files.length} files, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
