/**
 * OpenTelemetry's SDK, set up; loaded only where traces are configured.
 *
 * Only `traceparent` is taken in and handed on: `tracestate` and baggage would be texts of callers in the headers of
 * workflows. SAP Concur is told nothing. Spans go out in batches, from a queue with a bound, in the background.
 */
import type { RequestListener } from 'node:http';
import {
  type Context,
  context,
  createContextKey,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry/lib/client/index.js';
import { OpenTelemetryActivityInboundInterceptor } from '@temporalio/interceptors-opentelemetry/lib/worker/index.js';
import { formatTraceparent, parseTraceparent, type TraceContext, type WorkflowSpan } from '../core/trace-context.ts';
import { describeActivity } from './activity-span.ts';
import type { SamplerName, TracingSettings } from './otel-settings.ts';
import { guardExporter } from './span-exporter.ts';
import { TRACES_FLUSH_MS, type TracedCall, type Tracing } from './tracing.ts';

const SCOPE = 'evergrant';
/** Asked by machines all the time. */
const probes: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);
const PATH = createContextKey('path of the request');

export function startTracing(
  settings: TracingSettings,
  { service, version }: { readonly service: string; readonly version: string },
): Tracing {
  const exporter = guardExporter(new OTLPTraceExporter({ url: settings.url, headers: settings.headers }));
  const resource = defaultResource().merge(
    resourceFromAttributes({
      'service.version': version,
      ...settings.resourceAttributes,
      'service.name': settings.serviceName ?? settings.resourceAttributes['service.name'] ?? service,
    }),
  );
  const processor = new BatchSpanProcessor(exporter);
  const provider = new NodeTracerProvider({
    resource,
    sampler: buildSampler(settings.sampler.name, settings.sampler.ratio),
    spanProcessors: [processor],
  });
  provider.register({ propagator: traceparentAlone });
  const tracer = provider.getTracer(SCOPE, version);

  return {
    client: { workflow: [new OpenTelemetryWorkflowClientInterceptor({ tracer })] },
    activity: [
      (ctx) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(ctx, { tracer }) }),
      () => ({ inbound: describeActivity }),
    ],
    reportTo: (log) => exporter.reportTo(log),

    listener:
      (handler: RequestListener): RequestListener =>
      (request, response) => {
        const path = request.url?.split('?', 1)[0] ?? '';
        if (probes.has(path)) return handler(request, response);
        // Browsers come from anywhere: what they say about traces is not taken up.
        const caller = path.startsWith('/v1/') ? parseTraceparent(request.headers.traceparent) : null;
        const parent = caller === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote(caller));
        const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, parent);
        response.once('close', () => span.end());
        context.with(trace.setSpan(parent, span).setValue(PATH, path), () => handler(request, response));
      },

    routed({ route, method, status }) {
      const span = trace.getActiveSpan();
      if (span === undefined) return;
      span.updateName(`${method} ${route}`);
      const app = appOf(route, context.active());
      span.setAttributes({
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': Number(status),
        // An app that is not there may be anything that somebody typed.
        ...(app === null || status === '404' ? {} : { 'evergrant.app': app }),
      });
      if (Number(status) >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    },

    called({ dataCentre, endpoint, code, ok, correlationId, durationMs }: TracedCall) {
      const attributes = {
        'evergrant.data_center': dataCentre,
        'evergrant.endpoint': endpoint,
        'evergrant.code': code,
        ...(correlationId === null ? {} : { 'evergrant.correlation_id': correlationId }),
      };
      const startTime = Date.now() - durationMs;
      const span = tracer.startSpan(`Concur ${endpoint}`, { kind: SpanKind.CLIENT, attributes, startTime });
      if (!ok) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },

    // Its ids were given by the workflow, so it is not one that the tracer could start.
    handled(span: WorkflowSpan, runId: string) {
      const { name, startMs, endMs, failed, parentSpanId } = span;
      processor.onEnd({
        name,
        kind: SpanKind.SERVER,
        spanContext: () => remote(span),
        parentSpanContext: remote({ ...span, spanId: parentSpanId }),
        startTime: hrTime(startMs),
        endTime: hrTime(endMs),
        duration: hrTime(endMs - startMs),
        status: { code: failed ? SpanStatusCode.ERROR : SpanStatusCode.OK },
        attributes: { run_id: runId },
        links: [],
        events: [],
        ended: true,
        resource,
        instrumentationScope: { name: SCOPE, version },
        droppedAttributesCount: 0,
        droppedEventsCount: 0,
        droppedLinksCount: 0,
      });
    },

    logFields() {
      const active = trace.getActiveSpan()?.spanContext();
      return active !== undefined && isSpanContextValid(active) ? { trace_id: active.traceId } : {};
    },

    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, TRACES_FLUSH_MS);
      });
      // Whether the receiver was there for the last spans changes nothing about this end.
      const flushed = provider.shutdown().catch(() => undefined);
      await Promise.race([flushed, late]);
      clearTimeout(timer);
    },
  };
}

const traceparentAlone: TextMapPropagator = {
  fields: () => ['traceparent'],
  inject(from, carrier, setter) {
    const active = trace.getSpanContext(from);
    if (active === undefined || !isSpanContextValid(active)) return;
    const isSampled = (active.traceFlags & TraceFlags.SAMPLED) !== 0;
    setter.set(carrier, 'traceparent', formatTraceparent({ ...active, isSampled }));
  },
  extract(into, carrier, getter) {
    const parsed = parseTraceparent(getter.get(carrier, 'traceparent'));
    return parsed === null ? into : trace.setSpanContext(into, remote(parsed));
  },
};

function remote({ traceId, spanId, isSampled }: TraceContext): SpanContext {
  return { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

function buildSampler(name: SamplerName, ratio: number): Sampler {
  const samplers: Record<SamplerName, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
    parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
    parentbased_traceidratio: () => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
  };
  return samplers[name]();
}

/** The segment of the path where the route has `:app`. */
function appOf(route: string, active: Context): string | null {
  const path = active.getValue(PATH);
  const index = route.split('/').indexOf(':app');
  const app = index < 0 || typeof path !== 'string' ? undefined : path.split('/')[index];
  return app !== undefined && /^[a-z0-9-]{1,40}$/.test(app) ? app : null;
}

function hrTime(ms: number): [number, number] {
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000];
}
