import { homedir } from 'node:os';
import { join } from 'node:path';

/** The user's cache of what was fetched or built once per machine: `$XDG_CACHE_HOME/evergrant`, else `~/.cache/evergrant`. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CACHE_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'evergrant');
}
