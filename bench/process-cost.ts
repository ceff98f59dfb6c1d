/** What a process has used, from Linux's `/proc` (see `man 5 proc`). */
import { readFileSync, readdirSync } from 'node:fs';

/** `CLK_TCK`, the same everywhere. */
const TICK_MS = 10;

/** CPU time so far, all threads, own and on its behalf; `NaN` where there is no `/proc`. */
export function cpuMsOf(pid: number): number {
  // The name of the program, in brackets, may hold anything; `utime` and `stime` are fields 14 and 15.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  return (Number(fields?.[11]) + Number(fields?.[12])) * TICK_MS;
}

/** The same, with the processes that it has started and that still live. */
export function cpuMsWithChildren(pid: number): number {
  const isChild = (name: string): boolean =>
    read(`/proc/${name}/stat`)?.split(') ').at(-1)?.split(' ')[1] === String(pid);
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isChild(name));
  return cpuMsOf(pid) + children.reduce((sum, child) => sum + cpuMsOf(Number(child)), 0);
}

/** Memory that it holds at this moment (resident set); `NaN` where there is no `/proc`. */
export function residentBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]) * 1_024;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
