/** What connects without a landing page are made of: the port that routes and the command line know. */
import type { ErrorCode } from '../core/errors.ts';
import type { IntakeKind } from '../core/intake-kind.ts';
import type { Secret } from '../core/secret.ts';
import type { App } from '../core/stores.ts';

/** One connect, its secret in the clear for as long as it takes to seal it. */
export interface IntakeRequest {
  readonly app: App;
  readonly kind: IntakeKind;
  /** Lower-case UUID; null where only Concur's answer will tell (developer login, migration, legacy code). */
  readonly principal: string | null;
  /**
   * Request token; refresh token; legacy code; a login or a legacy grant as `core/intake-credential.ts` has them.
   */
  readonly credential: Secret;
  /** Name of the data centre to call; null: the kind's default (landing zone, us2). */
  readonly dataCentre: string | null;
  readonly customerRef: string | null;
  /** Import only: also where a connection lives. */
  readonly replace: boolean;
  readonly actor: string;
  /** Of the request, for the audit trail. */
  readonly correlationId?: string | null;
  /**
   * Id of the session to be opened; without it a new one. The same again, for whatever reason, joins that session and
   * gets its result: nothing is connected twice, and no conflict comes of a connection that this very session made.
   */
  readonly sessionId?: string;
}

export type IntakeResult =
  | { readonly outcome: 'connected'; readonly principal: string; readonly isNew: boolean }
  /** It takes longer than a caller waits; `principal` is null until Concur has told it. */
  | { readonly outcome: 'pending'; readonly principal: string | null; readonly sessionId: string }
  | { readonly outcome: 'failed'; readonly code: ErrorCode };

export interface Intake {
  /**
   * Settles within 20 s. Throws `conflict` for an import over a living connection without `replace`, and
   * `temporal-unavailable` or `database-unavailable`; without Temporal what was accepted is tried when it is back.
   */
  connect(request: IntakeRequest): Promise<IntakeResult>;
  /** What became of one that was pending; null: unknown, or another app's. */
  look(app: string, sessionId: string): Promise<IntakeResult | null>;
}
