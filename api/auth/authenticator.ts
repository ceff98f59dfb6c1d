/**
 * Who a bearer token is by. A token that was verified once is known by its SHA-256 for some minutes, so that the
 * read of an access token costs no signature check; what its client may do is looked up every time.
 */
import * as crypto from 'node:crypto';
import { decodeJwt, errors } from 'jose';
import { AppError, isAppError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { Authenticator, Caller } from '../deps.ts';
import { buildCaller, type Ceiling, type VerifiedToken } from './caller.ts';
import type { CallerLimits } from './caller-limits.ts';
import type { ClientDirectory } from './client-directory.ts';
import type { TokenIssuer } from './token-issuer.ts';

const CAPACITY = 10_000;
/** After that a signature is checked again: the key may have been withdrawn. */
const KNOWN_MS = 10 * 60_000;

interface KnownToken {
  readonly verified: VerifiedToken;
  /** On the monotonic clock. */
  readonly verifiedAtMs: number;
  /** What was made of it last, and under which ceiling: both stay the same for seconds, and reads come by the thousand. */
  built: { readonly ceiling: Ceiling; readonly caller: Caller } | null;
}

/** Its errors say what is wrong and quote nothing of the token. */
export function createAuthenticator(deps: {
  /** Asked in this order. */
  readonly issuers: readonly TokenIssuer[];
  readonly clients: ClientDirectory;
  readonly clock: Clock;
  readonly limits: CallerLimits;
}): Authenticator {
  const { issuers, clients, clock, limits } = deps;
  const known = new BoundedMap<string, KnownToken>(CAPACITY);

  function maybeKnown(digest: string): KnownToken | null {
    const before = known.get(digest);
    const holds =
      before !== undefined &&
      before.verified.expiresAtMs > clock.now() &&
      clock.monotonic() - before.verifiedAtMs < KNOWN_MS;
    return holds ? before : null;
  }

  async function verifyNew(token: string, digest: string): Promise<KnownToken> {
    const verified = await verifySignature(token);
    const now: KnownToken = { verified, verifiedAtMs: clock.monotonic(), built: null };
    known.set(digest, now);
    return now;
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

  async function findCaller(token: string, address: string): Promise<Caller> {
    const digest = digestOf(token);
    let entry = maybeKnown(digest);
    if (entry === null) {
      limits.assertMayTry(address);
      entry = await verifyNew(token, digest);
    }
    const { verified } = entry;
    const ceiling = verified.ceiling ?? (await clients.maybeOne(verified.clientId));
    if (ceiling === null) throw refused('Its client is unknown, expired or revoked.');
    return callerOf(entry, ceiling);
  }

  return {
    async authenticate(token, { address, cost }) {
      try {
        const caller = await findCaller(token, address);
        limits.countRequest(caller.clientId, cost);
        return caller;
      } catch (error) {
        if (isAppError(error, 'unauthenticated')) limits.countRefusal(address);
        throw error;
      }
    },
    maybeKnown(token, cost, admits) {
      const entry = maybeKnown(digestOf(token));
      if (entry === null) return null;
      const { verified } = entry;
      const ceiling = verified.ceiling ?? clients.maybeKnown(verified.clientId);
      if (ceiling === null) return null;
      const caller = callerOf(entry, ceiling);
      return admits(caller) && limits.tryRequest(caller.clientId, cost) ? caller : null;
    },
    refuse: (address) => limits.countRefusal(address),
  };
}

function callerOf(entry: KnownToken, ceiling: Ceiling): Caller {
  if (entry.built?.ceiling !== ceiling) entry.built = { ceiling, caller: buildCaller(entry.verified, ceiling) };
  return entry.built.caller;
}

/** In one call where Node has it (from 20.12): half the time. */
function digestOf(token: string): string {
  return typeof crypto.hash === 'function'
    ? crypto.hash('sha256', token, 'base64')
    : crypto.createHash('sha256').update(token).digest('base64');
}

function refused(why: string): AppError {
  return new AppError('unauthenticated', `The bearer token is not accepted. ${why}`);
}
