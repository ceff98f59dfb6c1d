import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { waitFor } from '../test/e2e/wait-for.ts';
import { ensureSearchAttributes } from '../worker/search-attributes.ts';

const RETENTION = '1 day';
const READY_MS = 15_000;

/** One more namespace on a running server, ready for the product, and a client of it. */
export async function openNamespace(address: string, namespace: string): Promise<Client> {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  const { workflowService, operatorService } = connection;
  await workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs(RETENTION) });
  // A server caches its namespaces and their search attributes for a moment.
  await waitFor(`the namespace ${namespace}`, READY_MS, async () => {
    try {
      await ensureSearchAttributes(operatorService, namespace, { register: true });
      await client.workflow.count("ConnectionState = 'active'");
      return true;
    } catch {
      return null;
    }
  });
  return client;
}
