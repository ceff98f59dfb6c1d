/**
 * The Schedule of the reconciler: there from the first worker's start on, and again when Temporal has lost it with
 * everything else.
 */
import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy, type ScheduleOptions } from '@temporalio/client';
import type { Clock, Log } from '../core/ports.ts';
import { lifecycleTaskQueue, reconcilerScheduleId, workflowTypes } from '../workflows/contract.ts';

const EVERY = '10 minutes';
/** How often it is looked after; each time is one small request. */
const LOOK_EVERY_MS = 10 * 60_000;
const AFTER_TROUBLE_MS = 30_000;

export interface ReconcilerScheduleDeps {
  readonly client: Client;
  /** Prefix of the task queues. */
  readonly taskQueue: string;
}

/** Creates the Schedule with a first run at once; one that is there is left as it is. */
export async function ensureReconcilerSchedule(deps: ReconcilerScheduleDeps): Promise<'created' | 'there'> {
  try {
    await deps.client.schedule.create(buildSchedule(deps));
    return 'created';
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) return 'there';
    throw error;
  }
}

/**
 * What a worker does at its start: creates the Schedule, or brings the one that is there up to date and has it run soon.
 * That an operator paused it stays.
 */
export async function applyReconcilerSchedule(deps: ReconcilerScheduleDeps): Promise<void> {
  if ((await ensureReconcilerSchedule(deps)) === 'created') return;
  const { spec, action, policies } = buildSchedule(deps);
  const handle = deps.client.schedule.getHandle(reconcilerScheduleId(deps.taskQueue));
  let isPaused = false;
  await handle.update(({ state }) => {
    isPaused = state.paused;
    return { spec, action, state, ...(policies !== undefined && { policies }) };
  });
  if (!isPaused) await handle.trigger(ScheduleOverlapPolicy.SKIP);
}

/** Keeps the Schedule until the signal aborts; trouble is logged and tried again. */
export async function keepReconcilerSchedule(
  deps: ReconcilerScheduleDeps & { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, log, signal } = deps;
  let isApplied = false;
  while (!signal.aborted) {
    let pauseMs = LOOK_EVERY_MS;
    try {
      if (!isApplied) await applyReconcilerSchedule(deps);
      else if ((await ensureReconcilerSchedule(deps)) === 'created') {
        log.warn({}, 'the Schedule of the reconciler was gone: created again');
      }
      isApplied = true;
    } catch (error) {
      if (signal.aborted) return;
      pauseMs = AFTER_TROUBLE_MS;
      log.error({ err: error }, 'the Schedule of the reconciler could not be set up; trying again');
    }
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}

function buildSchedule({ taskQueue }: ReconcilerScheduleDeps) {
  const scheduleId = reconcilerScheduleId(taskQueue);
  return {
    scheduleId,
    spec: { intervals: [{ every: EVERY }] },
    action: {
      type: 'startWorkflow',
      workflowType: workflowTypes.reconciler,
      workflowId: scheduleId,
      taskQueue: lifecycleTaskQueue(taskQueue),
      staticSummary: 'Gives connections that are overdue by an hour their workflow back',
    },
    // A run that was missed is of no use: the next one sees as much.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: EVERY },
    state: { triggerImmediately: true, note: 'Gives connections that are overdue by an hour their workflow back.' },
  } satisfies ScheduleOptions;
}
