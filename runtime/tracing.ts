/** What API and worker know of traces: nothing of OpenTelemetry. */
import type { RequestListener } from 'node:http';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { Log } from '../core/ports.ts';
import type { WorkflowSpan } from '../core/trace-context.ts';

export interface Tracing {
  /** For every client of Temporal: what it asks for goes on in the trace of whoever asks. */
  readonly client: { readonly workflow: WorkflowClientInterceptor[] };
  /** For every worker with activities. */
  readonly activity: ActivityInterceptorsFactory[];
  /** The same listener, with a span for each request but the probes. */
  listener(handler: RequestListener): RequestListener;
  /** At the end of the request at hand: the pattern of its route, and what came of it. */
  routed(labels: { readonly route: string; readonly method: string; readonly status: string }): void;
  /** A call to SAP Concur that has just ended. */
  called(call: TracedCall): void;
  /** A message that this run of a workflow has handled. */
  handled(span: WorkflowSpan, runId: string): void;
  /** For the lines of the log: the trace that they belong to. */
  logFields(): { readonly trace_id?: string };
  /** Where to say, once, that the receiver does not take anything, and that it does again. */
  reportTo(log: Log): void;
  /** Sends what is left, for a short time only. */
  close(): Promise<void>;
}

export interface TracedCall {
  readonly dataCentre: string;
  readonly endpoint: string;
  /** Concur's code, else the HTTP status, else the kind of transport failure. */
  readonly code: string;
  readonly ok: boolean;
  readonly correlationId: string | null;
  readonly durationMs: number;
}

/** How long the end of a process may wait for the receiver. */
export const TRACES_FLUSH_MS = 2_000;
