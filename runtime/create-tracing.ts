/**
 * Traces of requests, workflows' messages, activities and calls to SAP Concur, for an OpenTelemetry receiver. Where none is
 * configured no package of OpenTelemetry's SDK is loaded, and nobody asks twice.
 */
import type { TracingSettings } from './otel-settings.ts';
import type { Tracing } from './tracing.ts';

/** Null where nothing is configured. `service`: what the process is called unless the environment names it. */
export async function createTracing(
  settings: TracingSettings | null,
  process: { readonly service: string; readonly version: string },
): Promise<Tracing | null> {
  if (settings === null) return null;
  const { startTracing } = await import('./tracing-sdk.ts');
  return startTracing(settings, process);
}
