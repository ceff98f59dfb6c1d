/** Sees to it that connections have a workflow. */
import { randomUUID } from 'node:crypto';
import { type Client, isGrpcServiceError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { AppError } from '../core/errors.ts';
import type { Lifecycles } from '../core/reconcile.ts';
import { connectionWorkflowId, type LifecycleInput, lifecycleTaskQueue, workflowTypes } from '../workflows/contract.ts';

/** `WorkflowIdConflictPolicy` of Temporal's API: one that runs is left alone. */
const USE_EXISTING = 2;

/** A server that says nothing for so long is away. */
const SILENCE_MS = 5_000;

/** Answers of gRPC that say something about the server and nothing about the connection asked for. */
const OUTAGES: ReadonlySet<number> = new Set([1, 4, 8, 14]);

/** `taskQueue`: prefix of the task queues. */
export function createLifecycles({
  client,
  taskQueue,
}: {
  readonly client: Client;
  readonly taskQueue: string;
}): Lifecycles {
  const { namespace, identity } = client.options;
  return {
    async ensureRunning(key) {
      const input: LifecycleInput = { app: key.app, principal: key.principal };
      try {
        // The service itself, as the client's `start` does not tell whether it had to.
        const { started } = await client.withDeadline(Date.now() + SILENCE_MS, () =>
          client.workflowService.startWorkflowExecution({
            namespace,
            identity,
            requestId: randomUUID(),
            workflowId: connectionWorkflowId(key),
            workflowType: { name: workflowTypes.connectionLifecycle },
            taskQueue: { name: lifecycleTaskQueue(taskQueue) },
            input: { payloads: [defaultPayloadConverter.toPayload(input)] },
            workflowIdConflictPolicy: USE_EXISTING,
          }),
        );
        return started ? 'started' : 'running';
      } catch (cause) {
        if (!isGrpcServiceError(cause) || !OUTAGES.has(cause.code)) throw cause;
        throw new AppError('temporal-unavailable', 'Temporal does not answer.', { cause, retryAfterMs: SILENCE_MS });
      }
    },
  };
}
