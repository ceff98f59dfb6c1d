/**
 * The time that one call may take, however many requests it is made of.
 *
 * Guarantees: nothing is sent when less than a third of it is left, or Concur might carry it out after everybody has
 * given up on it.
 */
import type { Clock } from '../core/ports.ts';
import { TransportError } from './transport-error.ts';

/** Of the horizon, what has to be left when a request is sent: a minute of the default three, as Concur may take that. */
const LEAST_SHARE_LEFT = 1 / 3;

export interface Horizon {
  leftMs(): number;
  isTooLate(): boolean;
  /**
   * The last moment at which a request can be held back: it may have waited for a socket, or the process was frozen.
   *
   * @throws `TransportError`, nothing sent.
   */
  assertInTime(): void;
}

export function createHorizon(clock: Pick<Clock, 'monotonic'>, horizonMs: number): Horizon {
  const started = clock.monotonic();
  const leftMs = (): number => horizonMs - (clock.monotonic() - started);
  const isTooLate = (): boolean => leftMs() < horizonMs * LEAST_SHARE_LEFT;
  return {
    leftMs,
    isTooLate,
    assertInTime() {
      if (isTooLate())
        throw new TransportError('timeout', false, 'Too little of the horizon is left to send anything.');
    },
  };
}
