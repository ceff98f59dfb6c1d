/** What is brought in several parts, as one secret text that can be sealed. */
import { Secret } from './secret.ts';

/** A user's own login. */
export interface Login {
  readonly username: string;
  readonly password: Secret;
}

/** A refresh token of the flow of before 2017, and the consumer key of the app it belongs to. */
export interface LegacyGrant {
  readonly legacyRefreshToken: Secret;
  readonly legacyClientId: string;
}

export function serializeLogin({ username, password }: Login): Secret {
  return new Secret(JSON.stringify({ username, password: password.reveal() }));
}

/** The inverse of {@link serializeLogin}; the text comes out of the vault and is trusted. */
export function parseLogin(serialized: Secret): Login {
  const { username, password } = JSON.parse(serialized.reveal());
  return { username, password: new Secret(password) };
}

export function serializeLegacyGrant({ legacyRefreshToken, legacyClientId }: LegacyGrant): Secret {
  return new Secret(JSON.stringify({ refreshToken: legacyRefreshToken.reveal(), legacyClientId }));
}

/** The inverse of {@link serializeLegacyGrant}; the text comes out of the vault and is trusted. */
export function parseLegacyGrant(serialized: Secret): LegacyGrant {
  const { refreshToken, legacyClientId } = JSON.parse(serialized.reveal());
  return { legacyRefreshToken: new Secret(refreshToken), legacyClientId };
}
