import { TestWorkflowEnvironment } from '@temporalio/testing';
import { inject } from 'vitest';
import { searchAttributeTypes } from '../../dev/stack/temporal.ts';

/** The SDK waits five seconds for a server to be up, which a busy machine may exceed several times. */
const TRIES = 8;
/** `IndexedValueType` of Temporal's API. */
const indexedValueTypes = { Keyword: 2, Datetime: 6 } as const;

/**
 * A time-skipping server of its own, with our search attributes; the test calls `teardown()`. Time is global to such a
 * server, so it must not be shared by files that run side by side.
 */
export async function createTimeSkippingEnvironment(): Promise<TestWorkflowEnvironment> {
  const environment = await start();
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(
      Object.entries(searchAttributeTypes()).map(([name, type]) => [name, indexedValueTypes[type]]),
    ),
  });
  return environment;
}

async function start(): Promise<TestWorkflowEnvironment> {
  const server = { executable: { type: 'existing-path', path: inject('timeSkippingServer') } } as const;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server });
    } catch (error) {
      if (attempt === TRIES) throw error;
    }
  }
}
