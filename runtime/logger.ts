import { type DestinationStream, type LevelWithSilent, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import { buildErrorFields } from './error-fields.ts';

export interface LoggerSettings {
  readonly level: LevelWithSilent;
  /** Which part of Evergrant writes: `api`, `worker`. */
  readonly name: string;
  /** What every line says besides, asked for as it is written. */
  readonly fields?: () => object;
  /** Standard output when left out. */
  readonly destination?: DestinationStream;
}

/**
 * Names under which a secret could slip into a log line by mistake. A second net: what is secret travels as `Secret`
 * and prints as a mask by itself.
 */
const secretNames = [
  'access_token',
  'accessToken',
  'apiKey',
  'authorization',
  'body',
  'client_secret',
  'clientSecret',
  'code_verifier',
  'connectionString',
  'cookie',
  'databaseUrl',
  'id_token',
  'idToken',
  'password',
  'refresh_token',
  'refreshToken',
  'request_token',
  'requestToken',
  'secret',
  'set-cookie',
  'token',
];

/** Three levels down: `x`, `*.x`, `*.*.x`. */
const redacted = secretNames.flatMap((name) =>
  ['', '*.', '*.*.'].map((prefix) => `${prefix}["${name}"]`.replace('.[', '[')),
);

/** JSON lines; on a terminal the same for people. Errors go under `err` (or `error`) and keep their chain of causes. */
export function createLogger(settings: LoggerSettings): Logger {
  const options = {
    level: settings.level,
    name: settings.name,
    redact: { paths: redacted, censor: '[secret]' },
    serializers: { err: serializeError, error: serializeError, cause: serializeError },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    ...(settings.fields && { mixin: settings.fields }),
  };
  return pino(options, settings.destination ?? standardOutput());
}

/** Words under the same names (a code, say) stay as they are. */
function serializeError(value: unknown): unknown {
  return value instanceof Error ? buildErrorFields(value) : value;
}

function standardOutput(): DestinationStream {
  // In the same thread, so that the last lines of a dying process are seen.
  if (process.stdout.isTTY) return pretty({ sync: true, ignore: 'pid,hostname' });
  return pino.destination({ dest: 1, sync: true });
}
