/** A worker for the rival workflows, with the same bounds as Evergrant's own. Tells how many activities it has run. */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
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
const server = createServer((_request, response) => response.end(JSON.stringify({ calls })));
server.listen(0, '127.0.0.1', () => announceReady(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
process.once('SIGTERM', () => worker.shutdown());
await worker.run();
await connection.close();
process.exit(0);
