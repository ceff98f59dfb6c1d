/**
 * Whose grant it is, by Concur's own signature. Keys come from the data centre that gave the token, never from
 * the token's `iss`. OpenID Connect Core section 3.1.3.7, in so far as Concur's tokens allow.
 */
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Concur, DataCentre, TokenCallOptions } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import type { KeySets } from './key-sets.ts';

const CLOCK_TOLERANCE_SECONDS = 60;

export type IdTokenVerdict = Awaited<ReturnType<Concur['verifyIdToken']>>;

export interface IdTokenInput {
  readonly dataCentre: DataCentre;
  readonly idToken: Secret;
  readonly clientId: string;
  readonly atMs: number;
}

/** `why` of a verdict: stable words. */
const whyByCode: Readonly<Record<string, string>> = {
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'signature',
  ERR_JWT_EXPIRED: 'expired',
  ERR_JOSE_ALG_NOT_ALLOWED: 'algorithm',
  ERR_JWKS_NO_MATCHING_KEY: 'unknown-key',
  ERR_JWS_INVALID: 'not-a-jwt',
  ERR_JWT_INVALID: 'not-a-jwt',
};

export async function verifyIdToken(
  keySets: KeySets,
  input: IdTokenInput,
  options: TokenCallOptions,
): Promise<IdTokenVerdict> {
  const found = await keySets.get(input.dataCentre, options);
  if (found === null) return { verdict: 'unavailable', why: 'no-keys' };
  const { keySet, isNew } = found;
  const first = await judgeWith(keySet.getKey, input);
  if (isNew || first.verdict === 'valid' || first.why !== 'unknown-key') return first;
  // The data centre may have changed its key since we looked. Within the cool-down nobody can tell.
  const newer = await keySets.getNewer(input.dataCentre, keySet, options);
  return newer === null ? { verdict: 'unavailable', why: 'unknown-key' } : await judgeWith(newer.getKey, input);
}

async function judgeWith(getKey: JWTVerifyGetKey, input: IdTokenInput): Promise<IdTokenVerdict> {
  try {
    return processPayload(await verify(getKey, input));
  } catch (error) {
    // What is not an error of the library's own comes from a key that the platform can't use.
    if (!(error instanceof errors.JOSEError)) return { verdict: 'unavailable', why: 'unusable-keys' };
    return { verdict: 'invalid', why: whyOf(error) };
  }
}

async function verify(getKey: JWTVerifyGetKey, input: IdTokenInput): Promise<JWTPayload> {
  const options = {
    algorithms: ['RS256'],
    audience: input.clientId,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    currentDate: new Date(input.atMs),
    requiredClaims: ['exp', 'sub'],
  };
  const token = input.idToken.reveal();
  try {
    return (await jwtVerify(token, getKey, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // A token without a key id: any of the keys may be the one.
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (mismatch) {
        if (!(mismatch instanceof errors.JWSSignatureVerificationFailed)) throw mismatch;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

function processPayload(payload: JWTPayload): IdTokenVerdict {
  if (typeof payload.sub !== 'string' || payload.sub === '') return { verdict: 'invalid', why: 'claim-sub' };
  const type = payload['concur.type'];
  return {
    verdict: 'valid',
    subject: payload.sub.toLowerCase(),
    principalType: type === 'company' || type === 'user' ? type : null,
  };
}

function whyOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTClaimValidationFailed) return `claim-${error.claim}`;
  return whyByCode[error.code] ?? 'not-verifiable';
}
