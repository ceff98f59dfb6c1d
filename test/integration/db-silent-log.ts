import type { Log } from '../../core/ports.ts';

/** For tests in which trouble is what is tested. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
