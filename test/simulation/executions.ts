/**
 * Temporal as far as activities go: where they run, when they are given up, what of them is tried again. An activity that
 * was given up runs on all the same (a zombie), and nobody hears of its end any more.
 */
import { ApplicationFailure } from '@temporalio/activity';
import { type Cargo, type ConnectionCargo, maybeCargo, ofConnection } from '../../core/lifeboat.ts';
import type { Fleet, Process } from './fleet.ts';
import type { Prng } from './prng.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** One try of an activity in one process. */
export interface Execution {
  readonly name: string;
  readonly process: Process;
  /** Whether somebody still waits for its end. */
  isAwaited: boolean;
  /** It has ended in its process. */
  isOver: boolean;
  /** What it carries; heartbeats take it along. */
  cargo: ConnectionCargo | null;
  /** What Temporal has of it. */
  accepted: ConnectionCargo | null;
}

/** The end that Temporal gives to an activity of which it hears nothing any more. */
export class ActivityTimedOut extends Error {
  override readonly name = 'ActivityTimedOut';
  readonly lastDetails: ConnectionCargo | null;

  constructor(kind: string, lastDetails: ConnectionCargo | null) {
    super(kind);
    this.lastDetails = lastDetails;
  }
}

/** What a failed activity had in hand. */
export function cargoOfFailure(error: unknown): ConnectionCargo | null {
  if (error instanceof ActivityTimedOut) return error.lastDetails;
  return error instanceof ApplicationFailure ? ofConnection(maybeCargo(error.details?.[1])) : null;
}

export interface Executions {
  /** Executions that have not ended, zombies included, but for those of dead processes. */
  readonly running: ReadonlySet<Execution>;
  /** Once, as the calls to Concur are run: heartbeats every 5 s, given up after 20 s without one or after ten minutes. */
  once<T>(name: string, work: (execution: Execution) => Promise<T>): Promise<T>;
  /** Until it succeeds, as reading and recording is run; no longer than somebody wants it. */
  patiently<T>(name: string, work: (execution: Execution) => Promise<T>, isWanted: () => boolean): Promise<T>;
  /** An activity brings something to safety. */
  carry(execution: Execution, cargo: Cargo): void;
}

const HEARTBEAT_TIMEOUT_MS = 20_000;
const BEAT_EVERY_MS = 5_000;
const CALL_TIMEOUT_MS = 600_000;
const RECORD_TIMEOUT_MS = 30_000;

export function createExecutions(deps: {
  prng: Prng;
  timeline: Timeline;
  trace: Trace;
  fleet: Fleet;
  onEnd: (execution: Execution) => void;
}): Executions {
  const { prng, timeline, trace, fleet } = deps;
  const running = new Set<Execution>();
  const watched = new Map<Execution, (kind: string) => void>();
  let count = 0;

  fleet.onKilled((process) => {
    for (const execution of [...running]) if (execution.process === process) running.delete(execution);
  });
  fleet.onUnreachable((process) => {
    for (const [execution, giveUp] of watched) {
      if (execution.process !== process) continue;
      // The last beat was at some moment within its interval.
      const silentAtMs = timeline.nowMs() + HEARTBEAT_TIMEOUT_MS - prng.between(0, BEAT_EVERY_MS);
      timeline.at(silentAtMs, () => {
        if (!fleet.isReachable(process)) giveUp('no heartbeat');
        else beat(execution);
      });
    }
  });

  const beat = (execution: Execution): void => {
    if (fleet.isReachable(execution.process) && !execution.isOver) execution.accepted = execution.cargo;
  };
  const waitMs = (ms: number): Promise<void> =>
    new Promise((resolve) => void timeline.at(timeline.nowMs() + ms, resolve));

  /** A process to run in: it may take a while until there is one. */
  async function schedule(): Promise<Process> {
    await waitMs(prng.spread(1, 60));
    for (;;) {
      const process = fleet.maybeAvailable();
      if (process !== null) return process;
      await waitMs(1_000);
    }
  }

  async function run<T>(
    name: string,
    work: (execution: Execution) => Promise<T>,
    bounds: { readonly timeoutMs: number; readonly beats: boolean },
  ): Promise<T> {
    const process = await schedule();
    count += 1;
    const execution: Execution = {
      name: `${name}#${count} on ${process.name}`,
      process,
      isAwaited: true,
      isOver: false,
      cargo: null,
      accepted: null,
    };
    trace.note(`${execution.name} begins`);
    running.add(execution);
    const end = (): void => {
      execution.isOver = true;
      running.delete(execution);
      deps.onEnd(execution);
    };
    return await new Promise<T>((resolve, reject) => {
      let callOff = (): void => {};
      const settle = (how: string, finish: () => void): void => {
        watched.delete(execution);
        callOff();
        if (!execution.isAwaited) return;
        execution.isAwaited = false;
        trace.note(`${execution.name} ${how}`);
        finish();
      };
      const giveUp = (kind: string): void =>
        settle(`is given up: ${kind}`, () => reject(new ActivityTimedOut(kind, execution.accepted)));
      callOff = timeline.at(timeline.nowMs() + bounds.timeoutMs, () => giveUp('it takes too long'));
      if (bounds.beats) watched.set(execution, giveUp);
      /** The end has to get through to Temporal. */
      const report = (how: string, finish: () => void): void => {
        if (process.isDead) return;
        if (fleet.isReachable(process)) return settle(how, finish);
        timeline.at(timeline.nowMs() + 1_000, () => report(how, finish));
      };
      work(execution).then(
        (value) => {
          end();
          report('ends', () => resolve(value));
        },
        (error: unknown) => {
          end();
          const type = error instanceof ApplicationFailure ? error.type : String(error);
          report(`fails: ${type}`, () => reject(error));
        },
      );
    });
  }

  return {
    running,
    once: (name, work) => run(name, work, { timeoutMs: CALL_TIMEOUT_MS, beats: true }),
    async patiently(name, work, isWanted) {
      for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 60_000)) {
        try {
          return await run(name, work, { timeoutMs: RECORD_TIMEOUT_MS, beats: false });
        } catch (error) {
          if (!isWanted()) return await never;
          if (error instanceof ApplicationFailure && error.nonRetryable === true) throw error;
          await waitMs(pauseMs);
        }
      }
    },
    carry(execution, cargo) {
      execution.cargo = ofConnection(cargo);
      beat(execution);
    },
  };
}

const never = new Promise<never>(() => {});
