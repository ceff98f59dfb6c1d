/**
 * The connection as everybody outside sees it: API, command line, webhooks and the workflow's `status` query
 * show this very shape.
 */
import type { Connection, ConnectionState, PrincipalType, Upkeep } from './connection.ts';

/** Times are RFC 3339 UTC. */
export interface ConnectionResource {
  readonly app: string;
  readonly principal_id: string;
  readonly principal_type: PrincipalType;
  readonly company: { readonly name: string; readonly domain: string | null } | null;
  readonly customer_ref: string | null;
  readonly state: ConnectionState;
  readonly state_since: string;
  readonly reason: string | null;
  readonly upkeep: Upkeep;
  readonly data_center: string | null;
  readonly geolocation: string | null;
  readonly scope: string | null;
  readonly version: number;
  readonly access_token_expires_at: string | null;
  readonly refresh_token_expires_at: string | null;
  readonly next_refresh_at: string | null;
  readonly last_refreshed_at: string | null;
  readonly last_read_at: string | null;
  readonly last_error: {
    readonly code: string;
    readonly concur_code: number | null;
    readonly at: string;
    readonly correlation_id: string | null;
  } | null;
  readonly connected_at: string | null;
  readonly workflow_id: string;
  readonly listing_url: string | null;
}

/** What the row itself does not say. */
export interface ResourceContext {
  readonly upkeep: Upkeep;
  readonly listingUrl: string | null;
  readonly workflowId: string;
}

/** Milliseconds since the epoch as RFC 3339 UTC; null stays null. */
export function formatTime(atMs: number): string;
export function formatTime(atMs: number | null): string | null;
export function formatTime(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

export function buildConnectionResource(connection: Connection, context: ResourceContext): ConnectionResource {
  const { lastError } = connection;
  return {
    app: connection.app,
    principal_id: connection.principal,
    principal_type: connection.principalType,
    company: connection.company,
    customer_ref: connection.customerRef,
    state: connection.state,
    state_since: formatTime(connection.stateSinceMs),
    reason: connection.reason,
    upkeep: context.upkeep,
    data_center: connection.dataCentre,
    geolocation: connection.geolocation,
    scope: connection.scope,
    version: connection.version,
    access_token_expires_at: formatTime(connection.accessTokenExpiresAtMs),
    refresh_token_expires_at: formatTime(connection.refreshTokenExpiresAtMs),
    next_refresh_at: formatTime(connection.nextActionAtMs),
    last_refreshed_at: formatTime(connection.lastRefreshedAtMs),
    last_read_at: formatTime(connection.lastReadAtMs),
    last_error: lastError && {
      code: lastError.code,
      concur_code: lastError.concurCode,
      at: formatTime(lastError.atMs),
      correlation_id: lastError.correlationId,
    },
    connected_at: formatTime(connection.connectedAtMs),
    workflow_id: context.workflowId,
    listing_url: context.listingUrl,
  };
}
