/** Signals around an app's credentials: to its guardian, and to the connections that wait for it. */
import { type Client, isGrpcServiceError } from '@temporalio/client';
import type { AppGuardian, ConnectionSignals } from '../activities/deps.ts';
import { AppError } from '../core/errors.ts';
import type { Clock, Log } from '../core/ports.ts';
import {
  appGuardianWorkflowId,
  appRestoredSignal,
  type CommandInput,
  connectionSummary,
  connectionWorkflowId,
  lifecycleTaskQueue,
  probeSignal,
  releaseSignal,
  workflowTypes,
} from '../workflows/contract.ts';

/** A server that says nothing for so long is away. */
const SILENCE_MS = 5_000;

/** Hundreds of connections find the same thing at once; one call in this time is enough. */
const ONCE_IN_MS = { tripped: 5_000, blocked: 60_000 } as const;

export interface AppSignals extends ConnectionSignals {
  /** Throws `temporal-unavailable` when the server does not answer. */
  toGuardian(app: string, signal: 'probe' | 'release', asked: CommandInput): Promise<void>;
  /** Starts the guardian where it does not run; one that runs notices nothing. Throws as `toGuardian`. */
  ensureGuardian(app: string): Promise<void>;
}

/** `taskQueue`: prefix of the task queues. */
export function createAppSignals({
  client,
  taskQueue,
}: {
  readonly client: Client;
  readonly taskQueue: string;
}): AppSignals {
  const queue = lifecycleTaskQueue(taskQueue);
  const send = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await client.withDeadline(Date.now() + SILENCE_MS, work);
    } catch (cause) {
      if (!isAway(cause)) throw cause;
      throw new AppError('temporal-unavailable', 'Temporal does not answer.', { cause, retryAfterMs: SILENCE_MS });
    }
  };
  return {
    appRestored: ({ app, principal }, asked) =>
      send(() =>
        client.workflow.signalWithStart(workflowTypes.connectionLifecycle, {
          workflowId: connectionWorkflowId({ app, principal }),
          staticSummary: connectionSummary({ app, principal }),
          taskQueue: queue,
          args: [{ app, principal }],
          signal: appRestoredSignal,
          signalArgs: [asked],
        }),
      ),
    toGuardian: (app, signal, asked) =>
      send(() =>
        client.workflow.signalWithStart(workflowTypes.appGuardian, {
          workflowId: appGuardianWorkflowId(app),
          staticSummary: `Guardian of app ${app}: probes its credentials`,
          taskQueue: queue,
          args: [{ app }],
          signal: signal === 'probe' ? probeSignal : releaseSignal,
          signalArgs: [asked],
        }),
      ),
    ensureGuardian: (app) =>
      send(() =>
        client.workflow.start(workflowTypes.appGuardian, {
          workflowId: appGuardianWorkflowId(app),
          staticSummary: `Guardian of app ${app}: probes its credentials`,
          taskQueue: queue,
          args: [{ app }],
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      ),
  };
}

function isAway(error: unknown): boolean {
  const seen = error instanceof Error && !isGrpcServiceError(error) ? error.cause : error;
  return isGrpcServiceError(seen) && [1, 4, 8, 14].includes(seen.code);
}

/** Calls the guardian for the activities, not oftener than it is of use. */
export function createAppGuardianCaller(deps: {
  readonly signals: Pick<AppSignals, 'toGuardian' | 'ensureGuardian'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Log;
}): AppGuardian {
  const { signals, clock, log } = deps;
  // Two entries per app of the partner, of which there are a handful.
  const calledAt = new Map<string, number>();
  return {
    async wake(app, found) {
      const id = `${found}:${app}`;
      const nowMs = clock.monotonic();
      if (nowMs - (calledAt.get(id) ?? Number.NEGATIVE_INFINITY) < ONCE_IN_MS[found]) return;
      calledAt.set(id, nowMs);
      try {
        // What was learnt just now is worth a probe at once; what was known keeps its pace.
        if (found === 'tripped')
          await signals.toGuardian(app, 'probe', { actor: 'workflow', reason: 'the app is blocked' });
        else await signals.ensureGuardian(app);
      } catch (error) {
        calledAt.delete(id);
        log.error({ err: error, app }, "the app's guardian could not be called");
      }
    },
  };
}
