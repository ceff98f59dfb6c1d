/**
 * The bounds of every activity, in one place: time-outs, retries, queue, priority, summary.
 *
 * Calls to Concur are tried once by Temporal: when and whether to try again is a decision about a connection
 * and belongs to its lifecycle. Reading and recording are tried for ever: without the database nothing can go on.
 */
import { ActivityCancellationType, type ActivityOptions, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities, AppGuardianActivities, IntakeActivities, ReconcileActivities } from '../activities/index.ts';
import { concurTaskQueue } from './contract.ts';

/** Somebody waits for the answer. */
const URGENT = 1;
const BACKGROUND = 5;

type ConcurActivities = Pick<Activities, 'refreshTokens' | 'exchangeRequestToken' | 'revokeConnection'> &
  Pick<IntakeActivities, 'exchangeUnidentified'>;

/** Activities on the uncapped queue. */
export const recordActivities = proxyActivities<
  Pick<Activities, 'loadConnection' | 'applyCommand' | 'saveTokens'> & Pick<IntakeActivities, 'saveUnidentified'>
>({
  startToCloseTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Brings a connect to the workflow of its connection, which answers within 20 s. */
export const introductionActivities = proxyActivities<Pick<IntakeActivities, 'introduceConnect'>>({
  startToCloseTimeout: '1 minute',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Calls to Concur: to be run with {@link callOptions}. */
export const concurActivities = proxyActivities<ConcurActivities>({
  // Longer than the longest exchange: its horizon, whose tokens they are, and what becomes of them.
  startToCloseTimeout: '15 minutes',
  // On a rate-capped queue a task may wait long before it starts; it must not die of that.
  scheduleToStartTimeout: '12 hours',
  heartbeatTimeout: '20 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { maximumAttempts: 1 },
});

/** Goes through all connections that are overdue; a try that is lost is followed by one that goes on where it was. */
export const reconcileActivities = proxyActivities<ReconcileActivities>({
  // At a hundred starts a second.
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** The guardian's looks into the record. */
export const guardActivities = proxyActivities<Pick<AppGuardianActivities, 'lookAfterApp' | 'releaseBrake'>>({
  startToCloseTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Tells connections at the pace of calls; a try that is lost is followed by one that goes on where it was. */
export const restoreActivities = proxyActivities<Pick<AppGuardianActivities, 'restoreConnections'>>({
  startToCloseTimeout: '24 hours',
  heartbeatTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** One call to Concur, tried once: the next probe comes anyway. To be run with {@link callOptions}. */
export const probeActivities = proxyActivities<Pick<AppGuardianActivities, 'probeApp'>>({
  startToCloseTimeout: '10 minutes',
  scheduleToStartTimeout: '12 hours',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { maximumAttempts: 1 },
});

/** How one call to Concur is queued. */
export interface CallOptions {
  readonly dataCentre: string;
  readonly urgent: boolean;
  /** What an operator reads beside it in the Temporal UI. */
  readonly summary: string;
}

/** Options of one call to Concur: the queue of its data centre, its place in that queue, its summary. */
export function callOptions({ dataCentre, urgent, summary }: CallOptions): ActivityOptions {
  return {
    taskQueue: concurTaskQueue(workflowInfo().taskQueue, dataCentre),
    priority: { priorityKey: urgent ? URGENT : BACKGROUND },
    summary,
  };
}
