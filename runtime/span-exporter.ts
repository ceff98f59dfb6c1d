/**
 * The one place that decides what leaves in a span.
 *
 * Guarantees: names and attributes that are not on the list stay here, whatever a library hangs on its spans (workflow ids,
 * messages and stacks of errors, reasons that people typed); no value looks like a token. A receiver that is away is
 * said so once, and costs nothing but the spans.
 */
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { Log } from '../core/ports.ts';
import { maskTokens } from './error-fields.ts';

/** No id of a company: `run_id` and the correlation id lead to it, in Temporal and in the log. */
const attributesAllowed: ReadonlySet<string> = new Set([
  'error.type',
  'evergrant.app',
  'evergrant.cause',
  'evergrant.code',
  'evergrant.correlation_id',
  'evergrant.data_center',
  'evergrant.endpoint',
  'evergrant.state',
  'http.request.method',
  'http.response.status_code',
  'http.route',
  // As the interceptors of Temporal call them.
  'run_id',
  'temporalActivityId',
]);

/** Patterns of routes, names of activities, codes, ids. */
const HARMLESS = /^[\w.:/(){}*+ -]{0,160}$/;

export interface GuardedExporter extends SpanExporter {
  reportTo(log: Log): void;
}

export function guardExporter(exporter: SpanExporter): GuardedExporter {
  let log: Log | null = null;
  let isAway = false;
  const note = ({ code, error }: ExportResult): void => {
    const failed = code !== ExportResultCode.SUCCESS;
    if (failed === isAway) return;
    isAway = failed;
    if (failed) log?.warn({ reason: reasonOf(error) }, 'traces are not taken; they are dropped until they are again');
    else log?.info({}, 'traces are taken again');
  };
  return {
    reportTo: (to) => void (log = to),
    export(spans, callback) {
      exporter.export(spans.map(buildHarmless), (result) => {
        note(result);
        callback(result);
      });
    },
    forceFlush: async () => await exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

/** The span without whatever is not known to be harmless. */
export function buildHarmless(span: ReadableSpan): ReadableSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  const { parentSpanContext: parent } = span;
  return {
    name: harmless(span.name),
    kind: span.kind,
    spanContext: () => ({ traceId, spanId, traceFlags }),
    ...(parent === undefined ? {} : { parentSpanContext: contextOf(parent) }),
    startTime: span.startTime,
    endTime: span.endTime,
    duration: span.duration,
    ended: span.ended,
    status: { code: span.status.code },
    attributes: Object.fromEntries(
      Object.entries(span.attributes).flatMap(([name, value]) => {
        if (!attributesAllowed.has(name)) return [];
        return [[name, typeof value === 'number' ? value : harmless(String(value))]];
      }),
    ),
    links: span.links.map(({ context }) => ({ context: contextOf(context) })),
    events: [],
    resource: span.resource,
    instrumentationScope: span.instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Without `tracestate`, which is a text of others. */
function contextOf({ traceId, spanId, traceFlags, isRemote }: ReturnType<ReadableSpan['spanContext']>) {
  return { traceId, spanId, traceFlags, ...(isRemote === undefined ? {} : { isRemote }) };
}

function harmless(text: string): string {
  return HARMLESS.test(text) && maskTokens(text) === text ? text : '[masked]';
}

/** A code or a name: the message may quote the receiver's answer. */
function reasonOf(error: Error | undefined): string {
  const code = error !== undefined && 'code' in error ? error.code : undefined;
  return typeof code === 'string' || typeof code === 'number' ? String(code) : (error?.name ?? 'unknown');
}
