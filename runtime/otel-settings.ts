/**
 * Where traces go, by OpenTelemetry's own environment. Off unless an address or an exporter is set.
 *
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import type { Environment } from './environment.ts';
import { anyText, number, oneOf, text } from './values.ts';

export const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof samplers)[number];

export interface TracingSettings {
  /** Whole address, path included. */
  readonly url: string;
  /** Holds secrets: never to be logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null: named after the process. */
  readonly serviceName: string | null;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly sampler: { readonly name: SamplerName; readonly ratio: number };
}

/** Of the standard's default. */
const LOCAL_COLLECTOR = 'http://localhost:4318';

/** Null where nothing is to be traced. */
export function readTracingSettings(env: Environment, isDevelopment: boolean): TracingSettings | null {
  const isDisabled = env.read('OTEL_SDK_DISABLED', oneOf('true', 'false'), 'false') === 'true';
  const isWanted = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_TRACES_EXPORTER'].some(
    (name) => env.isSet(name),
  );
  // What other programs on this machine are told is none of our business.
  if (isDisabled || !isWanted) return null;
  if (env.read('OTEL_TRACES_EXPORTER', oneOf('otlp', 'none'), 'otlp') === 'none') return null;
  const endpoint = env.read('OTEL_EXPORTER_OTLP_ENDPOINT', collectorUrl, LOCAL_COLLECTOR);
  const url = env.read('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', collectorUrl, `${endpoint.replace(/\/$/, '')}/v1/traces`);
  // Others are spoken by packages that are not there.
  env.read('OTEL_EXPORTER_OTLP_PROTOCOL', oneOf('http/protobuf'), 'http/protobuf');
  env.read('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', oneOf('http/protobuf'), 'http/protobuf');
  const headers = {
    ...env.readSecret('OTEL_EXPORTER_OTLP_HEADERS', pairs, {}),
    ...env.readSecret('OTEL_EXPORTER_OTLP_TRACES_HEADERS', pairs, {}),
  };
  if (Object.keys(headers).length > 0 && url.startsWith('http:') && !isDevelopment && !isLoopback(url)) {
    env.report(
      'OTEL_EXPORTER_OTLP_HEADERS',
      'would go out in the clear: the endpoint must be https, or on this machine',
    );
  }
  return {
    url,
    headers,
    serviceName: env.read('OTEL_SERVICE_NAME', anyText, null),
    resourceAttributes: env.read('OTEL_RESOURCE_ATTRIBUTES', pairs, {}),
    sampler: {
      name: env.read('OTEL_TRACES_SAMPLER', oneOf(...samplers), 'parentbased_always_on'),
      ratio: env.read('OTEL_TRACES_SAMPLER_ARG', number(0, 1), 1),
    },
  };
}

const collectorUrl = text('the http or https URL of an OTLP receiver, such as http://localhost:4318', (value) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return null;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '' ? value : null;
});

/** `key=value,key=value`, percent-encoded. */
const pairs = text('a list such as key=value,other=value', (value): Readonly<Record<string, string>> | null => {
  const entries = value.split(',').map((pair) => /^\s*([^\s=]+)\s*=\s*(.*?)\s*$/.exec(pair));
  try {
    return Object.fromEntries(
      entries.map((found) => {
        if (found === null) throw new Error('no pair');
        return [decodeURIComponent(found[1] ?? ''), decodeURIComponent(found[2] ?? '')];
      }),
    );
  } catch {
    return null;
  }
});

function isLoopback(url: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}
