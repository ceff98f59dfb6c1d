/**
 * The workflow of one connection: a thin Temporal shell around the lifecycle loop of the core.
 *
 * It runs for years. All it knows lies in the row in PostgreSQL, so a run that was lost, terminated or reset heals by
 * being started again. It never uses a token itself and never sees one.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  log,
  makeContinueAsNewFunc,
  patched,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { CommandName } from '../core/command-transaction.ts';
import type { ConnectionKey, ConnectionSnapshot } from '../core/connection.ts';
import { buildConnectionResource } from '../core/connection-resource.ts';
import { type AskedBy, createInbox, type InboxEntry, type Wish } from '../core/inbox.ts';
import { ofConnection } from '../core/lifeboat.ts';
import { type LifecycleEnd, type LifecycleHost, runLifecycle, WITHDRAWN } from '../core/lifecycle.ts';
import { cargoOf } from './cargo-of.ts';
import {
  appRestoredSignal,
  type CommandInput,
  type CommandResult,
  type ConnectInput,
  connectionWorkflowId,
  connectUpdate,
  ensureFreshUpdate,
  HANDLER_WAIT_MS,
  type LifecycleInput,
  pauseSignal,
  pauseUpdate,
  refreshSignal,
  refreshUpdate,
  resumeSignal,
  resumeUpdate,
  revokeSignal,
  revokeUpdate,
  statusQuery,
  tokenRejectedSignal,
} from './contract.ts';
import {
  buildDetails,
  buildSearchAttributes,
  buildTimerSummary,
  isSameAttributes,
  refreshSummaries,
} from './operator-view.ts';
import { callOptions, concurActivities, recordActivities } from './proxies.ts';
import { traceCauses } from './tracing.ts';

/** A warm connection starts a new run about daily; one that sleeps for months does not. */
const RUN_FOR_MS = 24 * 60 * 60 * 1_000;
const LEAST_EVENTS = 100;
/** Whatever the clock says: a history that grows faster than usual gets a new run too. */
const MOST_EVENTS = 2_000;

export async function connectionLifecycle(input: LifecycleInput): Promise<LifecycleEnd> {
  const { app, principal } = input;
  const key: ConnectionKey = { app, principal };
  const generation = input.carried?.generation ?? 0;
  const { inbox, trace } = traceCauses(createInbox());
  let current: ConnectionSnapshot | null = null;

  const answer = (settled: boolean): CommandResult => ({
    settled,
    state: current?.connection.state ?? 'connecting',
    version: current?.connection.version ?? 0,
  });
  let isClosing = false;
  const waitFor = async (entry: InboxEntry, isDone: () => boolean = () => true): Promise<CommandResult> =>
    answer(
      // Handlers outlive a *Cancel* of the run: it only pauses.
      await CancellationScope.nonCancellable(() =>
        condition(() => entry.settled && (isClosing || isDone()), HANDLER_WAIT_MS, {
          summary: 'how long the caller is kept waiting',
        }),
      ),
    );
  const command = (name: CommandName, given?: CommandInput): InboxEntry => inbox.push(commandWish(name, given));

  setHandler(statusQuery, () => (current === null ? null : resourceOf(current)), {
    description: 'The connection as the workflow sees it.',
  });
  setHandler(connectUpdate, (given) => waitFor(inbox.push(connectWish(given))), {
    validator: (given) => assertText('sessionId', maybe(given)?.sessionId),
    description: 'Exchanges the request token of a completed connect session.',
  });
  setHandler(ensureFreshUpdate, (given) => waitFor(inbox.push({ kind: 'fresh', version: versionOf(given) })), {
    description: 'Refreshes unless a newer version than the given one is on file; without one, in any case.',
  });
  setHandler(refreshUpdate, (given) => waitFor(inbox.push({ kind: 'forced', by: askedBy(given) })), {
    description: 'Refreshes now.',
  });
  setHandler(pauseUpdate, (given) => waitFor(command('pause', given)), {
    description: 'Stops the upkeep but for the keep-alive.',
  });
  setHandler(resumeUpdate, (given) => waitFor(command('resume', given)), { description: 'Goes on after a pause.' });
  setHandler(
    revokeUpdate,
    (given) => waitFor(command('revoke', given), () => current?.connection.state !== 'revoking'),
    {
      description: 'Ends the connection at SAP Concur, for good.',
    },
  );

  setHandler(refreshSignal, (given) => void inbox.push({ kind: 'forced', by: askedBy(given) }), {
    description: 'Refresh now. No input needed.',
  });
  setHandler(
    tokenRejectedSignal,
    (given) => void inbox.push({ kind: 'rejected', version: versionOf(given), by: askedBy(given) }),
    {
      description: 'SAP Concur refused the access token: find out whether the connection still lives. No input needed.',
    },
  );
  setHandler(pauseSignal, (given) => void command('pause', given), {
    description: 'Stop the upkeep but for the keep-alive. No input needed.',
  });
  setHandler(resumeSignal, (given) => void command('resume', given), {
    description: 'Go on after a pause. No input needed.',
  });
  setHandler(revokeSignal, (given) => void command('revoke', given), {
    description: 'End the connection at SAP Concur, for good. No input needed.',
  });
  setHandler(appRestoredSignal, (given) => void command('app-restored', given), {
    description: "The app's credentials work again. No input needed.",
  });

  const publish = (snapshot: ConnectionSnapshot): void => {
    const before = current;
    current = snapshot;
    setCurrentDetails(buildDetails(snapshot, { generation, nowMs: Date.now() }));
    const known =
      before === null ? workflowInfo().typedSearchAttributes.getAll() : buildSearchAttributes(before.connection);
    const attributes = buildSearchAttributes(snapshot.connection);
    if (!isSameAttributes(attributes, known)) upsertSearchAttributes(attributes);
  };

  // *Cancel* in the UI stops the upkeep; it must not stop the run that a later `resume` is sent to.
  const run = CancellationScope.current();
  run.cancelRequested.catch(() => {
    command('pause', { actor: 'operator', reason: 'cancelled in the Temporal UI' });
  });
  const host = trace(createHost(key, publish));
  const end = await CancellationScope.nonCancellable(async () => {
    for (;;) {
      isClosing = false;
      const reached = await runLifecycle(host, inbox);
      isClosing = true;
      inbox.settleAll();
      // Whoever comes while the last handlers are answering is served by this run: a new one would not know of them.
      await condition(() => allHandlersFinished() || !inbox.isEmpty());
      if (inbox.isEmpty()) return reached;
    }
  });
  if (end === 'continue-as-new')
    await continueRun({ app, principal, carried: { schema: 1, generation: generation + 1 } });
  return end;

  function createHost(of: ConnectionKey, show: (snapshot: ConnectionSnapshot) => void): LifecycleHost {
    let attempts = 0;
    return {
      now: () => Date.now(),
      nextAttemptId: () => {
        attempts += 1;
        return `${workflowInfo().runId}:${attempts}`;
      },
      load: () => recordActivities.loadConnection.executeWithOptions({ summary: 'read what is on file' }, [of]),
      command: (order) =>
        recordActivities.applyCommand.executeWithOptions({ summary: order.name }, [{ ...of, ...order }]),
      refresh: async ({ dataCentre, urgent, ...order }, withdrawn) => {
        const scope = new CancellationScope();
        void withdrawn.then(() => scope.cancel());
        try {
          return await scope.run(() =>
            concurActivities.refreshTokens.executeWithOptions(
              callOptions({ dataCentre, urgent, summary: refreshSummaries[order.cause] }),
              [{ ...of, ...order }],
            ),
          );
        } catch (error) {
          // Nobody but the loop cancels it, and the server ends only what no worker has taken yet.
          if (isCancellation(error)) return WITHDRAWN;
          throw error;
        }
      },
      exchange: ({ dataCentre, ...order }) =>
        concurActivities.exchangeRequestToken.executeWithOptions(
          callOptions({ dataCentre, urgent: true, summary: 'exchange for the first tokens' }),
          [{ ...of, ...order }],
        ),
      revoke: ({ dataCentre, attemptId }) =>
        concurActivities.revokeConnection.executeWithOptions(
          callOptions({ dataCentre, urgent: true, summary: 'revoke' }),
          [{ ...of, attemptId }],
        ),
      sleep: async (untilMs, arrivals, snapshot) => {
        const isWoken = (): boolean => inbox.arrivals() > arrivals;
        if (untilMs === null) await condition(isWoken);
        else await condition(isWoken, Math.max(1, untilMs - Date.now()), { summary: buildTimerSummary(snapshot) });
      },
      publish: show,
      cargoOf: (error) => ofConnection(cargoOf(error)),
      saveTokens: (cargo) =>
        recordActivities.saveTokens.executeWithOptions({ summary: 'save an answer from the lifeboat' }, [
          { ...of, cargo },
        ]),
      callFailed: (error) => {
        // Anything but a failed activity is a bug of this workflow: let the task fail and be retried after a fix.
        if (!(error instanceof ActivityFailure)) throw error;
        log.warn('a call broke down without a verdict', { type: error.activityType, retryState: error.retryState });
      },
      wantsNewRun: () => {
        if (run.consideredCancelled) {
          // A run can be cancelled once: the next *Cancel* wants a run that can.
          // replay-tested: 2026-11-21, with the history of a *Cancel* from before.
          if (patched('new-run-after-cancel')) return true;
          else log.debug('cancelled before runs were renewed after that');
        }
        const { continueAsNewSuggested, historyLength, runStartTime } = workflowInfo();
        if (continueAsNewSuggested || historyLength >= MOST_EVENTS) return true;
        return historyLength >= LEAST_EVENTS && Date.now() - runStartTime.getTime() >= RUN_FOR_MS;
      },
    };
  }
}

/** Hands memo on explicitly; search attributes come from the row. */
async function continueRun(input: LifecycleInput): Promise<never> {
  const { memo } = workflowInfo();
  return await makeContinueAsNewFunc<typeof connectionLifecycle>(memo === undefined ? {} : { memo })(input);
}

function resourceOf(snapshot: ConnectionSnapshot): ReturnType<typeof buildConnectionResource> {
  const { connection, upkeep, listingUrl } = snapshot;
  return buildConnectionResource(connection, { upkeep, listingUrl, workflowId: connectionWorkflowId(connection) });
}

const MAX_TEXT = 256;

function connectWish({ sessionId, isNew }: ConnectInput): Wish {
  // replay-tested: 2026-11-21, with the histories of connects from before.
  if (isNew === true && patched('exchange-first')) return { kind: 'connect', sessionId, isNew };
  else return { kind: 'connect', sessionId };
}

/** Input from operators comes as anything: what is not usable is left out, not refused. */
function commandWish(name: CommandName, given: CommandInput | undefined): Wish {
  return { kind: 'command', name, ...askedBy(given) };
}

function askedBy(given: CommandInput | undefined): AskedBy {
  const correlationId = textOf(given?.correlationId);
  const by = { actor: textOf(given?.actor) ?? 'operator', reason: textOf(given?.reason) };
  return correlationId === null ? by : { ...by, correlationId };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_TEXT) : null;
}

function versionOf(given: { readonly version?: unknown } | undefined): number | null {
  const version = given?.version;
  return typeof version === 'number' && Number.isSafeInteger(version) ? version : null;
}

/** The types say that an update brings its input; an operator may send it without. */
function maybe<T>(given: T): T | undefined {
  return given;
}

function assertText(name: string, value: unknown): void {
  if (textOf(value) === null) throw ApplicationFailure.nonRetryable(`${name} must be a text`, 'bad-request');
}
