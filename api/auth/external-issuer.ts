/** Tokens of an identity provider that the operator configured (`AUTH_ISSUERS`), within the ceilings set there. */
import { type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../../core/ports.ts';
import type { VerifiedToken } from './caller.ts';
import { malformed, parseClaims } from './claims.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { assertTimes, CLOCK_TOLERANCE_SECONDS, type TokenIssuer } from './token-issuer.ts';

/** A token that lives longer could not be taken back in time. */
const LONGEST_LIFE_SECONDS = 24 * 3_600;

/** What the operator says of an issuer. */
export interface ExternalIssuerSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Demanded `typ` header; null: any. */
  readonly typ: string | null;
  readonly scopeClaim: string;
  /** Ceilings: what a token claims beyond them it does not get. */
  readonly apps: readonly string[] | '*';
  readonly scopes: readonly string[];
}

export function createExternalIssuer(deps: {
  readonly settings: ExternalIssuerSettings;
  readonly keys: IssuerKeys;
  readonly clock: Pick<Clock, 'now'>;
}): TokenIssuer {
  const { settings, keys, clock } = deps;
  const { issuer, audience, algorithms, typ, scopeClaim, apps, scopes } = settings;
  return {
    accepts: (name) => name === issuer,
    async verify(token): Promise<VerifiedToken> {
      const { payload } = await jwtVerify(token, keys.find, {
        issuer,
        audience,
        algorithms: [...algorithms],
        ...(typ === null ? {} : { typ }),
        requiredClaims: ['exp', 'iat'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.now()),
      });
      assertTimes(payload, LONGEST_LIFE_SECONDS, clock.now());
      const claims = parseClaims({ ...payload, scope: payload[scopeClaim] }, clientOf(issuer, payload));
      return { ...claims, ceiling: { scopes, apps, principals: null } };
    },
  };
}

/**
 * Who asks, for the audit trail and the limits: the client that the token was given to (RFC 9068 section 2.2, `azp` where the
 * provider has no `client_id`), else its subject; with the issuer, so that it can't be taken for a client of ours.
 */
function clientOf(issuer: string, { client_id: clientId, azp, sub }: JWTPayload): string {
  const id = clientId ?? azp ?? sub;
  if (typeof id !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(id)) throw malformed('client_id');
  return `${issuer}#${id}`;
}
