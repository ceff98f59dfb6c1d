/** The worker's way to Temporal: one connection, and the SDK's log lines in ours. */
import { NativeConnection, Runtime, type RuntimeOptions } from '@temporalio/worker';
import type { Log } from '../core/ports.ts';
import type { Config } from '../runtime/settings.ts';
import { buildTemporalError, findTemporalTrouble } from '../runtime/temporal-trouble.ts';

/** The SDK warns of what is meant: the workers of the data centres make calls and run no workflows. */
const ACTIVITIES_ONLY = 'No workflows registered, not polling for workflow tasks';

/** Once per process, before anything else of the SDK is used. Signals are handled by our own shutdown. */
export function installRuntime(log: Log, telemetryOptions: NonNullable<RuntimeOptions['telemetryOptions']>): void {
  const write = (level: string, message: string, meta?: object): void =>
    log[message === ACTIVITIES_ONLY ? 'debug' : levelOf(level)]({ ...meta, part: 'temporal-sdk' }, message);
  const as = (level: string) => (message: string, meta?: object) => write(level, message, meta);
  Runtime.install({
    shutdownSignals: [],
    // Its native part would print lines of its own, in colours, between ours.
    telemetryOptions: { ...telemetryOptions, logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
    logger: {
      log: write,
      trace: as('TRACE'),
      debug: as('DEBUG'),
      info: as('INFO'),
      warn: as('WARN'),
      error: as('ERROR'),
    },
  });
}

/** The SDK tells of every worker's state at level info: nobody needs that. */
function levelOf(level: string): 'debug' | 'warn' | 'error' {
  if (level === 'WARN') return 'warn';
  return level === 'ERROR' ? 'error' : 'debug';
}

/** @throws `temporal-unavailable` when no server answers, `configuration-invalid` when it does not let us in. */
export async function connectToTemporal({ temporal }: Config): Promise<NativeConnection> {
  let connection: NativeConnection;
  try {
    connection = await NativeConnection.connect({ ...temporal.connection, address: temporal.address });
  } catch (error) {
    throw await buildTemporalError(temporal, error);
  }
  // To be connected says nothing of the namespace.
  const trouble = await findTemporalTrouble(temporal);
  if (trouble?.isRefusal !== true) return connection;
  await connection.close();
  throw await buildTemporalError(temporal, new Error(trouble.found));
}
