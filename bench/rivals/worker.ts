/** A worker for the rival workflows, with the same bounds as Evergrant's own. Says how many activities it has run. */
import { createRequire } from 'node:module';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { announceReady } from '../../runtime/ready.ts';
import { createEmptyActivities } from './empty-activities.ts';

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
let calls = 0;
const connection = await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS ?? '' });
const worker = await Worker.create({
  connection,
  taskQueue: 'rival',
  workflowsPath: createRequire(import.meta.url).resolve('./workflows.ts'),
  activities: createEmptyActivities(() => {
    calls += 1;
  }),
  maxConcurrentActivityTaskExecutions: 100,
  maxConcurrentWorkflowTaskExecutions: 40,
  maxCachedWorkflows: 500,
});
process.on('message', () => process.send?.({ calls }));
process.once('SIGTERM', () => worker.shutdown());
const running = worker.run();
announceReady(null);
await running;
await connection.close();
process.exit(0);
