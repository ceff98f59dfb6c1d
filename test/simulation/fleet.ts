/**
 * The worker processes of a simulated world. A killed process goes no further than the next thing it waits for: a
 * promise that never resolves. A frozen one goes on later as if nothing had been, and one that is cut off from Temporal
 * works on without anybody knowing.
 */
import type { Clock } from '../../core/ports.ts';
import { NOW_MS } from './builders.ts';
import type { Plan } from './plan.ts';
import type { Prng } from './prng.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export interface Process {
  readonly name: string;
  isDead: boolean;
  frozenUntilMs: number;
  /** End of the last time that it was frozen. */
  thawedAtMs: number;
  cutOffUntilMs: number;
  /** How far its wall clock is from the truth. */
  skewMs: number;
  /** Wall clock as its system has it, monotonic clock, and timers that die and freeze with it. */
  readonly clock: Clock;
}

export interface Fleet {
  readonly processes: readonly Process[];
  /** One that takes work from Temporal now. */
  maybeAvailable(): Process | null;
  isReachable(process: Process): boolean;
  /** The border of a process: time passes, and it may die or freeze here. */
  passes(process: Process, where: string): Promise<void>;
  kill(process: Process, where: string): void;
  freeze(process: Process, forMs: number, where: string): void;
  cutOff(process: Process, forMs: number): void;
  jump(process: Process, skewMs: number): void;
  /** From now on nothing dies, freezes or dawdles; all that can live lives. */
  heal(): void;
  /** Told when a process stops to be seen by Temporal. */
  onUnreachable(tell: (process: Process) => void): void;
  onKilled(tell: (process: Process) => void): void;
  /** A process of its own that never fails: the API, a person. */
  createOutsider(name: string): Process;
}

const WORKERS = 2;

export function createFleet(deps: { prng: Prng; timeline: Timeline; trace: Trace; plan: Plan }): Fleet {
  const { prng, timeline, trace, plan } = deps;
  const unreachable: ((process: Process) => void)[] = [];
  const killed: ((process: Process) => void)[] = [];
  let born = 0;
  let isHealed = false;

  const create = (name: string): Process => {
    const process: Process = {
      name,
      isDead: false,
      frozenUntilMs: 0,
      thawedAtMs: -1,
      cutOffUntilMs: 0,
      skewMs: 0,
      clock: {
        now: () => NOW_MS + timeline.nowMs() + process.skewMs,
        monotonic: () => timeline.nowMs(),
        sleep: (ms, signal) => sleep(process, ms, signal),
      },
    };
    return process;
  };
  /** Wakes when the time is over and the process runs; never when it is dead by then. */
  const sleep = (process: Process, ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      let callOff = (): void => {};
      const wake = (): void => {
        if (process.isDead) return;
        if (process.frozenUntilMs > timeline.nowMs()) callOff = timeline.at(process.frozenUntilMs, wake);
        else resolve();
      };
      callOff = timeline.at(timeline.nowMs() + Math.max(0, ms), wake);
      signal?.addEventListener('abort', () => {
        callOff();
        reject(signal.reason);
      });
    });

  const processes: Process[] = [];
  const launch = (): void => void processes.push(create(`worker-${(born += 1)}`));
  for (let i = 0; i < WORKERS; i += 1) launch();

  const fleet: Fleet = {
    processes,
    isReachable: (process) =>
      !process.isDead && process.frozenUntilMs <= timeline.nowMs() && process.cutOffUntilMs <= timeline.nowMs(),
    maybeAvailable() {
      const available = processes.filter((process) => fleet.isReachable(process));
      return available.length === 0 ? null : prng.pick(available);
    },
    async passes(process, where) {
      if (process.isDead) return await never;
      if (!isHealed && process.name !== OUTSIDER) {
        if (prng.chance(plan.killChance)) {
          fleet.kill(process, where);
          return await never;
        }
        if (prng.chance(plan.freezeChance)) fleet.freeze(process, prng.spread(1_000, plan.longestFreezeMs), where);
      }
      const isFrozen = process.frozenUntilMs > timeline.nowMs();
      if (isFrozen || prng.chance(0.4)) await sleep(process, prng.spread(1, 30));
    },
    kill(process, where) {
      if (process.isDead) return;
      process.isDead = true;
      trace.note(`${process.name} is killed at ${where}`);
      processes.splice(processes.indexOf(process), 1);
      for (const tell of killed) tell(process);
      for (const tell of unreachable) tell(process);
      timeline.at(timeline.nowMs() + prng.spread(1_000, isHealed ? 1_000 : 90_000), launch);
    },
    freeze(process, forMs, where) {
      if (process.isDead) return;
      process.frozenUntilMs = Math.max(process.frozenUntilMs, timeline.nowMs() + forMs);
      process.thawedAtMs = Math.max(process.thawedAtMs, process.frozenUntilMs);
      trace.note(`${process.name} freezes for ${forMs} ms at ${where}`);
      for (const tell of unreachable) tell(process);
    },
    cutOff(process, forMs) {
      process.cutOffUntilMs = Math.max(process.cutOffUntilMs, timeline.nowMs() + forMs);
      trace.note(`${process.name} is cut off from Temporal for ${forMs} ms`);
      for (const tell of unreachable) tell(process);
    },
    jump(process, skewMs) {
      process.skewMs = skewMs;
      trace.note(`${process.name}'s wall clock is ${skewMs} ms ahead`);
    },
    heal() {
      isHealed = true;
      for (const process of processes) {
        process.cutOffUntilMs = 0;
        process.skewMs = 0;
      }
      while (processes.length < WORKERS) launch();
    },
    onUnreachable: (tell) => void unreachable.push(tell),
    onKilled: (tell) => void killed.push(tell),
    createOutsider: () => create(OUTSIDER),
  };
  return fleet;
}

const OUTSIDER = 'outside';
const never = new Promise<never>(() => {});
