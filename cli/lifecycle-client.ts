/** Commands to the workflow of a connection, which is started where it does not run. */
import {
  Client,
  Connection,
  isGrpcServiceError,
  ServiceError,
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ConnectionKey } from '../core/connection.ts';
import { AppError } from '../core/errors.ts';
import type { Lifecycles } from '../core/reconcile.ts';
import type { Config } from '../runtime/settings.ts';
import { buildTemporalError } from '../runtime/temporal-trouble.ts';
import { type AppSignals, createAppSignals } from '../worker/app-signals.ts';
import { createLifecycles } from '../worker/lifecycles.ts';
import {
  type CommandInput,
  type CommandResult,
  connectionSummary,
  connectionWorkflowId,
  HANDLER_WAIT_MS,
  lifecycleTaskQueue,
  pauseUpdate,
  refreshUpdate,
  resumeUpdate,
  revokeUpdate,
  workflowTypes,
} from '../workflows/contract.ts';

export type LifecycleCommand = 'refresh' | 'revoke' | 'pause' | 'resume';

export interface LifecycleClient extends Lifecycles, Pick<AppSignals, 'toGuardian'> {
  /** Throws `temporal-unavailable` when no server, or no worker, answers in time. */
  command(key: ConnectionKey, command: LifecycleCommand, input: CommandInput): Promise<Pick<CommandResult, 'settled'>>;
  close(): Promise<void>;
}

const updates = { refresh: refreshUpdate, revoke: revokeUpdate, pause: pauseUpdate, resume: resumeUpdate };

const CONNECT_MS = 3_000;
/** The handler's own time, and some for the way. */
const ANSWER_MS = HANDLER_WAIT_MS + 5_000;

export async function createLifecycleClient(temporal: Config['temporal']): Promise<LifecycleClient> {
  const { address, namespace, taskQueue } = temporal;
  const connection = await Connection.connect({ ...temporal.connection, address, connectTimeout: CONNECT_MS }).catch(
    async (cause: unknown) => {
      throw await buildTemporalError(temporal, cause);
    },
  );
  const client = new Client({ connection, namespace });

  return {
    ...createLifecycles({ client, taskQueue }),
    toGuardian: createAppSignals({ client, taskQueue }).toGuardian,

    async command(key, command, input) {
      const startWorkflowOperation = new WithStartWorkflowOperation(workflowTypes.connectionLifecycle, {
        workflowId: connectionWorkflowId(key),
        staticSummary: connectionSummary(key),
        taskQueue: lifecycleTaskQueue(taskQueue),
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [{ app: key.app, principal: key.principal }],
      });
      try {
        return await connection.withDeadline(Date.now() + ANSWER_MS, () =>
          client.workflow.executeUpdateWithStart(updates[command], { args: [input], startWorkflowOperation }),
        );
      } catch (cause) {
        // The run ended while it was asked, as it does after a revoke: the row says how.
        if (hasEnded(cause)) return { settled: true };
        if (!isTransport(cause)) throw cause;
        throw unavailable(
          `The workflow did not answer: is a worker running on task queue ${taskQueue}?`,
          address,
          cause,
        );
      }
    },
    close: () => connection.close(),
  };
}

/** `AcceptedUpdateCompletedWorkflow` is the server's own word. */
function hasEnded(error: unknown): boolean {
  if (error instanceof WorkflowNotFoundError) return true;
  if (!(error instanceof WorkflowUpdateFailedError)) return false;
  return error.cause instanceof ApplicationFailure && error.cause.type === 'AcceptedUpdateCompletedWorkflow';
}

function isTransport(error: unknown): boolean {
  return (
    error instanceof ServiceError ||
    error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
    isGrpcServiceError(error)
  );
}

function unavailable(message: string, address: string, cause: unknown): AppError {
  return new AppError('temporal-unavailable', message, { cause, details: { address } });
}
