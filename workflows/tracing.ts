/**
 * Traces through workflows: whose message led to which activity.
 *
 * A workflow of a connection lives for years and acts in a loop, so neither its run nor the loop is a span: what is one
 * is the handling of a message that came with a trace, and the activities that are scheduled for it belong to that
 * trace. What a timer brings about begins a trace of its own, linked to the last message. docs/adr/0012 says why the
 * official interceptors of workflows are not used.
 *
 * Guarantees: whether there are traces changes no command but the headers of activities, draws no random number, and adds
 * no turn to any promise that the workflow waits for. So a history replays with traces and without.
 */
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { proxySinks, type Sinks, type WorkflowInterceptors, workflowInfo } from '@temporalio/workflow';
import type { Inbox, InboxEntry, Wish } from '../core/inbox.ts';
import type { LifecycleHost } from '../core/lifecycle.ts';
import {
  formatTraceparent,
  parseTraceparent,
  spanIdOf,
  TRACE_HEADER,
  type TraceCarrier,
  type TraceContext,
  type WorkflowSpan,
} from '../core/trace-context.ts';

/** How a worker is told; not while a history is replayed. */
export interface TraceSinks extends Sinks {
  readonly traces: { handled(span: WorkflowSpan): void };
}

/** Module state: the sandbox has one instance of each module per run of a workflow. */
const run: {
  /** Of the message that started this run, until the run waits for the first time. */
  start: TraceContext | null;
  /** The last message that was recorded. */
  last: TraceContext | null;
  /** While the handler of a message is called. */
  handling: TraceContext | null;
  /** While an activity is scheduled for somebody; undefined: nobody has said for whom. */
  calling: TraceContext | null | undefined;
  spans: number;
} = { start: null, last: null, handling: null, calling: undefined, spans: 0 };

/** Found by name by the worker's bundle. */
export const interceptors = (): WorkflowInterceptors => ({
  inbound: [
    {
      execute(input, next) {
        const { traceparent, link } = readTrace(input.headers);
        run.start = traceparent;
        run.last = recorded(traceparent) ?? link;
        return next(input);
      },
      handleUpdate: (input, next) => handle(`HandleUpdate:${input.name}`, input.headers, () => next(input)),
      handleSignal: (input, next) => handle(`HandleSignal:${input.signalName}`, input.headers, () => next(input)),
    },
  ],
  outbound: [
    {
      scheduleActivity(input, next) {
        const parent = run.calling === undefined ? run.start : run.calling;
        return next({ ...input, headers: withTrace(input.headers, parent) });
      },
      startTimer(input, next) {
        run.start = null;
        return next(input);
      },
      continueAsNew: (input, next) => next({ ...input, headers: withTrace(input.headers, null) }),
    },
  ],
});

interface Traced {
  /** The same inbox, which remembers with what trace each wish came. */
  readonly inbox: Inbox;
  /** The same host, whose activities belong to the trace of the wish that they are for. */
  trace(host: LifecycleHost): LifecycleHost;
}

export function traceCauses(inbox: Inbox): Traced {
  let waiting: { readonly entry: InboxEntry; readonly trace: TraceContext }[] = [];
  /** Schedules for the first waiting wish that is meant, else for the one that waits longest. */
  function callFor<T>(isMeant: (wish: Wish) => boolean, schedule: () => T): T {
    waiting = waiting.filter(({ entry }) => !entry.settled);
    const cause = waiting.find(({ entry }) => isMeant(entry.wish)) ?? waiting[0];
    run.calling = cause?.trace ?? null;
    try {
      return schedule();
    } finally {
      run.calling = undefined;
    }
  }
  const whoever = (): boolean => false;
  return {
    inbox: {
      ...inbox,
      push(wish) {
        const entry = inbox.push(wish);
        // Of readers that share one refresh, the first has it in its trace.
        if (run.handling !== null && waiting.every((other) => other.entry !== entry)) {
          waiting.push({ entry, trace: run.handling });
        }
        return entry;
      },
    },
    trace: (host) => ({
      ...host,
      load: () => callFor(whoever, () => host.load()),
      refresh: (order, withdrawn) =>
        callFor(
          ({ kind }) => kind === order.cause,
          () => host.refresh(order, withdrawn),
        ),
      exchange: (order) =>
        callFor(
          (wish) => wish.kind === 'connect' && wish.sessionId === order.sessionId,
          () => host.exchange(order),
        ),
      revoke: (order) =>
        callFor(
          (wish) => wish.kind === 'command' && wish.name === 'revoke',
          () => host.revoke(order),
        ),
      command: (order) =>
        callFor(
          (wish) => wish.kind === 'command' && wish.name === order.name,
          () => host.command(order),
        ),
      saveTokens: (cargo) => callFor(whoever, () => host.saveTokens(cargo)),
    }),
  };
}

/** Calls a handler, which takes in its message before it waits for the first time. */
function handle<T>(name: string, headers: Headers, call: () => Promise<T>): Promise<T> {
  const { traceparent: parent } = readTrace(headers);
  if (parent === null) return call();
  run.spans += 1;
  const span = { ...parent, spanId: spanIdOf(`${workflowInfo().runId}:${run.spans}`) };
  run.last = recorded(span) ?? run.last;
  run.handling = span;
  let handled: Promise<T>;
  try {
    handled = call();
  } finally {
    run.handling = null;
  }
  if (!span.isSampled) return handled;
  const startMs = Date.now();
  const tell = (failed: boolean) => (): void => {
    const { traces } = proxySinks<TraceSinks>();
    traces.handled({ ...span, parentSpanId: parent.spanId, name, startMs, endMs: Date.now(), failed });
  };
  handled.then(tell(false), tell(true));
  return handled;
}

function recorded(trace: TraceContext | null): TraceContext | null {
  return trace?.isSampled === true ? trace : null;
}

/** The headers with the trace that an activity, or the next run, belongs to; without one, with what it follows. */
function withTrace(headers: Headers, parent: TraceContext | null): Headers {
  if (parent === null && run.last === null) return headers;
  const carrier: TraceCarrier = {
    ...(parent === null ? {} : { traceparent: formatTraceparent(parent) }),
    ...(parent !== null || run.last === null ? {} : { link: formatTraceparent(run.last) }),
  };
  return { ...headers, [TRACE_HEADER]: defaultPayloadConverter.toPayload(carrier) };
}

/** A header that cannot be read is none: a trace is never worth a workflow. */
function readTrace(headers: Headers): {
  readonly traceparent: TraceContext | null;
  readonly link: TraceContext | null;
} {
  const payload = headers[TRACE_HEADER];
  if (payload === undefined) return { traceparent: null, link: null };
  try {
    const carrier = defaultPayloadConverter.fromPayload<TraceCarrier>(payload);
    return { traceparent: parseTraceparent(carrier.traceparent), link: parseTraceparent(carrier.link) };
  } catch {
    return { traceparent: null, link: null };
  }
}
