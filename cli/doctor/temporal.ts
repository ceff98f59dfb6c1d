import { Connection } from '@temporalio/client';
import { createDataCentres } from '../../concur/data-centres.ts';
import { isAppError } from '../../core/errors.ts';
import type { Config } from '../../runtime/settings.ts';
import { ensureSearchAttributes } from '../../worker/search-attributes.ts';
import { concurTaskQueue, lifecycleTaskQueue } from '../../workflows/contract.ts';
import { type Finding, fail, ok } from './finding.ts';

const CONNECT_MS = 3_000;
const ANSWER_MS = 5_000;
/** `TaskQueueType` of Temporal's API. */
const WORKFLOW = 1;
const ACTIVITY = 2;

/** The server, its namespace, the search attributes that operators list by, and somebody who works on every queue. */
export async function checkTemporal(config: Config): Promise<readonly Finding[]> {
  const { address, namespace } = config.temporal;
  let connection: Connection;
  try {
    connection = await Connection.connect({ ...config.temporal.connection, address, connectTimeout: CONNECT_MS });
  } catch {
    return [fail('temporal', `no server answers at ${address}`, 'Check TEMPORAL_ADDRESS, TLS and API key.')];
  }
  try {
    return await connection.withDeadline(Date.now() + ANSWER_MS, async () => [
      await checkNamespace(connection, namespace),
      await checkSearchAttributes(connection, namespace),
      ...(await checkQueues(connection, config)),
    ]);
  } finally {
    await connection.close();
  }
}

async function checkNamespace(connection: Connection, namespace: string): Promise<Finding> {
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    const days = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400;
    return ok('temporal', `namespace ${namespace}, closed runs are kept for ${days === 1 ? 'a day' : `${days} days`}`);
  } catch (error) {
    const found = error instanceof Error && 'details' in error ? String(error.details) : 'it does not answer';
    return fail(
      'temporal',
      `namespace ${namespace}: ${found}`,
      'Check TEMPORAL_NAMESPACE, and make it where it is missing.',
    );
  }
}

async function checkSearchAttributes(connection: Connection, namespace: string): Promise<Finding> {
  try {
    await ensureSearchAttributes(connection.operatorService, namespace, { register: false });
    return ok('search attributes', 'registered');
  } catch (error) {
    if (isAppError(error, 'configuration-invalid')) return fail('search attributes', 'missing', error.message);
    return fail('search attributes', 'could not be read', 'Check the rights of the API key or certificate.');
  }
}

async function checkQueues(connection: Connection, config: Config): Promise<readonly Finding[]> {
  const { namespace, taskQueue } = config.temporal;
  const dataCentres = createDataCentres(config.dataCentres, config.legacyBaseUris);
  const names = [...dataCentres.names(), ...dataCentres.legacyNames()];
  const queues = [
    { name: lifecycleTaskQueue(taskQueue), type: WORKFLOW },
    ...names.map((name) => ({ name: concurTaskQueue(taskQueue, name), type: ACTIVITY })),
  ];
  const idle: string[] = [];
  for (const { name, type } of queues) {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name },
      taskQueueType: type,
    });
    if ((pollers ?? []).length === 0) idle.push(name);
  }
  if (idle.length === 0) return [ok('workers', `poll all ${queues.length} task queues`)];
  const found = `nobody polls ${idle.join(', ')}`;
  return [fail('workers', found, 'Start a worker, or see in its log why it does not run: npm run worker')];
}
