import type { Grant, SealedToken } from '../core/aggregate.ts';
import type { Connection, ConnectionState, PrincipalType } from '../core/connection.ts';
import { type Columns, msOf, timeOf } from './columns.ts';

/** A row of `connections` without the grant, as `pg` reads it. */
export interface ConnectionRow {
  readonly id: string;
  readonly app: string;
  readonly principal: string;
  readonly principal_type: PrincipalType;
  readonly state: ConnectionState;
  readonly state_since: Date;
  readonly reason: string | null;
  readonly resume_state: Connection['resumeState'];
  readonly version: number;
  readonly data_centre: string | null;
  readonly geolocation: string | null;
  readonly scope: string | null;
  readonly missing_scopes: string[];
  readonly company_name: string | null;
  readonly company_domain: string | null;
  readonly customer_ref: string | null;
  readonly identity: Connection['identity'];
  readonly access_token_sent_at: Date | null;
  readonly access_token_expires_at: Date | null;
  readonly refresh_token_expires_at: Date | null;
  readonly expiry_notice_days: number | null;
  readonly connected_at: Date | null;
  readonly last_refreshed_at: Date | null;
  readonly rotations_on_day: number;
  readonly last_read_at: Date | null;
  readonly next_action_at: Date | null;
  readonly paused_until: Date | null;
  readonly failure_count: number;
  readonly suspected_since: Date | null;
  readonly last_error_code: string | null;
  readonly last_error_concur_code: number | null;
  readonly last_error_at: Date | null;
  readonly last_error_correlation_id: string | null;
  readonly created_at: Date;
}

/** The refresh tokens of a row of `connections`. */
export interface GrantRow {
  readonly current_token: string | null;
  readonly current_token_attempt: string | null;
  readonly current_token_refused: boolean | null;
  readonly previous_token: string | null;
  readonly previous_token_attempt: string | null;
  readonly previous_token_refused: boolean | null;
}

const connectionValues = {
  id: ({ id }) => id,
  app: ({ app }) => app,
  principal: ({ principal }) => principal,
  principal_type: ({ principalType }) => principalType,
  state: ({ state }) => state,
  state_since: ({ stateSinceMs }) => timeOf(stateSinceMs),
  reason: ({ reason }) => reason,
  resume_state: ({ resumeState }) => resumeState,
  version: ({ version }) => version,
  data_centre: ({ dataCentre }) => dataCentre,
  geolocation: ({ geolocation }) => geolocation,
  scope: ({ scope }) => scope,
  missing_scopes: ({ missingScopes }) => missingScopes,
  company_name: ({ company }) => company?.name ?? null,
  company_domain: ({ company }) => company?.domain ?? null,
  customer_ref: ({ customerRef }) => customerRef,
  identity: ({ identity }) => identity,
  access_token_sent_at: ({ accessTokenSentAtMs }) => timeOf(accessTokenSentAtMs),
  access_token_expires_at: ({ accessTokenExpiresAtMs }) => timeOf(accessTokenExpiresAtMs),
  refresh_token_expires_at: ({ refreshTokenExpiresAtMs }) => timeOf(refreshTokenExpiresAtMs),
  expiry_notice_days: ({ expiryNoticeDays }) => expiryNoticeDays,
  connected_at: ({ connectedAtMs }) => timeOf(connectedAtMs),
  last_refreshed_at: ({ lastRefreshedAtMs }) => timeOf(lastRefreshedAtMs),
  rotations_on_day: ({ rotationsOnDay }) => rotationsOnDay,
  last_read_at: ({ lastReadAtMs }) => timeOf(lastReadAtMs),
  next_action_at: ({ nextActionAtMs }) => timeOf(nextActionAtMs),
  paused_until: ({ pausedUntilMs }) => timeOf(pausedUntilMs),
  failure_count: ({ failureCount }) => failureCount,
  suspected_since: ({ suspectedSinceMs }) => timeOf(suspectedSinceMs),
  last_error_code: ({ lastError }) => lastError?.code ?? null,
  last_error_concur_code: ({ lastError }) => lastError?.concurCode ?? null,
  last_error_at: ({ lastError }) => timeOf(lastError?.atMs ?? null),
  last_error_correlation_id: ({ lastError }) => lastError?.correlationId ?? null,
  created_at: ({ createdAtMs }) => timeOf(createdAtMs),
} satisfies { [K in keyof ConnectionRow]: (connection: Connection) => unknown };

const grantValues = {
  current_token: ({ current }) => current?.sealed ?? null,
  current_token_attempt: ({ current }) => current?.attemptId ?? null,
  current_token_refused: ({ current }) => current?.refused ?? null,
  previous_token: ({ previous }) => previous?.sealed ?? null,
  previous_token_attempt: ({ previous }) => previous?.attemptId ?? null,
  previous_token_refused: ({ previous }) => previous?.refused ?? null,
} satisfies { [K in keyof GrantRow]: (grant: Grant) => unknown };

/** Every column of `connections` and how it is filled. */
export const connectionColumns: Columns<{ readonly connection: Connection; readonly grant: Grant }> = {
  ...mapSource(connectionValues, ({ connection }) => connection),
  ...mapSource(grantValues, ({ grant }) => grant),
};

function mapSource<T, S>(columns: Columns<S>, pick: (source: T) => S): Columns<T> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, valueOf]) => [name, (source: T) => valueOf(pick(source))]),
  );
}

/** What a reader without need for the refresh tokens selects, from `connections` as `c`. */
export const connectionSelection = Object.keys(connectionValues)
  .map((name) => `c.${name}`)
  .join(', ');

/** What a transaction selects besides: the refresh tokens on file. */
export const grantSelection = Object.keys(grantValues)
  .map((name) => `c.${name}`)
  .join(', ');

export function buildConnection(row: ConnectionRow): Connection {
  return {
    id: row.id,
    app: row.app,
    principal: row.principal,
    principalType: row.principal_type,
    state: row.state,
    stateSinceMs: msOf(row.state_since),
    reason: row.reason,
    resumeState: row.resume_state,
    version: row.version,
    dataCentre: row.data_centre,
    geolocation: row.geolocation,
    scope: row.scope,
    missingScopes: row.missing_scopes,
    company: row.company_name === null ? null : { name: row.company_name, domain: row.company_domain },
    customerRef: row.customer_ref,
    identity: row.identity,
    accessTokenSentAtMs: msOf(row.access_token_sent_at),
    accessTokenExpiresAtMs: msOf(row.access_token_expires_at),
    refreshTokenExpiresAtMs: msOf(row.refresh_token_expires_at),
    expiryNoticeDays: row.expiry_notice_days,
    connectedAtMs: msOf(row.connected_at),
    lastRefreshedAtMs: msOf(row.last_refreshed_at),
    rotationsOnDay: row.rotations_on_day,
    lastReadAtMs: msOf(row.last_read_at),
    nextActionAtMs: msOf(row.next_action_at),
    pausedUntilMs: msOf(row.paused_until),
    failureCount: row.failure_count,
    suspectedSinceMs: msOf(row.suspected_since),
    lastError:
      row.last_error_code === null || row.last_error_at === null
        ? null
        : {
            code: row.last_error_code,
            concurCode: row.last_error_concur_code,
            atMs: msOf(row.last_error_at),
            correlationId: row.last_error_correlation_id,
          },
    createdAtMs: msOf(row.created_at),
  };
}

export function buildGrant(row: GrantRow): Grant {
  return {
    current: buildSealedToken(row.current_token, row.current_token_attempt, row.current_token_refused),
    previous: buildSealedToken(row.previous_token, row.previous_token_attempt, row.previous_token_refused),
  };
}

/** A sealed token from its three columns, which are null together. */
export function buildSealedToken(
  sealed: string | null,
  attemptId: string | null,
  refused: boolean | null,
): SealedToken | null {
  return sealed === null || attemptId === null || refused === null ? null : { sealed, attemptId, refused };
}
