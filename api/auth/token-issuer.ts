import type { VerifiedToken } from './caller.ts';

/** Somebody whose bearer tokens are accepted. */
export interface TokenIssuer {
  /** Whether tokens with this `iss` are its own; the first issuer that says so is asked. */
  accepts(issuer: string): Promise<boolean> | boolean;
  /** Throws an error of `jose` or `unauthenticated` for a token that it did not sign, or not like this. */
  verify(token: string, issuer: string): Promise<VerifiedToken>;
}

/** Audience of every token that Evergrant accepts from its own issuer and from its clients. */
export const AUDIENCE = 'evergrant';

/** Seconds by which clocks may differ. */
export const CLOCK_TOLERANCE_SECONDS = 5;
