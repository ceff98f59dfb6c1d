/** How the client shows Evergrant who it is: with a token that it was given, or with ones that it signs itself. */
import { randomUUID } from 'node:crypto';
import { importJWK, type JWK, SignJWT } from 'jose';

/** `evergrant clients create --jwk FILE` has the public half of the key, and printed the client's id. */
export interface Signer {
  readonly clientId: string;
  /** The private key: Ed25519, P-256 or RSA. */
  readonly jwk: JWK;
  /** What to claim; the client's own ceiling counts anyway. All scopes by default. */
  readonly scopes?: readonly string[];
}

/** A function is asked for every request: it may read a file that somebody else renews. */
export type Auth = { readonly token: string | (() => string | Promise<string>) } | { readonly signer: Signer };

/** The bearer token to send now. `isRefused`: the last one was answered with 401. */
export type Bearer = (isRefused: boolean) => Promise<string>;

/** Evergrant takes no token of a client's own that lives longer. */
const LIFE_SECONDS = 300;
/** So much may this machine's clock be ahead of Evergrant's. */
const BACKDATED_SECONDS = 30;
const RENEWED_BEFORE_SECONDS = 60;

const allScopes = [
  'connections:read',
  'connections:write',
  'connections:refresh',
  'connections:connect',
  'tokens:read',
  'codes:write',
];

export function createBearer(auth: Auth, app: string): Bearer {
  if ('signer' in auth) return createSigningBearer(auth.signer, app);
  const { token } = auth;
  return async () => (typeof token === 'string' ? token : await token());
}

function createSigningBearer({ clientId, jwk, scopes = allScopes }: Signer, app: string): Bearer {
  let last: { readonly token: string; readonly renewAtSeconds: number } | null = null;
  return async (isRefused) => {
    const nowSeconds = Math.floor(Date.now() / 1_000);
    if (last !== null && !isRefused && nowSeconds < last.renewAtSeconds) return last.token;
    const alg = algorithmOf(jwk);
    const issuedAt = nowSeconds - BACKDATED_SECONDS;
    const token = await new SignJWT({ scope: scopes.join(' '), app })
      .setProtectedHeader({ alg, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience('evergrant')
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFE_SECONDS)
      .setJti(randomUUID())
      .sign(await importJWK(jwk, alg));
    last = { token, renewAtSeconds: issuedAt + LIFE_SECONDS - RENEWED_BEFORE_SECONDS };
    return token;
  };
}

function algorithmOf({ kty, crv, alg }: JWK): string {
  if (alg !== undefined) return alg;
  if (kty === 'OKP') return 'EdDSA';
  return kty === 'EC' && crv === 'P-256' ? 'ES256' : 'PS256';
}
