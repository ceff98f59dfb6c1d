/**
 * The workers of one process: one for workflows and recording, one per data centre for the calls to Concur, so that
 * a sick data centre keeps nobody else waiting.
 */
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { type NativeConnection, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import type { Activities, AppGuardianActivities, IntakeActivities, ReconcileActivities } from '../activities/index.ts';
import type { WorkflowSpan } from '../core/trace-context.ts';
import type { Tracing } from '../runtime/tracing.ts';
import { concurTaskQueue, lifecycleTaskQueue } from '../workflows/contract.ts';

export interface WorkerDeps {
  readonly connection: NativeConnection;
  readonly namespace: string;
  /** Prefix of the task queues. */
  readonly taskQueue: string;
  readonly activities: Activities & IntakeActivities & ReconcileActivities & AppGuardianActivities;
  readonly workflowBundle: WorkflowBundleOption;
  readonly dataCentres: readonly string[];
  /** Token calls per second and data centre, over all workers. */
  readonly ratePerDataCentre: number;
  /** Which build of which Worker Deployment this is; null: any worker gets any task. See ADR 13. */
  readonly deployment: WorkerDeploymentVersion | null;
  /** Whether workflows leave branches behind `patched` alone that they have not taken yet: see docs/upgrading.md. */
  readonly holdsPatches: boolean;
  /** Null: nothing is traced here. */
  readonly tracing: Pick<Tracing, 'activity' | 'handled'> | null;
  /** How long calls in flight may go on after a shutdown was asked. */
  readonly drainMs: number;
}

/** Calls in flight per data centre and process: at 20 a second and 5 s each. */
export const CALLS_AT_ONCE = 100;

/** Runs kept in memory, some 75 KB each. One that was forgotten is replayed when it is woken, at 0.4 ms an event. */
export const CACHED_WORKFLOWS = 1_000;

const WORKFLOW_THREADS = 2;

/** Activities beat every few seconds by themselves, so that this is only the delay of an answer in need. */
const HEARTBEAT_THROTTLE_MS = 500;

export interface EvergrantWorker {
  /** Resolves when all workers have drained; rejects when one fails. */
  run(): Promise<void>;
  shutdown(): void;
}

export async function createWorker(deps: WorkerDeps): Promise<EvergrantWorker> {
  const { connection, namespace, taskQueue, activities, workflowBundle, drainMs, tracing } = deps;
  const shared = {
    connection,
    namespace,
    shutdownGraceTime: 0,
    shutdownForceTime: drainMs,
    ...(tracing && { interceptors: { activity: tracing.activity } }),
    ...(deps.deployment !== null && {
      workerDeploymentOptions: {
        version: deps.deployment,
        useWorkerVersioning: true,
        // Runs live for months: they move on to the version that is current, and replay there.
        defaultVersioningBehavior: 'AUTO_UPGRADE',
      } as const,
    }),
  };
  const lifecycle = Worker.create({
    ...shared,
    taskQueue: lifecycleTaskQueue(taskQueue),
    workflowBundle,
    // Also where nothing is traced: an API that traces sends its traces along.
    sinks: {
      traces: {
        handled: {
          fn: ({ runId }, span: WorkflowSpan) => tracing?.handled(span, runId),
          callDuringReplay: false,
        },
      },
    },
    ...(deps.holdsPatches && { patchActivationCallback: () => false }),
    activities: {
      loadConnection: activities.loadConnection,
      applyCommand: activities.applyCommand,
      saveTokens: activities.saveTokens,
      saveUnidentified: activities.saveUnidentified,
      introduceConnect: activities.introduceConnect,
      reconcile: activities.reconcile,
      lookAfterApp: activities.lookAfterApp,
      restoreConnections: activities.restoreConnections,
      releaseBrake: activities.releaseBrake,
    },
    maxConcurrentActivityTaskExecutions: 50,
    maxConcurrentWorkflowTaskExecutions: 40,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    // A worker that starts after an outage replays every run that is due; whoever reads meanwhile waits behind them.
    workflowThreadPoolSize: WORKFLOW_THREADS,
  });
  const calls = deps.dataCentres.map((dataCentre) =>
    Worker.create({
      ...shared,
      taskQueue: concurTaskQueue(taskQueue, dataCentre),
      activities: {
        refreshTokens: activities.refreshTokens,
        exchangeRequestToken: activities.exchangeRequestToken,
        revokeConnection: activities.revokeConnection,
        exchangeUnidentified: activities.exchangeUnidentified,
        probeApp: activities.probeApp,
      },
      maxConcurrentActivityTaskExecutions: CALLS_AT_ONCE,
      maxTaskQueueActivitiesPerSecond: deps.ratePerDataCentre,
      // What a heartbeat takes to safety must not wait: without this the SDK sends one in 16 s.
      maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    }),
  );
  const workers = await Promise.all([lifecycle, ...calls]);

  let isStopping = false;
  const shutdown = (): void => {
    if (isStopping) return;
    isStopping = true;
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    shutdown,
    async run() {
      try {
        await Promise.all(workers.map((worker) => worker.run()));
      } finally {
        shutdown();
      }
    },
  };
}
