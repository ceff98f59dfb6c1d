/** Temporal's SDK tells of every worker's state; a suite wants to hear of trouble alone. Once per process. */
import { DefaultLogger, Runtime } from '@temporalio/worker';

let isInstalled = false;

export function quietTemporal(): void {
  if (isInstalled) return;
  isInstalled = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
  });
}
