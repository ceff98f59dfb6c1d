/**
 * Every column that holds a sealed value, with what its context is made of. The one list from which a rotation works: a
 * column that is missing here would keep its values under the old key. A test looks for sealed values in all of the
 * database and compares.
 */
import { sealContexts } from '../core/seal-contexts.ts';

export interface SealedColumn {
  readonly table: string;
  /** Primary key, one column of text. */
  readonly key: string;
  readonly column: string;
  /** Columns of the same row that name the place of the value, in the order of `contextOf`. */
  readonly place: readonly string[];
  readonly contextOf: (...place: string[]) => string;
}

export const sealedColumns: readonly SealedColumn[] = [
  {
    table: 'access_tokens',
    key: 'connection_id',
    column: 'sealed',
    place: ['connection_id', 'attempt_id'],
    contextOf: sealContexts.accessToken,
  },
  {
    table: 'connections',
    key: 'id',
    column: 'current_token',
    place: ['id', 'current_token_attempt'],
    contextOf: sealContexts.refreshToken,
  },
  {
    table: 'connections',
    key: 'id',
    column: 'previous_token',
    place: ['id', 'previous_token_attempt'],
    contextOf: sealContexts.refreshToken,
  },
  {
    table: 'refresh_attempts',
    key: 'id',
    column: 'candidate',
    place: ['connection_id', 'candidate_attempt'],
    contextOf: sealContexts.refreshToken,
  },
  {
    table: 'refresh_attempts',
    key: 'id',
    column: 'answer',
    place: ['connection_id', 'id'],
    contextOf: sealContexts.answer,
  },
  {
    table: 'connect_sessions',
    key: 'id',
    column: 'request_token',
    place: ['id'],
    contextOf: sealContexts.requestToken,
  },
  {
    table: 'connect_sessions',
    key: 'id',
    column: 'answer',
    place: ['id'],
    contextOf: sealContexts.unidentifiedAnswer,
  },
  {
    table: 'app_secrets',
    key: 'id',
    column: 'sealed',
    place: ['id'],
    contextOf: sealContexts.clientSecret,
  },
  {
    table: 'webhook_secrets',
    key: 'id',
    column: 'sealed',
    place: ['id'],
    contextOf: sealContexts.webhookSecret,
  },
  {
    table: 'issuer_keys',
    key: 'kid',
    column: 'sealed_private_jwk',
    place: ['kid'],
    contextOf: sealContexts.issuerKey,
  },
];
