/** `npm start`. */
import { fileURLToPath } from 'node:url';
import { startStack } from './start-stack.ts';

const module = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

await startStack({
  sandbox: module('dev/sandbox/main.ts'),
  worker: module('worker/main.ts'),
  api: module('api/main.ts'),
  cli: module('cli/main.ts'),
});
