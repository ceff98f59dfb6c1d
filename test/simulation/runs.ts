/**
 * The workflow of the connection without Temporal: the lifecycle loop in as many runs as the world has. A run that is lost
 * goes no further; what it started in the workers goes on.
 */
import { ApplicationFailure } from '@temporalio/activity';
import type { Activities } from '../../activities/index.ts';
import { createInbox, type Inbox, type InboxEntry, type Wish } from '../../core/inbox.ts';
import type { ConnectionCargo } from '../../core/lifeboat.ts';
import { type LifecycleHost, runLifecycle } from '../../core/lifecycle.ts';
import { KEY, NOW_MS } from './builders.ts';
import { ActivityTimedOut, cargoOfFailure, type Execution, type Executions } from './executions.ts';
import type { Prng } from './prng.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export interface Run {
  readonly id: string;
  readonly inbox: Inbox;
  isDead: boolean;
  /** The answer that it has in hand and has not put on file. */
  cargo: ConnectionCargo | null;
  /** Calls to Concur that it has started and that have not come back. */
  readonly executions: Set<Execution>;
  wake: () => void;
  /** Takes the next chance to continue as new. */
  isOld: boolean;
}

export interface Runs {
  readonly living: readonly Run[];
  /** Begins one beside those that are there. */
  start(): Run;
  /** What a signal-with-start does. */
  wish(wish: Wish): InboxEntry;
  kill(run: Run): void;
  /** Steps of the loop so far, over all runs. */
  steps(): number;
}

interface Deps {
  readonly prng: Prng;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly executions: Executions;
  readonly activitiesOf: (execution: Execution) => Activities;
  readonly losesCargo: boolean;
  readonly onDefect: (what: string, error: unknown) => void;
  readonly onRunLost: (run: Run) => void;
  readonly onLifeboat: () => void;
}

const SAVE = 'save';

/** So many steps of one run in so short a time are a loop without a pause. */
const HOT_STEPS = 60;
const HOT_MS = 5_000;

export function createRuns(deps: Deps): Runs {
  const { prng, timeline, trace, executions } = deps;
  const living: Run[] = [];
  let started = 0;
  let steps = 0;

  function start(): Run {
    started += 1;
    const run: Run = {
      id: `run${started}`,
      inbox: createInbox(),
      isDead: false,
      cargo: null,
      executions: new Set(),
      wake: () => {},
      isOld: false,
    };
    living.push(run);
    trace.note(`${run.id} starts`);
    void runLifecycle(createHost(run), run.inbox).then(
      (end) => {
        trace.note(`${run.id} is over: ${end}`);
        leave(run);
        if (end === 'continue-as-new') start();
      },
      (error: unknown) => {
        leave(run);
        deps.onDefect(`${run.id} crashed`, error);
      },
    );
    return run;
  }

  function leave(run: Run): void {
    run.inbox.settleAll();
    run.isDead = true;
    const index = living.indexOf(run);
    if (index >= 0) living.splice(index, 1);
  }

  function createHost(run: Run): LifecycleHost {
    const now = (): number => NOW_MS + timeline.nowMs();
    const recent: number[] = [];
    let attempts = 0;
    const counted = (isSaving = false): void => {
      steps += 1;
      // What it has in hand is to be saved before anything else happens.
      if (!isSaving) run.cargo = null;
      recent.push(timeline.nowMs());
      if (recent.length > HOT_STEPS && timeline.nowMs() - (recent.shift() ?? 0) < HOT_MS) {
        throw new Error(`hot loop: ${HOT_STEPS} steps in ${HOT_MS} ms`);
      }
    };
    /** Nothing comes back to a run that is lost. */
    const back = <T>(work: Promise<T>): Promise<T> =>
      work.then(
        (value) => (run.isDead ? never : value),
        (error: unknown) => (run.isDead ? never : Promise.reject(error)),
      );
    const recorded = <T>(name: string, work: (activities: Activities) => Promise<T>): Promise<T> => {
      counted(name === SAVE);
      return back(
        executions.patiently(
          name,
          (execution) => work(deps.activitiesOf(execution)),
          () => !run.isDead,
        ),
      );
    };
    const called = <T>(name: string, work: (activities: Activities) => Promise<T>): Promise<T> => {
      counted();
      let own: Execution | null = null;
      const calling = executions.once(name, (execution) => {
        own = execution;
        run.executions.add(execution);
        return work(deps.activitiesOf(execution));
      });
      const over = (): void => void (own !== null && run.executions.delete(own));
      return back(
        calling.then(
          (value) => {
            over();
            return value;
          },
          (error: unknown) => {
            over();
            if (!run.isDead) run.cargo = cargoOfFailure(error);
            throw error;
          },
        ),
      );
    };
    return {
      now,
      nextAttemptId: () => `${run.id}:${(attempts += 1)}`,
      load: () => recorded('load', (activities) => activities.loadConnection(KEY)),
      command: (order) => recorded(order.name, (activities) => activities.applyCommand({ ...KEY, ...order })),
      refresh: (order) =>
        called(`refresh(${order.cause})`, (activities) => activities.refreshTokens({ ...KEY, ...order })),
      exchange: (order) => called('exchange', (activities) => activities.exchangeRequestToken({ ...KEY, ...order })),
      revoke: ({ attemptId }) => called('revoke', (activities) => activities.revokeConnection({ ...KEY, attemptId })),
      sleep: (untilMs, arrivals) => {
        counted();
        if (run.inbox.arrivals() > arrivals) return Promise.resolve();
        return back(
          new Promise<void>((resolve) => {
            run.wake = () => void timeline.at(timeline.nowMs() + prng.between(1, 20), resolve);
            if (untilMs !== null) timeline.at(timeline.nowMs() + Math.max(1, untilMs - now()), resolve);
          }),
        );
      },
      publish: () => {},
      cargoOf: (error) => (deps.losesCargo ? null : cargoOfFailure(error)),
      saveTokens: async (cargo) => {
        const saved = await recorded(SAVE, (activities) => activities.saveTokens({ ...KEY, cargo }));
        run.cargo = null;
        deps.onLifeboat();
        return saved;
      },
      callFailed: (error) => {
        if (error instanceof ActivityTimedOut) return;
        if (!(error instanceof ApplicationFailure)) throw error;
        if (error.type === 'internal') deps.onDefect('an activity failed with a defect', error);
      },
      wantsNewRun: () => run.isOld,
    };
  }

  return {
    living,
    start,
    wish(wish) {
      const run = living.at(-1) ?? start();
      trace.note(`${run.id} is told: ${wish.kind}${wish.kind === 'command' ? ` ${wish.name}` : ''}`);
      const entry = run.inbox.push(wish);
      run.wake();
      return entry;
    },
    kill(run) {
      trace.note(`${run.id} is lost`);
      leave(run);
      for (const execution of run.executions) execution.accepted = null;
      deps.onRunLost(run);
    },
    steps: () => steps,
  };
}

const never = new Promise<never>(() => {});
