/** The vocabulary of the reducer: what can become known about a connection, and the pieces every transition is made of. */
import type { Verdict } from './concur-codes.ts';
import type { Connection, ConnectionState, PrincipalType } from './connection.ts';
import { nextRefreshAtMs, type RefreshPolicy } from './refresh-policy.ts';
import type { AuditEntry } from './audit-entry.ts';

/** The token set's facts, without the tokens. */
export interface GrantFacts {
  readonly dataCentre: string;
  readonly geolocation: string;
  readonly scope: string;
  readonly missingScopes: readonly string[];
  /** How the access token is presented: `OAuth` is that of the flow of before 2017. */
  readonly tokenType: 'Bearer' | 'OAuth';
  readonly sentAtMs: number;
  readonly accessTokenExpiresAtMs: number;
  readonly refreshTokenExpiresAtMs: number;
}

/** Who the token belongs to, as far as Concur told. */
export interface IdentityFacts {
  readonly identity: 'proven' | 'asserted';
  readonly principalType: PrincipalType;
  readonly company: Connection['company'];
}

/** What else could still prove a "dead" verdict wrong. */
export type Remaining =
  /** Another refresh token on file that Concur has not refused. */
  | { readonly kind: 'untried-token' }
  /** An attempt whose outcome is unknown until then. */
  | { readonly kind: 'open-attempt'; readonly untilMs: number }
  /** Nothing. `held`: but too many die at once. */
  | { readonly kind: 'none'; readonly rotationLost: boolean; readonly held: boolean };

export type ConnectionEvent =
  | { readonly type: 'connect-accepted'; readonly customerRef: string | null; readonly userId: string | null }
  | {
      readonly type: 'exchange-succeeded';
      readonly facts: GrantFacts;
      readonly identity: IdentityFacts;
      readonly customerRef: string | null;
      readonly userId: string | null;
      readonly correlationId: string | null;
    }
  | {
      /** One try of an exchange brought nothing; `final` when no further try will follow. */
      readonly type: 'exchange-failed';
      readonly final: boolean;
      /** Another connect waits its turn: the connection goes on connecting for it. */
      readonly othersWait: boolean;
      /** False: the company is being maintained, which counts as no failure. Left out: it is one. */
      readonly isFailure?: boolean;
      readonly reason: string;
      readonly concurCode: number | null;
      readonly correlationId: string | null;
      readonly userId: string | null;
    }
  | { readonly type: 'refresh-succeeded'; readonly facts: GrantFacts; readonly correlationId: string | null }
  | {
      readonly type: 'refresh-failed';
      readonly verdict: Verdict;
      readonly remaining: Remaining;
      /** End of this attempt's own horizon while its outcome is unknown, else null. */
      readonly uncertainUntilMs: number | null;
      /** It speaks of the app's own credentials, and nobody else has been told so there yet. */
      readonly isFirstOfApp?: boolean;
      readonly correlationId: string | null;
    }
  | { readonly type: 'refresh-postponed' }
  | { readonly type: 'read' }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'app-restored' }
  | { readonly type: 'revive' }
  | { readonly type: 'revoke'; readonly nothingToRevoke: boolean }
  | { readonly type: 'revoke-confirmed'; readonly concurCode: number | null; readonly correlationId: string | null }
  | { readonly type: 'revoke-failed'; readonly verdict: Verdict; readonly correlationId: string | null };

export interface TransitionContext {
  readonly nowMs: number;
  readonly policy: RefreshPolicy;
  readonly workflowId: string;
  /** Who caused it, for the audit trail. */
  readonly actor: string;
  readonly reason: string | null;
  /** Of the request that asks for it, where no call to Concur has one. */
  readonly correlationId?: string | null;
}

export interface Transition {
  readonly connection: Connection;
  readonly events: readonly AuditEntry[];
}

export function enter(
  before: Connection,
  state: ConnectionState,
  reason: string | null,
  context: TransitionContext,
  also: Partial<Connection> = {},
): Connection {
  const stateSinceMs = state === before.state ? before.stateSinceMs : context.nowMs;
  return { ...before, ...also, state, reason, stateSinceMs };
}

export function schedule(connection: Connection, context: TransitionContext): Connection {
  const nextActionAtMs = nextRefreshAtMs(context.policy, connection, context.nowMs, context.workflowId);
  return { ...connection, nextActionAtMs };
}

export function withFacts(before: Connection, facts: GrantFacts): Connection {
  return {
    ...before,
    version: before.version + 1,
    dataCentre: facts.dataCentre,
    geolocation: facts.geolocation,
    scope: facts.scope,
    missingScopes: facts.missingScopes,
    accessTokenSentAtMs: facts.sentAtMs,
    accessTokenExpiresAtMs: facts.accessTokenExpiresAtMs,
    refreshTokenExpiresAtMs: facts.refreshTokenExpiresAtMs,
    expiryNoticeDays: null,
  };
}

export function resumeStateOf(connection: Connection): Connection['resumeState'] {
  const { state } = connection;
  return state === 'active' || state === 'retrying' || state === 'suspended'
    ? state
    : (connection.resumeState ?? 'active');
}

export function notBefore(atMs: number, floorMs: number | null): number {
  return floorMs === null ? atMs : Math.max(atMs, floorMs);
}

export function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

export function audit(
  before: Connection,
  after: Connection,
  context: TransitionContext,
  entry: Pick<AuditEntry, 'type'> & Partial<AuditEntry>,
): AuditEntry {
  const changed = before.state !== after.state;
  return {
    actor: context.actor,
    reason: context.reason ?? after.reason,
    stateFrom: changed ? before.state : null,
    stateTo: changed ? after.state : null,
    version: after.version,
    concurCode: null,
    correlationId: context.correlationId ?? null,
    userId: null,
    atMs: context.nowMs,
    ...entry,
  };
}
