/**
 * The built-in issuer of bearer tokens for partner services, for installations without an identity provider.
 * Its tokens are JWTs as RFC 9068 has them, signed with Ed25519; the private key leaves the database sealed only.
 */
import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { AppError } from '../core/errors.ts';
import type { Clock, Vault } from '../core/ports.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import { Secret } from '../core/secret.ts';
import type { IssuerKeyStore } from '../core/stores.ts';

/** Audience of every token of the built-in issuer. */
const LOCAL_AUDIENCE = 'evergrant';
/** `typ` of its tokens' header (RFC 9068 section 2.1). */
const LOCAL_TOKEN_TYPE = 'at+jwt';

const DAY_MS = 86_400_000;
export const DEFAULT_TOKEN_TTL_MS = 30 * DAY_MS;
export const LONGEST_TOKEN_TTL_MS = 90 * DAY_MS;

const ALGORITHM = 'EdDSA';

export interface MintInput {
  /** `iss`: the installation's public URL. */
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly apps: readonly string[] | '*';
  /** Null: every principal of the apps. */
  readonly principals: readonly string[] | null;
  /** Milliseconds; {@link DEFAULT_TOKEN_TTL_MS} unless told otherwise. */
  readonly ttlMs?: number;
}

export interface LocalIssuer {
  /** Throws `bad-request` for a life of less than a second or more than {@link LONGEST_TOKEN_TTL_MS}. */
  mint(input: MintInput): Promise<{ readonly token: Secret; readonly expiresAtMs: number }>;
  /** The public keys, as `/.well-known/jwks.json` shows them; makes the first if there is none. */
  jwks(): Promise<{ readonly keys: readonly JWK[] }>;
}

export function createLocalIssuer({
  keys,
  vault,
  clock,
}: {
  readonly keys: IssuerKeyStore;
  readonly vault: Vault;
  readonly clock: Clock;
}): LocalIssuer {
  const stored = async () => {
    const found = await keys.many();
    if (found.length > 0) return found;
    await keys.add(await makeKey(vault));
    // Another process may have been first: what counts is what is on file.
    return keys.many();
  };

  return {
    async mint({ issuer, clientId, scopes, apps, principals, ttlMs = DEFAULT_TOKEN_TTL_MS }) {
      assertTtl(ttlMs);
      const newest = (await stored()).at(-1);
      if (newest === undefined) throw new AppError('internal', 'The built-in issuer has no key');
      const sealed = await vault.open(newest.sealedPrivateJwk, sealContexts.issuerKey(newest.kid));
      const key = await importJWK(JSON.parse(sealed.reveal()), ALGORITHM);
      const issuedAt = Math.floor(clock.now() / 1000);
      const expiresAt = issuedAt + Math.floor(ttlMs / 1000);
      const claims = {
        client_id: clientId,
        scope: scopes.join(' '),
        app: apps,
        ...(principals && { principal: principals }),
      };
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: ALGORITHM, typ: LOCAL_TOKEN_TYPE, kid: newest.kid })
        .setIssuer(issuer)
        .setAudience(LOCAL_AUDIENCE)
        .setSubject(clientId)
        .setJti(randomUUID())
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(key);
      return { token: new Secret(token), expiresAtMs: expiresAt * 1000 };
    },

    async jwks() {
      return { keys: (await stored()).map(({ publicJwk }) => ({ ...publicJwk })) };
    },
  };
}

async function makeKey(vault: Vault): Promise<Parameters<IssuerKeyStore['add']>[0]> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const privateJwk = new Secret(JSON.stringify(await exportJWK(privateKey)));
  return {
    kid,
    publicJwk: { ...publicJwk, kid, alg: ALGORITHM, use: 'sig' },
    sealedPrivateJwk: await vault.seal(privateJwk, sealContexts.issuerKey(kid)),
  };
}

function assertTtl(ttlMs: number): void {
  if (!(ttlMs >= 1_000 && ttlMs <= LONGEST_TOKEN_TTL_MS)) {
    throw new AppError('bad-request', 'ttl: from one second to 90 days');
  }
}
