/**
 * A connection: one app of the partner, one principal (company or user) at SAP Concur.
 *
 * Types only; how a connection changes is in `transitions.ts`, when it acts next in `refresh-policy.ts`.
 * All times are milliseconds since the epoch, UTC, unless the name says otherwise. Everything here is plain
 * JSON without secrets, so that it may cross into Temporal.
 */

/** The states of a connection; the last two end the workflow's run. */
export const connectionStates = [
  'connecting',
  'active',
  'retrying',
  'suspended',
  'blocked',
  'paused',
  'revoking',
  'reauthorization-required',
  'revoked',
  'connect-failed',
] as const;
export type ConnectionState = (typeof connectionStates)[number];

/** States in which the grant is (as far as anybody knows) alive and is looked after. */
const livingStates: ReadonlySet<ConnectionState> = new Set(['active', 'retrying', 'suspended', 'blocked', 'paused']);

/** Whether there is a grant that a reconnect must not hurt. */
export function isLiving(state: ConnectionState): boolean {
  return livingStates.has(state);
}

/** States from which nothing goes on by itself: the workflow's run ends. */
export function isEnded(state: ConnectionState): boolean {
  return state === 'revoked' || state === 'connect-failed';
}

export type PrincipalType = 'company' | 'user' | 'legacy-user';

/** What names a connection from outside: the app's name and the principal's UUID in lower case. */
export interface ConnectionKey {
  readonly app: string;
  readonly principal: string;
}

/** The last trouble, kept until the next success. */
export interface LastError {
  /** Stable reason, see `concur-codes.ts`; for instance `provider-unavailable`. */
  readonly code: string;
  readonly concurCode: number | null;
  readonly atMs: number;
  /** Concur's `concur-correlationid`: its support asks for it. */
  readonly correlationId: string | null;
}

/** Everything that is known about a connection but its secrets: the row in PostgreSQL. */
export interface Connection extends ConnectionKey {
  readonly id: string;
  readonly principalType: PrincipalType;
  readonly state: ConnectionState;
  readonly stateSinceMs: number;
  /** Why it is in this state: a stable word such as `rotation-lost` or `bad-refresh-token`. */
  readonly reason: string | null;
  /** Where `resume` and `appRestored` lead back to, while paused or blocked. */
  readonly resumeState: 'active' | 'retrying' | 'suspended' | null;
  /** Grows by one with each token set that was saved; 0 before the first. */
  readonly version: number;
  /** Key of the data centre in the configured table, such as `us2`. */
  readonly dataCentre: string | null;
  /** Base URI of every later call: a value of the configured table. */
  readonly geolocation: string | null;
  /** Space-separated, as Concur gave it. */
  readonly scope: string | null;
  readonly missingScopes: readonly string[];
  readonly company: { readonly name: string; readonly domain: string | null } | null;
  readonly customerRef: string | null;
  /** `proven` by id_token or profile; `asserted` when Concur gave neither. */
  readonly identity: 'proven' | 'asserted' | null;
  /** When the request that obtained the current access token was sent. */
  readonly accessTokenSentAtMs: number | null;
  readonly accessTokenExpiresAtMs: number | null;
  /** A forecast: Concur may end it earlier. */
  readonly refreshTokenExpiresAtMs: number | null;
  /** Last notice before that end: 60, 30 or 7 days; null: none yet for this refresh token. */
  readonly expiryNoticeDays: number | null;
  readonly connectedAtMs: number | null;
  readonly lastRefreshedAtMs: number | null;
  /** Routine rotations on the UTC day of `lastRefreshedAtMs`: the audit trail gets their number once a day. */
  readonly rotationsOnDay: number;
  readonly lastReadAtMs: number | null;
  /** When the workflow acts next (refresh, retry, keep-alive, revoke); null: it waits for somebody. */
  readonly nextActionAtMs: number | null;
  /** Concur asked not to be called before this. */
  readonly pausedUntilMs: number | null;
  /** Failures since the last success. */
  readonly failureCount: number;
  /** First of the kind of evidence that needs a second, later answer before it counts as death. */
  readonly suspectedSinceMs: number | null;
  readonly lastError: LastError | null;
  readonly createdAtMs: number;
}

/** What the workflow knows of its connection: the row, and the work that is pending in other tables. */
export interface ConnectionSnapshot {
  readonly connection: Connection;
  /** Completed landing pages whose exchange has not been settled, oldest first. */
  readonly pendingConnects: readonly PendingConnect[];
  /** End of the horizon of the attempt whose outcome is unknown; no call to Concur before it. */
  readonly openUntilMs: number | null;
  /** Whether it is kept fresh ahead of time, by its last read. */
  readonly upkeep: Upkeep;
  /** Where a customer connects again. */
  readonly listingUrl: string | null;
}

/** `warm`: refreshed ahead of expiry, because it is read; `idle`: kept alive only. */
export type Upkeep = 'warm' | 'idle';

/** `nextTryAtMs` of a connect whose answer is on file: it only has to be finished. */
export const ANSWERED = 0;

export interface PendingConnect {
  readonly sessionId: string;
  /** Exchanges tried so far. */
  readonly uses: number;
  readonly nextTryAtMs: number;
  /** Where it is brought; missing in what was recorded before that could differ: the landing zone. */
  readonly dataCentre?: string;
}
