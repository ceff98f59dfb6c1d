/**
 * Who a bearer token is by. A token that was verified once is known by its SHA-256 until it expires, so that the
 * read of an access token costs no signature check; what its client may do is looked up every time.
 */
import { createHash } from 'node:crypto';
import { decodeJwt, errors } from 'jose';
import { AppError, isAppError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { Authenticator } from '../deps.ts';
import { buildCaller, type VerifiedToken } from './caller.ts';
import type { ClientDirectory } from './client-directory.ts';
import type { TokenIssuer } from './token-issuer.ts';

const CAPACITY = 10_000;

/** Its errors say what is wrong and quote nothing of the token. */
export function createAuthenticator(deps: {
  /** Asked in this order. */
  readonly issuers: readonly TokenIssuer[];
  readonly clients: ClientDirectory;
  readonly clock: Clock;
}): Authenticator {
  const { issuers, clients, clock } = deps;
  const known = new BoundedMap<string, VerifiedToken>(CAPACITY);

  async function verifyOnce(token: string): Promise<VerifiedToken> {
    const digest = createHash('sha256').update(token).digest('base64');
    const before = known.get(digest);
    if (before !== undefined && before.expiresAtMs > clock.now()) return before;
    const verified = await verifySignature(token);
    known.set(digest, verified);
    return verified;
  }

  async function verifySignature(token: string): Promise<VerifiedToken> {
    try {
      const { iss } = decodeJwt(token);
      if (iss === undefined) throw refused('It has no issuer.');
      for (const issuer of issuers) if (await issuer.accepts(iss)) return await issuer.verify(token, iss);
      throw refused('Its issuer is not accepted here.');
    } catch (error) {
      if (isAppError(error)) throw error;
      if (error instanceof errors.JWTExpired) throw refused('It has expired.');
      if (error instanceof errors.JOSEError || error instanceof TypeError) {
        throw refused('It is malformed, not for us, or its signature is wrong.');
      }
      throw error;
    }
  }

  return {
    async authenticate(token) {
      const verified = await verifyOnce(token);
      const client = await clients.maybeOne(verified.clientId);
      if (client === null) throw refused('Its client is unknown, expired or revoked.');
      return buildCaller(verified, client);
    },
  };
}

function refused(why: string): AppError {
  return new AppError('unauthenticated', `The bearer token is not accepted. ${why}`);
}
