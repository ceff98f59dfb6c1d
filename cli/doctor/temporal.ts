import { Connection } from '@temporalio/client';
import { createDataCentres } from '../../concur/data-centres.ts';
import { isAppError } from '../../core/errors.ts';
import type { Config } from '../../runtime/settings.ts';
import { findTemporalTrouble } from '../../runtime/temporal-trouble.ts';
import { ensureSearchAttributes, searchAttributeList } from '../../worker/search-attributes.ts';
import { concurTaskQueue, lifecycleTaskQueue } from '../../workflows/contract.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const CONNECT_MS = 3_000;
const ANSWER_MS = 5_000;
/** `TaskQueueType` of Temporal's API. */
const WORKFLOW = 1;
const ACTIVITY = 2;

/** The server, its namespace, the search attributes that operators list by, and somebody who works on every queue. */
export async function checkTemporal(config: Config): Promise<readonly Finding[]> {
  const { address, namespace } = config.temporal;
  const trouble = await findTemporalTrouble(config.temporal);
  if (trouble !== null) return [fail('temporal', trouble.found, trouble.todo)];
  let connection: Connection;
  try {
    connection = await Connection.connect({ ...config.temporal.connection, address, connectTimeout: CONNECT_MS });
  } catch {
    return [fail('temporal', `the server at ${address} answers slowly`, 'Run this again, and look at its log.')];
  }
  try {
    return await connection.withDeadline(Date.now() + ANSWER_MS, async () => {
      const found = await checkNamespace(connection, namespace);
      // Without it there is nothing else to look at.
      if (found.status === 'fail') return [found];
      const attributes = await checkSearchAttributes(connection, namespace);
      return [found, attributes, ...(await checkQueues(connection, config))];
    });
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
    const listed = await ensureSearchAttributes(connection.operatorService, namespace, { register: false });
    return listed
      ? ok('search attributes', 'registered')
      : warn(
          'search attributes',
          'are not listed to us, as in Temporal Cloud',
          `See that there are: ${searchAttributeList}`,
        );
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
