/** `npm start` with stand-ins for the API, the worker and the command line; everything else is real. */
import { fileURLToPath } from 'node:url';
import { startStack } from '../../../dev/stack/start-stack.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

await startStack({
  sandbox: here('../../../dev/sandbox/main.ts'),
  api: here('./api.ts'),
  worker: here('./worker.ts'),
  cli: here('./cli.ts'),
});
