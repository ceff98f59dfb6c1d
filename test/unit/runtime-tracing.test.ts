/** What is configured of traces, and what of a span may leave. */
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { emptyResource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { describe, expect, it, vi } from 'vitest';
import { formatTraceparent, parseTraceparent, spanIdOf } from '../../core/trace-context.ts';
import { createEnvironment, type Variables } from '../../runtime/environment.ts';
import { readTracingSettings, type TracingSettings } from '../../runtime/otel-settings.ts';
import { buildHarmless, guardExporter } from '../../runtime/span-exporter.ts';

const endpoint = 'https://otel.example:4318';

function read(variables: Variables, isDevelopment = false): TracingSettings | null | readonly string[] {
  const env = createEnvironment(variables);
  const settings = readTracingSettings(env, isDevelopment);
  return env.problems().length === 0 ? settings : env.problems().map(({ name }) => name);
}

describe('traces', () => {
  it.each<Variables>([
    {},
    { OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_TRACES_SAMPLER: 'jaeger_remote' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'none' },
  ])('are off with %o', (variables) => {
    expect(read(variables)).toBeNull();
  });

  it('go to the endpoint, its path for traces added, as the standard has it', () => {
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/` })).toEqual({
      url: `${endpoint}/v1/traces`,
      headers: {},
      serviceName: null,
      resourceAttributes: {},
      sampler: { name: 'parentbased_always_on', ratio: 1 },
    });
    expect(read({ OTEL_TRACES_EXPORTER: 'otlp' })).toMatchObject({ url: 'http://localhost:4318/v1/traces' });
    const own = 'http://127.0.0.1:9/own';
    expect(
      read({
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own,
        OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=two%20words',
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=2',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=staging',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.1',
      }),
    ).toMatchObject({
      url: own,
      headers: { a: '1', b: '2' },
      resourceAttributes: { 'deployment.environment.name': 'staging' },
      sampler: { name: 'parentbased_traceidratio', ratio: 0.1 },
    });
  });

  it('are refused where a value is wrong, or a key would go out in the clear', () => {
    expect(
      read({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'otel:4317',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
        OTEL_TRACES_SAMPLER: 'jaeger_remote',
        OTEL_EXPORTER_OTLP_HEADERS: 'hush',
      }),
    ).toEqual([
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      'OTEL_EXPORTER_OTLP_HEADERS',
      'OTEL_TRACES_SAMPLER',
    ]);
    const clear = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel:4318', OTEL_EXPORTER_OTLP_HEADERS: 'a=1' };
    expect(read(clear)).toEqual(['OTEL_EXPORTER_OTLP_HEADERS']);
    expect(read(clear, true)).toMatchObject({ headers: { a: '1' } });
  });
});

const span: ReadableSpan = {
  name: 'RunActivity:refreshTokens',
  kind: SpanKind.INTERNAL,
  spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }),
  startTime: [1, 0],
  endTime: [2, 0],
  duration: [1, 0],
  ended: true,
  status: { code: SpanStatusCode.ERROR, message: 'hush' },
  attributes: {
    'evergrant.app': 'demo',
    'evergrant.code': 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.hush',
    'http.response.status_code': 200,
    'error.type': 'a message with "hush"',
    temporalWorkflowId: 'concur-connection:demo:hush',
  },
  links: [{ context: { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceFlags: 1 }, attributes: { a: 'hush' } }],
  events: [{ time: [1, 0], name: 'exception', attributes: { 'exception.message': 'hush' } }],
  resource: emptyResource(),
  instrumentationScope: { name: 'x' },
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
};

describe('what leaves of a span', () => {
  it('is what the list names, without messages, stacks, and what looks like a token', () => {
    const left = buildHarmless(span);
    expect(left.attributes).toEqual({
      'evergrant.app': 'demo',
      'evergrant.code': '[masked]',
      'http.response.status_code': 200,
      'error.type': '[masked]',
    });
    expect(left).toMatchObject({ name: span.name, status: { code: SpanStatusCode.ERROR }, events: [] });
    expect(JSON.stringify(left)).not.toContain('hush');
    expect(buildHarmless({ ...span, name: 'GET /v1/x?token=hush' }).name).toBe('[masked]');
  });

  it('is said once to be lost, and once to arrive again', () => {
    let code = ExportResultCode.FAILED;
    const error = new Error('https://otel.example says: hush');
    const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const guarded = guardExporter({
      export: (_spans, done) => done(code === ExportResultCode.FAILED ? { code, error } : { code }),
      shutdown: () => Promise.resolve(),
    });
    guarded.reportTo(log);
    const send = () => guarded.export([span], () => undefined);
    send();
    send();
    code = ExportResultCode.SUCCESS;
    send();
    send();
    expect([log.warn.mock.calls, log.info.mock.calls.length]).toEqual([[[{ reason: 'Error' }, expect.any(String)]], 1]);
  });
});

describe('a traceparent', () => {
  const text = `00-${'0af7651916cd43dd8448eb211c80319c'}-b7ad6b7169203331-01`;

  it('is taken as W3C has it, and handed on as it came', () => {
    const parsed = parseTraceparent(text);
    expect(parsed).toEqual({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      isSampled: true,
    });
    expect(parsed && formatTraceparent(parsed)).toBe(text);
  });

  it.each([
    undefined,
    7,
    '',
    text.toUpperCase(),
    text.slice(1),
    `${text}-more`,
    text.replace(/^00/, 'ff'),
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
  ])('that is none is not taken: %s', (value) => {
    expect(parseTraceparent(value)).toBeNull();
  });

  it('gets span ids from texts that differ where the texts do', () => {
    const ids = Array.from({ length: 20_000 }, (_, index) => spanIdOf(`3f2b7a8c-run:${index}`));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => parseTraceparent(`00-${'a'.repeat(32)}-${id}-00`) !== null)).toBe(true);
    expect(spanIdOf('3f2b7a8c-run:0')).toBe(ids[0]);
  });
});
