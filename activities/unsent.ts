/** Calls that we ourselves did not make. */
import { SEND_BUDGET_MS } from '../core/attempts.ts';
import type { Verdict } from '../core/concur-codes.ts';
import type { Clock, ConcurResult, DataCentre } from '../core/ports.ts';

/** A verdict of our own: the request never left. */
export function unsent(reason: 'vault-failed' | 'data-centre-unknown' | 'frozen-before-sending'): Verdict {
  return {
    outcome: 'transient',
    scope: 'service',
    reason,
    pauseMs: null,
    slow: false,
    confirmAfterMs: null,
    alarm: true,
    mayHaveRotated: false,
    concurCode: null,
  };
}

/** There is no client secret on file to ask with: the app's trouble, as if Concur had refused one. */
export const noClientSecret: Verdict = {
  outcome: 'app-blocked',
  scope: 'app',
  reason: 'client-secret-missing',
  pauseMs: null,
  slow: true,
  confirmAfterMs: null,
  alarm: true,
  mayHaveRotated: false,
  concurCode: null,
};

/** As if the network had not let the request out: its time for sending was over. */
export function notSent(dataCentre: DataCentre, nowMs: number): ConcurResult<never> {
  return {
    ok: false,
    failure: { kind: 'transport', transport: 'other', sent: false },
    sentAtMs: nowMs,
    endedAtMs: nowMs,
    correlationId: null,
    dataCentre,
  };
}

/**
 * Whether the process was frozen since `begunAt` (monotonic) for so long that others may count on its call having been
 * made: it must not be made any more.
 */
export function isTooLate(clock: Clock, begunAt: number): boolean {
  return clock.monotonic() - begunAt > SEND_BUDGET_MS;
}
