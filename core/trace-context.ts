/**
 * Where in a trace something happens, as it travels between processes. Only `traceparent` does: `tracestate` and baggage are
 * words of others, and a header of a workflow must hold no secret.
 *
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */

/** Header of workflows and activities, as `@temporalio/interceptors-opentelemetry` has it. */
export const TRACE_HEADER = '_tracer-data';

export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** Whether whoever began it records this trace. */
  readonly isSampled: boolean;
}

/** What the header holds: a JSON object of texts. */
export interface TraceCarrier {
  /** Whose work this is a part of. */
  readonly traceparent?: string;
  /** In the same form: what came before, where this begins a trace of its own. */
  readonly link?: string;
}

/** Something that a workflow did, told by it to its worker. Times are those of the workflow, in milliseconds. */
export interface WorkflowSpan extends TraceContext {
  readonly parentSpanId: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NOBODY = /^0+$/;

/** Null for anything else than a traceparent of version 00, and for ids of zeros. */
export function parseTraceparent(value: unknown): TraceContext | null {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(typeof value === 'string' ? value : '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  if (NOBODY.test(traceId) || NOBODY.test(spanId)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-0${isSampled ? 1 : 0}`;
}

/**
 * A span id made of a text (FNV-1a, twice 32 bits): for places that must come to the same id each time, and may not draw
 * from their own randomness for it.
 */
export function spanIdOf(text: string): string {
  const half = (seed: number): string => {
    let hash = seed;
    for (let index = 0; index < text.length; index += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    }
    // The last characters have not met all bits yet.
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    return ((hash ^ (hash >>> 13)) >>> 0).toString(16).padStart(8, '0');
  };
  const id = half(0x811c9dc5) + half(0x9e3779b9);
  return NOBODY.test(id) ? '0000000000000001' : id;
}
