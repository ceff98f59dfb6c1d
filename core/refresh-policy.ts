/**
 * When to refresh. Pure: the same connection, clock and settings always give the same deadline.
 *
 * Concur's rules are "no new token while one is valid" and "use the refresh token within six months"; the
 * policy follows both at the lowest cost, and never lets a reader of a warm connection wait.
 */
import type { Verdict } from './concur-codes.ts';
import type { Connection, Upkeep } from './connection.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Settings of the policy, in milliseconds unless the name says otherwise; defaults as documented in the README. */
export interface RefreshPolicy {
  readonly accessTokenMarginMs: number;
  readonly refreshAheadMs: number;
  readonly warmWindowMs: number;
  readonly keepAliveEveryMs: number;
  /** Share of an interval by which a deadline is brought forward, 0 to 0.5. */
  readonly jitter: number;
  readonly retrySlowEveryMs: number;
  readonly suspendedRetryEveryMs: number;
  readonly appProbeEveryMs: number;
  /** Decides the outcome of a token call. */
  readonly concurTimeoutMs: number;
  /** More deaths than the larger of both, of an app's connections in a data centre within an hour, set the brake. */
  readonly massDeathLimit: { readonly count: number; readonly share: number };
}

export const defaultRefreshPolicy: RefreshPolicy = {
  accessTokenMarginMs: 2 * MINUTE,
  refreshAheadMs: 8 * MINUTE,
  warmWindowMs: 2 * HOUR,
  keepAliveEveryMs: 30 * DAY,
  jitter: 0.05,
  retrySlowEveryMs: 5 * MINUTE,
  suspendedRetryEveryMs: 6 * HOUR,
  appProbeEveryMs: MINUTE,
  concurTimeoutMs: 75 * SECOND,
  massDeathLimit: { count: 5, share: 0.01 },
};

/** No two due refreshes of one connection are closer than this, however short Concur says a token lives. */
export const LEAST_INTERVAL_MS = 5 * SECOND;

/** A refresh token whose end Concur does not name lives six months from the response. */
export const REFRESH_TOKEN_LIFE_MS = 180 * DAY;

/** A refresh token is never let closer to its end than this (or a third of its life, if it lives less than 90 days). */
const REFRESH_TOKEN_RESERVE_MS = 30 * DAY;
const SHORT_LIFE_MS = 90 * DAY;

/** Tries that follow each other in seconds before the slow ones. */
const FAST_TRIES_MS = [2 * SECOND, 5 * SECOND, 15 * SECOND, 45 * SECOND] as const;
const SLOW_GROWTH = [1, 2, 4, 8, 12] as const;

/** How long after its start an attempt may still bring an answer: 180 s for the default time-out of 75 s. */
export function horizonMs(policy: RefreshPolicy): number {
  return Math.round(policy.concurTimeoutMs * 2.4);
}

/** How long before expiry a warm token is refreshed; at most a third of its life. */
export function aheadMs(policy: RefreshPolicy, lifeMs: number): number {
  return Math.min(policy.refreshAheadMs, lifeMs / 3);
}

/**
 * The least life with which a token is handed out. Half of the time ahead at most, so that a warm connection's
 * refresh has the other half to finish before any reader would have to wait for it.
 */
export function marginMs(policy: RefreshPolicy, lifeMs: number): number {
  return Math.min(policy.accessTokenMarginMs, aheadMs(policy, lifeMs) / 2);
}

/** When the current access token was asked for, and when it ends. */
type TokenLife = Pick<Connection, 'accessTokenSentAtMs' | 'accessTokenExpiresAtMs'>;

/** Life of the current access token as Concur gave it; 0 when there is none. */
function accessTokenLifeMs(connection: TokenLife): number {
  const { accessTokenSentAtMs: sent, accessTokenExpiresAtMs: expires } = connection;
  return sent === null || expires === null ? 0 : Math.max(0, expires - sent);
}

/**
 * Whether the current access token may be handed out to somebody who needs it for at least `minTtlMs`. Nobody gets
 * more than two thirds of a token's life promised: asking for more than Concur gives must not refresh at every read.
 */
export function isFresh(policy: RefreshPolicy, connection: TokenLife, nowMs: number, minTtlMs = 0): boolean {
  const { accessTokenExpiresAtMs: expires } = connection;
  if (expires === null) return false;
  const life = accessTokenLifeMs(connection);
  return expires - nowMs >= Math.max(Math.min(minTtlMs, (life * 2) / 3), marginMs(policy, life));
}

export function upkeepOf(policy: RefreshPolicy, connection: Connection, nowMs: number): Upkeep {
  const { lastReadAtMs } = connection;
  return lastReadAtMs !== null && nowMs - lastReadAtMs < policy.warmWindowMs ? 'warm' : 'idle';
}

/** Deadline of the next refresh of a connection that is well. */
export function nextRefreshAtMs(
  policy: RefreshPolicy,
  connection: Connection,
  nowMs: number,
  workflowId: string,
): number {
  const keepAlive = keepAliveAtMs(policy, connection, workflowId);
  if (upkeepOf(policy, connection, nowMs) === 'idle') return keepAlive;
  return Math.min(warmAtMs(policy, connection, workflowId), keepAlive);
}

/** Deadline of a warm connection: expiry less ahead less jitter. */
export function warmAtMs(policy: RefreshPolicy, connection: Connection, workflowId: string): number {
  const { accessTokenSentAtMs: sent, accessTokenExpiresAtMs: expires } = connection;
  if (sent === null || expires === null) return 0;
  const life = expires - sent;
  const interval = life - aheadMs(policy, life);
  return Math.round(Math.max(sent + interval * (1 - policy.jitter * spread(workflowId)), sent + LEAST_INTERVAL_MS));
}

/** Deadline of an idle connection: the keep-alive, and never too close to the refresh token's end. */
export function keepAliveAtMs(policy: RefreshPolicy, connection: Connection, workflowId: string): number {
  const last = connection.accessTokenSentAtMs ?? connection.createdAtMs;
  const due = last + policy.keepAliveEveryMs * (1 - policy.jitter * spread(workflowId));
  return Math.round(Math.max(Math.min(due, latestAtMs(connection, last)), last + LEAST_INTERVAL_MS));
}

function latestAtMs(connection: Connection, lastMs: number): number {
  const { refreshTokenExpiresAtMs: end } = connection;
  if (end === null) return Number.POSITIVE_INFINITY;
  const life = end - lastMs;
  return end - (life < SHORT_LIFE_MS ? life / 3 : REFRESH_TOKEN_RESERVE_MS);
}

/**
 * Pause after the n-th failure in a row (n from 1): four fast tries, then slow ones that grow to twelve times
 * `RETRY_SLOW_EVERY`. Without fast tries after a time-out, a 503 or a maintenance, as Concur asks.
 */
export function retryPauseMs(policy: RefreshPolicy, failureCount: number, fast: boolean, workflowId: string): number {
  const index = Math.max(0, failureCount - 1);
  const quick = fast ? FAST_TRIES_MS[index] : undefined;
  if (quick !== undefined) return stretchMs(policy, quick, workflowId);
  const step = fast ? index - FAST_TRIES_MS.length : index;
  const growth = SLOW_GROWTH[Math.min(step, SLOW_GROWTH.length - 1)] ?? 1;
  return stretchMs(policy, policy.retrySlowEveryMs * growth, workflowId);
}

/**
 * How long nobody calls Concur for this connection, whoever asks: five minutes by its rule for a time-out, a 503 and a
 * maintenance, and longer where its own wish (`Retry-After`) says so. Null: no pause.
 */
export function servicePauseMs(policy: RefreshPolicy, { outcome, slow, pauseMs }: Verdict): number | null {
  const isServiceTrouble = outcome === 'transient' || outcome === 'uncertain' || outcome === 'maintenance';
  return slow && isServiceTrouble ? Math.max(policy.retrySlowEveryMs, pauseMs ?? 0) : pauseMs;
}

/**
 * A pause with the connection's own share of the jitter: longer, never shorter, as somebody asked for at least that
 * much. Connections that failed together do not come back together.
 */
export function stretchMs(policy: RefreshPolicy, pauseMs: number, workflowId: string): number {
  return Math.round(pauseMs * (1 + policy.jitter * spread(workflowId)));
}

/**
 * A number in [0, 1) that belongs to the workflow id for ever (FNV-1a): neither a mass connect nor a restart
 * makes a herd, and a replay finds the same deadline.
 */
export function spread(workflowId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < workflowId.length; i += 1) {
    hash = Math.imul(hash ^ workflowId.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash / 0x1_0000_0000;
}
