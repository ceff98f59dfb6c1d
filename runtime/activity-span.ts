/** What the span of an activity says beside its name, and where one that begins a trace comes from. */
import { type Link, trace, TraceFlags } from '@opentelemetry/api';
import { ApplicationFailure, defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { parseTraceparent, TRACE_HEADER, type TraceCarrier } from '../core/trace-context.ts';

/** Inside the official interceptor, whose span is the active one. */
export const describeActivity: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    const span = trace.getActiveSpan();
    if (span === undefined || !span.isRecording()) return await next(input);
    const link = linkOf(input.headers);
    if (link !== null) span.addLink(link);
    const [order] = input.args;
    const app = textAt(order, 'app');
    const cause = textAt(order, 'cause');
    if (app !== null) span.setAttribute('evergrant.app', app);
    if (cause !== null) span.setAttribute('evergrant.cause', cause);
    try {
      const result = await next(input);
      const state = textAt(memberOf(result, 'connection'), 'state');
      if (state !== null) span.setAttribute('evergrant.state', state);
      return result;
    } catch (error) {
      span.setAttribute('error.type', typeOf(error));
      throw error;
    }
  },
};

function linkOf(headers: Headers): Link | null {
  const payload = headers[TRACE_HEADER];
  if (payload === undefined) return null;
  const link = parseTraceparent(defaultPayloadConverter.fromPayload<TraceCarrier>(payload).link);
  if (link === null) return null;
  const { traceId, spanId } = link;
  return { context: { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true } };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function textAt(value: unknown, name: string): string | null {
  const member = memberOf(value, name);
  return typeof member === 'string' ? member : null;
}

function typeOf(error: unknown): string {
  if (error instanceof ApplicationFailure && typeof error.type === 'string') return error.type;
  return error instanceof Error ? error.name : 'unknown';
}
