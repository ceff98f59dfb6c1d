/**
 * The public keys of a configured issuer, found by OpenID Connect Discovery where no address was given.
 *
 * Guarantees: keys are fetched again when they are ten minutes old; an unknown `kid` brings one fetch, and the next one
 * not before half a minute later; concurrent callers share a fetch; after one that failed nobody asks again for some
 * seconds. While the issuer is away, keys of at most an hour go on to count: a rotation can't reach us then either.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { AppError } from '../../core/errors.ts';
import type { Clock, Log } from '../../core/ports.ts';
import type { IssuerHttp } from './issuer-http.ts';

/** Age from which keys are fetched again. */
const FRESH_MS = 10 * 60_000;
/** Age beyond which keys don't count any more, whether there are newer ones or not. */
const USABLE_MS = 60 * 60_000;
/** Between two fetches that nothing but an unknown `kid` has caused: anybody can make one up. */
const UNKNOWN_KID_PAUSE_MS = 30_000;
/** After a fetch that failed. */
const FAILURE_PAUSE_MS = 5_000;

export interface IssuerKeys {
  /**
   * Finds the key that a token names. Throws `JWKSNoMatchingKey` for one that the issuer does not have, and
   * `provider-unavailable` while its keys can't be had.
   */
  readonly find: JWTVerifyGetKey;
}

interface Known {
  readonly find: JWTVerifyGetKey;
  /** On the monotonic clock. */
  readonly fetchedAtMs: number;
}

export function createIssuerKeys(deps: {
  readonly issuer: string;
  /** Null: asked of the issuer. */
  readonly jwksUri: string | null;
  readonly http: Pick<IssuerHttp, 'getObject'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Pick<Log, 'warn'>;
}): IssuerKeys {
  const { issuer, jwksUri, http, clock, log } = deps;
  let known: Known | null = null;
  let failedAtMs = Number.NEGATIVE_INFINITY;
  let running: Promise<Known> | null = null;

  async function fetchKeys(): Promise<Known> {
    const fetchedAtMs = clock.monotonic();
    try {
      const set = await http.getObject(jwksUri ?? (await discover(issuer, http)));
      // Refuses what is no key set.
      known = { find: createLocalJWKSet(set as unknown as JSONWebKeySet), fetchedAtMs };
      return known;
    } catch (error) {
      failedAtMs = clock.monotonic();
      log.warn({ err: error, issuer }, 'the keys of a token issuer could not be fetched');
      throw error;
    }
  }

  /** The keys as they are now; the last known ones, or null, when they can't be had. */
  async function refetch(): Promise<Known | null> {
    if (running === null && isAway()) return known;
    running ??= fetchKeys().finally(() => {
      running = null;
    });
    return await running.catch(() => known);
  }

  async function current(): Promise<Known> {
    const fresh = known !== null && ageOf(known) < FRESH_MS ? known : await refetch();
    if (fresh !== null && ageOf(fresh) < USABLE_MS) return fresh;
    throw away();
  }

  function away(): AppError {
    const message = 'The issuer of the bearer token cannot be asked for its keys.';
    return new AppError('provider-unavailable', message, { retryAfterMs: FAILURE_PAUSE_MS });
  }

  const isAway = (): boolean => clock.monotonic() - failedAtMs < FAILURE_PAUSE_MS;
  const ageOf = ({ fetchedAtMs }: Known): number => clock.monotonic() - fetchedAtMs;

  return {
    async find(header, token) {
      const keys = await current();
      try {
        return await keys.find(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        // Somebody else's fetch may have brought newer ones meanwhile.
        const newer = running !== null || ageOf(keys) >= UNKNOWN_KID_PAUSE_MS ? await refetch() : known;
        // It may well be a new key, of an issuer that can't say so at the moment.
        if (newer === keys && isAway()) throw away();
        if (newer === null || newer === keys) throw error;
        return await newer.find(header, token);
      }
    },
  };
}

/** Where the keys lie: OpenID Connect Discovery 1.0 section 4. What is found there must be this issuer's own. */
async function discover(issuer: string, http: Pick<IssuerHttp, 'getObject'>): Promise<string> {
  const { issuer: named, jwks_uri: found } = await http.getObject(
    `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
  );
  if (named !== issuer) throw new Error('The discovery document is of another issuer.');
  if (typeof found !== 'string' || !URL.canParse(found)) throw new Error('The discovery document names no jwks_uri.');
  // Plain http is for an issuer that is plain itself, on loopback in development: then its keys lie beside it.
  const url = new URL(found);
  const isPlain = url.protocol === 'http:' && url.origin === new URL(issuer).origin;
  if (url.protocol !== 'https:' && !isPlain) throw new Error('The keys of the issuer lie at no https address.');
  return url.href;
}
