import type { JWTPayload } from 'jose';
import type { VerifiedToken } from './caller.ts';
import { malformed } from './claims.ts';

/** Somebody whose bearer tokens are accepted. */
export interface TokenIssuer {
  /** Whether tokens with this `iss` are its own; the first issuer that says so is asked. */
  accepts(issuer: string): Promise<boolean> | boolean;
  /**
   * Throws an error of `jose` or `unauthenticated` for a token that it did not sign, or not like this, and
   * `provider-unavailable` when nobody can tell.
   */
  verify(token: string, issuer: string): Promise<VerifiedToken>;
}

/** Audience of every token that Evergrant accepts from its own issuer and from its clients. */
export const AUDIENCE = 'evergrant';

/** Seconds by which clocks may differ. */
export const CLOCK_TOLERANCE_SECONDS = 5;

/** Refuses a token that was made in the future, or for a longer life than it may have. `exp` and `iat` are there. */
export function assertTimes({ exp = 0, iat = 0 }: JWTPayload, longestLifeSeconds: number, nowMs: number): void {
  const isEarly = iat > nowMs / 1_000 + CLOCK_TOLERANCE_SECONDS;
  if (isEarly || exp - iat > longestLifeSeconds) throw malformed('iat or exp');
}
