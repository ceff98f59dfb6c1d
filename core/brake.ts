/**
 * The brake: connections don't die in a crowd. When more of an app's connections in one data centre reach terminal
 * evidence within an hour than customers press Disconnect, something else is wrong (a restored backup, an incident at
 * Concur), and the rest are held as `suspended` until an operator has looked and released the app.
 */
import type { Aggregate, Changes } from './aggregate.ts';
import { type Connection, isLiving } from './connection.ts';
import type { Crowd } from './crowd.ts';
import type { RefreshPolicy } from './refresh-policy.ts';

/** Terminal evidence of this last while makes a crowd. */
export const CROWD_WINDOW_MS = 60 * 60 * 1_000;

/** Reason of a connection that the brake keeps from being called dead. */
export const HELD_BY_BRAKE = 'held-by-brake';

/** Whether a brake on file is on: it was never released, or has tripped since. */
export function isBrakeOn(brake: { readonly trippedAtMs: number; readonly releasedAtMs: number | null }): boolean {
  return brake.releasedAtMs === null || brake.releasedAtMs < brake.trippedAtMs;
}

/** What becomes of a connection about which there is nothing but terminal evidence. */
export interface Death {
  /** It must not be called dead, whatever Concur says about it. */
  readonly held: boolean;
  readonly changes: Pick<Changes, 'terminalEvidence'>;
}

/** `crowd-needed`: nothing can be said without the others in sight. */
export function decideDeath(
  { crowd }: Aggregate,
  connection: Connection,
  { policy, nowMs }: { readonly policy: RefreshPolicy; readonly nowMs: number },
): Death | 'crowd-needed' {
  // A revoke wants this end, and what has ended can't die.
  if (!isLiving(connection.state)) return { held: false, changes: {} };
  if (crowd === undefined) return 'crowd-needed';
  if (wasReleased(connection, crowd)) return { held: false, changes: {} };
  const tripsBrake = !crowd.isBrakeOn && isTooMany(policy, crowd);
  const dataCentre = connection.dataCentre ?? '';
  return {
    held: crowd.isBrakeOn || tripsBrake,
    changes: { terminalEvidence: { dataCentre, atMs: nowMs, tripsBrake } },
  };
}

/** More than the larger of count and share: this death is one too many. */
function isTooMany({ massDeathLimit: { count, share } }: RefreshPolicy, crowd: Crowd): boolean {
  return crowd.recentDeaths + 1 > Math.max(count, share * crowd.connections);
}

/** The evidence was held and somebody has looked since: it counts now. */
function wasReleased({ lastRefreshedAtMs, connectedAtMs }: Connection, crowd: Crowd): boolean {
  const { releasedAtMs, ownEvidenceAtMs } = crowd;
  if (releasedAtMs === null || ownEvidenceAtMs === null || ownEvidenceAtMs > releasedAtMs) return false;
  return ownEvidenceAtMs > Math.max(lastRefreshedAtMs ?? 0, connectedAtMs ?? 0);
}
