/** Sees to it that connections have a workflow. */
import { randomUUID } from 'node:crypto';
import { type Client, isGrpcServiceError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { ConnectionKey } from '../core/connection.ts';
import { AppError } from '../core/errors.ts';
import { dataCentreOf } from '../core/intake-kind.ts';
import type { Lifecycles } from '../core/reconcile.ts';
import {
  connectionSummary,
  connectionWorkflowId,
  type LifecycleInput,
  lifecycleTaskQueue,
  type UnidentifiedConnectInput,
  unidentifiedWorkflowId,
  workflowTypes,
} from '../workflows/contract.ts';

/** `WorkflowIdConflictPolicy` of Temporal's API, for one that runs: is left alone; makes room. */
const USE_EXISTING = 2;
const TERMINATE_EXISTING = 3;

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
  /** True when it had to be started: the client's own `start` does not tell. */
  async function begin(start: {
    readonly workflowId: string;
    readonly type: string;
    readonly input: object;
    readonly summary: string;
    readonly conflictPolicy: typeof USE_EXISTING | typeof TERMINATE_EXISTING;
  }): Promise<boolean> {
    try {
      const { started } = await client.withDeadline(Date.now() + SILENCE_MS, () =>
        client.workflowService.startWorkflowExecution({
          namespace,
          identity,
          requestId: randomUUID(),
          workflowId: start.workflowId,
          workflowType: { name: start.type },
          taskQueue: { name: lifecycleTaskQueue(taskQueue) },
          input: { payloads: [defaultPayloadConverter.toPayload(start.input)] },
          workflowIdConflictPolicy: start.conflictPolicy,
          userMetadata: { summary: defaultPayloadConverter.toPayload(start.summary) },
        }),
      );
      return started;
    } catch (cause) {
      if (!isGrpcServiceError(cause) || !OUTAGES.has(cause.code)) throw cause;
      throw new AppError('temporal-unavailable', 'Temporal does not answer.', { cause, retryAfterMs: SILENCE_MS });
    }
  }

  const start = (
    key: ConnectionKey,
    conflictPolicy: typeof USE_EXISTING | typeof TERMINATE_EXISTING,
  ): Promise<boolean> => {
    const input: LifecycleInput = { app: key.app, principal: key.principal };
    return begin({
      workflowId: connectionWorkflowId(key),
      type: workflowTypes.connectionLifecycle,
      input,
      summary: connectionSummary(key),
      conflictPolicy,
    });
  };

  return {
    async ensureUnidentified(connect) {
      const { app, id: sessionId } = connect;
      const input: UnidentifiedConnectInput = { app, sessionId, dataCentre: dataCentreOf(connect) };
      await begin({
        workflowId: unidentifiedWorkflowId(app, sessionId),
        type: workflowTypes.connectUnidentified,
        input,
        summary: `SAP Concur connect of app ${app}, principal not known yet`,
        conflictPolicy: USE_EXISTING,
      });
    },
    ensureRunning: async (key) => ((await start(key, USE_EXISTING)) ? 'started' : 'running'),
    async startAnew(key) {
      await start(key, TERMINATE_EXISTING);
      return 'started';
    },
  };
}
