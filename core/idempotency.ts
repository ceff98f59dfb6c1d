/** Requests that their callers gave a name, so that the same again is done once and answered alike. */
import type { ErrorCode, ErrorDetails } from './errors.ts';

/** A key names one request of one client for one app. */
export interface IdempotencyKey {
  readonly app: string;
  readonly clientId: string;
  readonly key: string;
}

/** What was answered: a resource, or a problem that trying again does not change. No secrets. */
export type RecordedAnswer =
  | { readonly status: number; readonly location: string | null; readonly body: object }
  | { readonly problem: ErrorCode; readonly message: string; readonly details: ErrorDetails };

export interface IdempotencyStore {
  /**
   * Asks to be the one that works on a request. `sessionId`: the one of the first call with that key. A claim that was
   * neither finished nor released ends by itself at `claimedUntilMs`: its process may have died.
   */
  claim(
    claim: IdempotencyKey & {
      /** Keyed fingerprint of the request. */
      readonly fingerprint: string;
      readonly sessionId: string;
      readonly claimId: string;
      readonly nowMs: number;
      readonly claimedUntilMs: number;
      readonly expiresAtMs: number;
    },
  ): Promise<
    | { readonly outcome: 'claimed'; readonly sessionId: string }
    | { readonly outcome: 'answered'; readonly answer: RecordedAnswer }
    | { readonly outcome: 'running' }
    | { readonly outcome: 'other-request' }
  >;
  /** Keeps the answer, unless somebody else has taken over and answered. */
  finish(key: IdempotencyKey, claimId: string, answer: RecordedAnswer): Promise<void>;
  /** Nothing came of it: the next one may try. */
  release(key: IdempotencyKey, claimId: string): Promise<void>;
}
