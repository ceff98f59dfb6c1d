import { currentVariables, loadSettings } from '../../runtime/config.ts';
import { runMain } from '../../runtime/main-guard.ts';
import type { Programs } from './bring-up-input.ts';
import { runStack } from './stack.ts';

const PARENT_POLL_MS = 500;

/** The process around `runStack`: signals, terminal, exit code. Does not return. */
export async function startStack(programs: Programs): Promise<void> {
  await runMain('npm start', async () => {
    // Data, keys and logs of the stack are nobody else's business, whoever writes them.
    process.umask(0o077);
    const stop = new AbortController();
    // npm passes on a signal that the terminal has sent to everybody: the second one changes nothing.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
    }
    onNpmGone(() => stop.abort(new Error('npm is gone')));
    // A terminal that is gone must not end the stack half way.
    process.stdout.on('error', () => undefined);
    const exitCode = await runStack({
      variables: currentVariables(),
      settings: loadSettings(),
      programs,
      write: (text) => void process.stdout.write(`${text}\n`),
      signal: stop.signal,
    });
    process.exit(exitCode);
  });
}

/** Killed without a word, npm passes nothing on: nobody would know any more what is running. */
function onNpmGone(stop: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid !== npm) stop();
  }, PARENT_POLL_MS);
  watch.unref();
}
