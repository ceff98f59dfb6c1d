/** The worker's way to Temporal: one connection, and the SDK's log lines in ours. */
import { NativeConnection, Runtime } from '@temporalio/worker';
import { AppError } from '../core/errors.ts';
import type { Log } from '../core/ports.ts';
import type { Config } from '../runtime/settings.ts';

/** Once per process, before anything else of the SDK is used. Signals are handled by our own shutdown. */
export function installRuntime(log: Log): void {
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, meta?: object) =>
    log[level]({ ...meta, part: 'temporal-sdk' }, message);
  Runtime.install({
    shutdownSignals: [],
    logger: {
      log: (level, message, meta) => log[levelOf(level)]({ ...meta, part: 'temporal-sdk' }, message),
      trace: write('debug'),
      debug: write('debug'),
      // The SDK tells of every worker's state at level info.
      info: write('debug'),
      warn: write('warn'),
      error: write('error'),
    },
  });
}

function levelOf(level: string): 'debug' | 'info' | 'warn' | 'error' {
  if (level === 'WARN') return 'warn';
  return level === 'ERROR' ? 'error' : 'debug';
}

/** @throws `temporal-unavailable`, with the address that was tried. */
export async function connectToTemporal({ temporal }: Config): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect({ ...temporal.connection, address: temporal.address });
  } catch (error) {
    throw new AppError(
      'temporal-unavailable',
      `No Temporal server answers at ${temporal.address}. Set TEMPORAL_ADDRESS to a running one.`,
      { cause: error, details: { address: temporal.address } },
    );
  }
}
