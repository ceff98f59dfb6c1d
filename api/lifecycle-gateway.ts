/**
 * The one file of the API that talks to Temporal. Every call is bounded; a server that is away is told from a
 * refresh that takes long by asking the server itself beside the call.
 */
import {
  type Client,
  isGrpcServiceError,
  ServiceError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { TypedSearchAttributes } from '@temporalio/common';
import { AppError, isAppError } from '../core/errors.ts';
import type { ConnectionKey } from '../core/connection.ts';
import type { Clock, Log } from '../core/ports.ts';
import {
  type CommandInput,
  type CommandResult,
  connectionSummary,
  connectionWorkflowId,
  connectUpdate,
  ensureFreshUpdate,
  ensureFreshUpdateId,
  HANDLER_WAIT_MS,
  lifecycleTaskQueue,
  pauseUpdate,
  refreshUpdate,
  resumeUpdate,
  revokeUpdate,
  statusQuery,
  tokenRejectedSignal,
  type UnidentifiedConnectInput,
  type UnidentifiedConnectResult,
  unidentifiedWorkflowId,
  workflowTypes,
} from '../workflows/contract.ts';
import type { GatewayCommand, LifecycleGateway } from './deps.ts';
import { buildFirstAttributes } from './search-attributes.ts';
import { createRejections, type Rejection } from './rejections.ts';

/** A server that says nothing for so long is away; callers are told within five seconds. */
const SILENCE_MS = 4_000;
/** Most updates are answered within this: the server is asked whether it is there only about one that takes longer. */
const UNASKED_MS = 500;

const GRPC_CANCELLED = 1;
const GRPC_DEADLINE_EXCEEDED = 4;
const GRPC_NOT_FOUND = 5;

const commandUpdates = { pause: pauseUpdate, resume: resumeUpdate, revoke: revokeUpdate } as const;

export interface GatewayDeps {
  readonly client: Client;
  /** Prefix of the task queues. */
  readonly taskQueue: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ClosableGateway extends LifecycleGateway {
  /** Whether the server answers; throws `temporal-unavailable` when it does not. */
  assertReachable(): Promise<void>;
  close(): void;
}

export function createLifecycleGateway({ client, taskQueue, clock, log }: GatewayDeps): ClosableGateway {
  /** Starts the workflow where none runs: a run that was lost or terminated heals at its next use. */
  const startOperation = (key: ConnectionKey, typedSearchAttributes?: TypedSearchAttributes) =>
    new WithStartWorkflowOperation(workflowTypes.connectionLifecycle, {
      workflowId: connectionWorkflowId(key),
      staticSummary: connectionSummary(key),
      taskQueue: lifecycleTaskQueue(taskQueue),
      args: [{ app: key.app, principal: key.principal }],
      workflowIdConflictPolicy: 'USE_EXISTING',
      ...(typedSearchAttributes !== undefined && { typedSearchAttributes }),
    });

  /**
   * A call that is over when the server has been silent for so long. The client's own deadline alone does not do:
   * its pauses between tries of a refused call go on beyond it.
   */
  async function beforeSilence<T>(call: () => Promise<T>): Promise<T> {
    const answered = new AbortController();
    const silence = clock.sleep(SILENCE_MS, answered.signal).then(() => {
      throw unavailable(new Error(`no answer in ${SILENCE_MS} ms`));
    });
    try {
      return await Promise.race([client.withDeadline(clock.now() + SILENCE_MS, call), silence]);
    } finally {
      answered.abort();
      silence.catch(() => undefined);
    }
  }

  const assertReachable = async (): Promise<void> => {
    try {
      await beforeSilence(() => client.workflowService.getSystemInfo({}));
    } catch (error) {
      throw unavailable(error);
    }
  };

  /** The answer of an update; null when it goes on, or when the run ended under it. */
  async function settle(waitMs: number, call: () => Promise<CommandResult>): Promise<CommandResult | null> {
    const update = client.withDeadline(clock.now() + waitMs, call).catch((error: unknown) => {
      if (isStillGoing(error) || isRunOver(error)) return null;
      throw isServerTrouble(error) ? unavailable(error) : error;
    });
    const answered = new AbortController();
    const silence = clock.sleep(UNASKED_MS, answered.signal).then(assertReachable);
    const answer = await Promise.race([update, silence.then(() => update)]).finally(() => answered.abort());
    return answer?.settled === false ? null : answer;
  }

  const signalRejected = async (key: ConnectionKey, input: Rejection) => {
    try {
      await beforeSilence(() =>
        client.workflow.signalWithStart(workflowTypes.connectionLifecycle, {
          workflowId: connectionWorkflowId(key),
          staticSummary: connectionSummary(key),
          taskQueue: lifecycleTaskQueue(taskQueue),
          args: [{ app: key.app, principal: key.principal }],
          signal: tokenRejectedSignal,
          signalArgs: [input],
        }),
      );
    } catch (error) {
      throw unavailable(error);
    }
  };
  const rejections = createRejections({ send: signalRejected, clock, log });

  return {
    assertReachable,
    close: () => rejections.close(),

    connect: (key, sessionId, { isNew = false } = {}) =>
      settle(HANDLER_WAIT_MS, () =>
        client.workflow.executeUpdateWithStart(connectUpdate, {
          // Pages that ask again while the exchange goes on add nothing to the history.
          updateId: `connect:${sessionId}:${Math.floor(clock.now() / 30_000)}`,
          args: [{ sessionId, ...(isNew && { isNew }) }],
          startWorkflowOperation: startOperation(key, isNew ? buildFirstAttributes(key) : undefined),
        }),
      ),

    async connectUnidentified(app, sessionId, dataCentre) {
      const handle = await beforeSilence(() =>
        client.workflow.start(workflowTypes.connectUnidentified, {
          workflowId: unidentifiedWorkflowId(app, sessionId),
          staticSummary: `SAP Concur connect of app ${app}, principal not known yet`,
          taskQueue: lifecycleTaskQueue(taskQueue),
          args: [{ app, sessionId, dataCentre } satisfies UnidentifiedConnectInput],
          workflowIdConflictPolicy: 'USE_EXISTING',
          workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        }),
      ).catch((error: unknown) => {
        // It has run and is over: its row says what came of it.
        if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
        throw isServerTrouble(error) || isStillGoing(error) ? unavailable(error) : error;
      });
      if (handle === null) return null;
      try {
        const deadline = clock.now() + HANDLER_WAIT_MS;
        const { principal }: UnidentifiedConnectResult = await client.withDeadline(deadline, () => handle.result());
        return principal;
      } catch (error) {
        if (isStillGoing(error) || isRunOver(error)) return null;
        throw isServerTrouble(error) ? unavailable(error) : error;
      }
    },

    ensureFresh: (key, version, waitMs) =>
      settle(waitMs, () =>
        client.workflow.executeUpdateWithStart(ensureFreshUpdate, {
          updateId: ensureFreshUpdateId(version, clock.now()),
          args: [{ version }],
          startWorkflowOperation: startOperation(key),
        }),
      ),

    refresh: (key, given) =>
      settle(HANDLER_WAIT_MS, () =>
        client.workflow.executeUpdateWithStart(refreshUpdate, {
          args: [buildInput(given)],
          startWorkflowOperation: startOperation(key),
        }),
      ),

    command: (name, key, given, waitMs) =>
      settle(waitMs, () =>
        client.workflow.executeUpdateWithStart(commandUpdates[name], {
          args: [buildInput(given)],
          startWorkflowOperation: startOperation(key),
        }),
      ),

    tokenRejected: (key, { version, status, actor, correlationId }) =>
      rejections.report(key, {
        version,
        actor,
        ...(status === null ? {} : { status }),
        ...(correlationId === null ? {} : { correlationId }),
      }),

    async status(key) {
      try {
        const handle = client.workflow.getHandle(connectionWorkflowId(key));
        return await beforeSilence(() => handle.query(statusQuery));
      } catch (error) {
        if (isAppError(error)) throw error;
        if (isRunOver(error)) return null;
        throw isServerTrouble(error) || isStillGoing(error) ? unavailable(error) : error;
      }
    },
  };
}

/** Only what is known travels. */
function buildInput({ actor, reason, correlationId }: GatewayCommand): CommandInput {
  return {
    actor,
    ...(reason === null ? {} : { reason }),
    ...(correlationId == null ? {} : { correlationId }),
  };
}

function unavailable(cause: unknown): AppError {
  return new AppError('temporal-unavailable', 'Temporal does not answer; fresh tokens are still served.', {
    cause,
    retryAfterMs: 5_000,
  });
}

/** The update was sent and goes on, longer than the caller waits. */
function isStillGoing(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return true;
  const code = grpcCodeOf(error);
  return code === GRPC_DEADLINE_EXCEEDED || code === GRPC_CANCELLED;
}

/** The run completed or was continued as new under the call: the row has the answer. */
function isRunOver(error: unknown): boolean {
  if (error instanceof WorkflowNotFoundError || grpcCodeOf(error) === GRPC_NOT_FOUND) return true;
  return error instanceof WorkflowUpdateFailedError && typeOf(error.cause) === 'AcceptedUpdateCompletedWorkflow';
}

function isServerTrouble(error: unknown): boolean {
  return error instanceof ServiceError || grpcCodeOf(error) !== null;
}

function grpcCodeOf(error: unknown): number | null {
  if (isGrpcServiceError(error)) return error.code;
  const cause = error instanceof Error ? error.cause : undefined;
  return isGrpcServiceError(cause) ? cause.code : null;
}

function typeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'type' in error ? error.type : null;
}
