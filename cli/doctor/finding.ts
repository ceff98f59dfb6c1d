/** What a check found. `todo` says what to do, null where nothing is. */
export interface Finding {
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly todo: string | null;
}

export function ok(check: string, found: string): Finding {
  return { check, status: 'ok', found, todo: null };
}

/** Works, but not as it should. */
export function warn(check: string, found: string, todo: string): Finding {
  return { check, status: 'warn', found, todo };
}

export function fail(check: string, found: string, todo: string): Finding {
  return { check, status: 'fail', found, todo };
}

/** Nobody minds less; more, and tokens are refreshed at wrong moments. */
const SKEW_OK_MS = 2_000;
const SKEW_BAD_MS = 30_000;

/** `aheadMs`: how far this machine's clock is ahead of the other. */
export function clockFinding(check: string, aheadMs: number): Finding {
  const seconds = `${(aheadMs / 1_000).toFixed(1)} s`;
  const found = `this clock is ${aheadMs < 0 ? seconds.replace('-', '') : seconds} ${aheadMs < 0 ? 'behind' : 'ahead'}`;
  const off = Math.abs(aheadMs);
  if (off < SKEW_OK_MS) return ok(check, found);
  const todo = 'Let NTP set the clocks of all machines: deadlines and horizons are compared between them.';
  return off < SKEW_BAD_MS ? warn(check, found, todo) : fail(check, found, todo);
}
