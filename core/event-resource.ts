/** A row of the audit trail as everybody outside sees it. */
import type { ConnectionState } from './connection.ts';
import { formatTime } from './connection-resource.ts';
import type { StoredEvent } from './stores.ts';

/** Times are RFC 3339 UTC. */
export interface EventResource {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly state_from: ConnectionState | null;
  readonly state_to: ConnectionState | null;
  readonly version: number;
  readonly concur_code: number | null;
  readonly correlation_id: string | null;
  readonly user_id: string | null;
}

export function buildEventResource(event: StoredEvent): EventResource {
  return {
    id: event.id,
    at: formatTime(event.atMs),
    type: event.type,
    actor: event.actor,
    reason: event.reason,
    state_from: event.stateFrom,
    state_to: event.stateTo,
    version: event.version,
    concur_code: event.concurCode,
    correlation_id: event.correlationId,
    user_id: event.userId,
  };
}
