/**
 * The grant of the flow of before 2017 as one opaque secret. A refresh needs the one-year token, still alive, and a
 * refresh value; where Concur returned no `Refresh_Token` the token itself is sent as that value.
 */
import { AppError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';

export interface LegacyGrant {
  /** Sent as `Authorization: OAuth …`. */
  readonly token: Secret;
  /** Null: Concur returned none. */
  readonly refreshToken: Secret | null;
}

/** Tells such a grant from a refresh token of OAuth2. */
const PREFIX = 'legacy1';

/** Visible ASCII without characters that need escaping anywhere. */
export function packLegacyGrant({ token, refreshToken }: LegacyGrant): Secret {
  return new Secret([PREFIX, encode(token), refreshToken === null ? '' : encode(refreshToken)].join('.'));
}

/** @throws `internal` for what {@link packLegacyGrant} did not make: only a defect can lead there. */
export function unpackLegacyGrant(grant: Secret): LegacyGrant {
  const [prefix, token = '', refreshToken, ...rest] = grant.reveal().split('.');
  if (prefix !== PREFIX || token === '' || refreshToken === undefined || rest.length > 0) {
    throw new AppError('internal', 'A refresh token that is no legacy grant was about to be used as one.');
  }
  return { token: decode(token), refreshToken: refreshToken === '' ? null : decode(refreshToken) };
}

function encode(secret: Secret): string {
  return Buffer.from(secret.reveal(), 'utf8').toString('base64url');
}

function decode(text: string): Secret {
  return new Secret(Buffer.from(text, 'base64url').toString('utf8'));
}
