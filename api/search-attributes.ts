import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import type { ConnectionKey, ConnectionState } from '../core/connection.ts';
import { searchAttributes } from '../workflows/contract.ts';

const state = defineSearchAttributeKey(searchAttributes.state, SearchAttributeType.KEYWORD);
const app = defineSearchAttributeKey(searchAttributes.app, SearchAttributeType.KEYWORD);
const principal = defineSearchAttributeKey(searchAttributes.principal, SearchAttributeType.KEYWORD);

/**
 * What operators find a new connection by from its first moment on: its run has read nothing yet, and the first call
 * may stand in a queue for long.
 */
export function buildFirstAttributes(key: ConnectionKey): TypedSearchAttributes {
  const connecting: ConnectionState = 'connecting';
  return new TypedSearchAttributes([
    { key: state, value: connecting },
    { key: app, value: key.app },
    { key: principal, value: key.principal },
  ]);
}
