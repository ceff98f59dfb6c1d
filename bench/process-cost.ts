/** What a process has used, from Linux's `/proc` (see `man 5 proc`). */
import { readFileSync } from 'node:fs';

/** `CLK_TCK`, the same everywhere. */
const TICK_MS = 10;

/** CPU time so far, all threads, own and on its behalf; `NaN` where there is no `/proc`. */
export function cpuMsOf(pid: number): number {
  // The name of the program, in brackets, may hold anything; `utime` and `stime` are fields 14 and 15.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  return (Number(fields?.[11]) + Number(fields?.[12])) * TICK_MS;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
