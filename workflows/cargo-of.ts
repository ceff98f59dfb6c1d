import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import { type Cargo, maybeCargo } from '../core/lifeboat.ts';

/** What a lost activity sent with its last heartbeat, or a failed one with its failure. */
export function cargoOf(error: unknown): Cargo | null {
  if (!(error instanceof ActivityFailure)) return null;
  const { cause } = error;
  if (cause instanceof TimeoutFailure) return maybeCargo(cause.lastHeartbeatDetails);
  return cause instanceof ApplicationFailure ? maybeCargo(cause.details?.[1]) : null;
}
