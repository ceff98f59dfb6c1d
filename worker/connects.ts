/** Brings connects that are on file to the workflows of their connections. */
import {
  type Client,
  isGrpcServiceError,
  WithStartWorkflowOperation,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { Connects } from '../activities/deps.ts';
import { AppError } from '../core/errors.ts';
import {
  connectionSummary,
  connectionWorkflowId,
  connectUpdate,
  HANDLER_WAIT_MS,
  lifecycleTaskQueue,
  workflowTypes,
} from '../workflows/contract.ts';

/** The handler answers within its own time; a little longer than that is an outage. */
const PATIENCE_MS = HANDLER_WAIT_MS + 5_000;

/** `taskQueue`: prefix of the task queues. */
export function createConnects({
  client,
  taskQueue,
}: {
  readonly client: Client;
  readonly taskQueue: string;
}): Connects {
  return {
    async connect(key, sessionId) {
      const startWorkflowOperation = new WithStartWorkflowOperation(workflowTypes.connectionLifecycle, {
        workflowId: connectionWorkflowId(key),
        staticSummary: connectionSummary(key),
        taskQueue: lifecycleTaskQueue(taskQueue),
        args: [{ app: key.app, principal: key.principal }],
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      try {
        await client.withDeadline(Date.now() + PATIENCE_MS, () =>
          client.workflow.executeUpdateWithStart(connectUpdate, {
            updateId: `connect:${sessionId}`,
            args: [{ sessionId }],
            startWorkflowOperation,
          }),
        );
      } catch (cause) {
        if (!(cause instanceof WorkflowUpdateRPCTimeoutOrCancelledError) && !isGrpcServiceError(cause)) throw cause;
        throw new AppError('temporal-unavailable', 'Temporal does not answer.', { cause, retryAfterMs: 1_000 });
      }
    },
  };
}
