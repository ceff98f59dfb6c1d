/** What `npm start` is told in a test. */
import { freePort } from '../../dev/stack/ports.ts';

/** The line in the record of what a shared `npm start` has printed that says that it is over. */
export const ENDED = 'npm start has ended';

/** A home of its own, ports that nobody has, and nothing of this process that could act on a stack. */
export async function buildEnvironment(home: string): Promise<Record<string, string>> {
  const [port, uiPort, sandboxPort] = [await freePort(), await freePort(), await freePort()];
  return {
    ...plainEnvironment(),
    EVERGRANT_HOME: home,
    PORT: String(port),
    TEMPORAL_UI_PORT: String(uiPort),
    SANDBOX_PORT: String(sandboxPort),
  };
}

/** The environment without what belongs to Evergrant, so that the machine's own settings change nothing. */
function plainEnvironment(): Record<string, string> {
  const names = /^(PATH|HOME|XDG_|TMPDIR|LANG|TEMPORAL_CLI_PATH|npm_config_|JAVA_HOME|GO)/;
  const entries = Object.entries(process.env).filter(([name, value]) => names.test(name) && value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>;
}
