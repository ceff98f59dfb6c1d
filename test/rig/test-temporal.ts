/** A namespace of its own, on the run's Temporal server, for a test file: its workflows meet nobody else's. */
import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { inject } from 'vitest';
import { ensureSearchAttributes } from '../../worker/search-attributes.ts';

export interface TestTemporal {
  readonly address: string;
  readonly namespace: string;
  readonly client: Client;
  /** Closes the client. The namespace goes with the server. */
  close(): Promise<void>;
}

const RETENTION = '1 day';
const READY_MS = 15_000;
const POLL_MS = 50;

export async function createTestTemporal(): Promise<TestTemporal> {
  const { address } = inject('temporal');
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const connection = await Connection.connect({ address });
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs(RETENTION),
  });
  await untilItWorks(() => ensureSearchAttributes(connection.operatorService, namespace, { register: true }));
  const client = new Client({ connection, namespace });
  await untilItWorks(() => client.workflow.count());
  return { address, namespace, client, close: () => connection.close() };
}

/** A server caches its namespaces and their search attributes for a moment. */
async function untilItWorks(work: () => Promise<unknown>): Promise<void> {
  const deadlineMs = Date.now() + READY_MS;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
