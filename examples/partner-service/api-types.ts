/**
 * What crosses the wire between a partner's service and Evergrant. Written by hand to be read; a test of Evergrant holds
 * every type here against the schemas that its API validates with and documents itself from.
 */

/** A stable name of what went wrong: `code` of every problem answer (RFC 9457). */
export type ProblemCode =
  | 'bad-request'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'method-not-allowed'
  | 'not-acceptable'
  | 'conflict'
  | 'connection-pending'
  | 'reauthorization-required'
  | 'connection-revoked'
  | 'connection-suspended'
  | 'connection-paused'
  | 'request-token-rejected'
  | 'identity-mismatch'
  | 'connect-failed'
  | 'session-expired'
  | 'payload-too-large'
  | 'unsupported-media-type'
  | 'verification-code-rejected'
  | 'rate-limited'
  | 'internal'
  | 'app-blocked'
  | 'provider-unavailable'
  | 'temporal-unavailable'
  | 'database-unavailable';

/** Body of every answer that is no success. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly request_id: string;
  /** Names of the fields that are wrong. */
  readonly fields?: readonly string[] | undefined;
  /** Of the connection, where it is the reason. */
  readonly state?: string | undefined;
  /** Where the customer connects again. */
  readonly listing_url?: string | undefined;
}

/** An access token that works, for calls to `geolocation` and nowhere else. */
export interface AccessToken {
  readonly access_token: string;
  /** `OAuth` for connections of the legacy flow. */
  readonly token_type: 'Bearer' | 'OAuth';
  /** RFC 3339. */
  readonly expires_at: string;
  /** Seconds left when the answer was made. */
  readonly expires_in: number;
  /** Base URI of every call with this token. */
  readonly geolocation: string;
  readonly scope: string;
  /** Grows with every refresh; a rejected token is reported by it. */
  readonly version: number;
}

export type ConnectionState =
  | 'connecting'
  | 'active'
  | 'retrying'
  | 'suspended'
  | 'blocked'
  | 'paused'
  | 'revoking'
  | 'reauthorization-required'
  | 'revoked'
  | 'connect-failed';

/** One customer's connection. Times are RFC 3339. */
export interface Connection {
  readonly app: string;
  readonly principal_id: string;
  readonly principal_type: 'company' | 'user' | 'legacy-user';
  readonly company: { readonly name: string; readonly domain: string | null } | null;
  readonly customer_ref: string | null;
  readonly state: ConnectionState;
  readonly state_since: string;
  readonly reason: string | null;
  readonly upkeep: 'warm' | 'idle';
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

export interface ConnectionPage {
  readonly items: readonly Connection[];
  readonly next_cursor: string | null;
}

/** Which connections a list holds; without a filter, all of the app. */
export interface ConnectionFilter {
  readonly state?: ConnectionState | undefined;
  readonly data_center?: string | undefined;
  readonly customer_ref?: string | undefined;
}

/** `ttl` is a duration such as `24h` or `7d` (the default; at most `30d`). */
export interface VerificationCodeRequest {
  readonly label?: string | undefined;
  readonly customer_ref?: string | undefined;
  /** Company that alone may use the code. */
  readonly principal_id?: string | undefined;
  readonly ttl?: string | undefined;
}

/** Shown once: Evergrant keeps a fingerprint alone. */
export interface VerificationCode {
  readonly code: string;
  readonly expires_at: string;
}

/** Where to send the browser that signed in; works once, for two minutes. */
export interface SignInReturn {
  readonly return_url: string;
}
