/** An OpenID provider on loopback, with real keys and real HTTP, that a test can let go wrong in every way. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export type IdentityProvider = Awaited<ReturnType<typeof startIdentityProvider>>;

interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

type Answer = (response: ServerResponse) => void;

export async function startIdentityProvider() {
  const requests: string[] = [];
  const keys: SigningKey[] = [];
  /** By path; instead of what a sound provider says. */
  const faults = new Map<string, Answer>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(path);
    const fault = faults.get(path);
    if (fault !== undefined) return fault(response);
    if (path === '/.well-known/openid-configuration') return json(response, { issuer, jwks_uri: `${issuer}/keys` });
    if (path === '/keys') return json(response, { keys: keys.map(({ jwk }) => jwk) });
    response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const provider = {
    issuer,
    requests,
    faults,
    json,

    /** Makes a key with which tokens are signed from now on. */
    async addKey(alg: 'RS256' | 'PS256' | 'ES256' | 'EdDSA' | 'RS512' = 'ES256', kid = `${alg}-${keys.length}`) {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      const key = { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
      keys.unshift(key);
      return key;
    },

    withdrawKeys(): void {
      keys.splice(0);
    },

    /** A token as this provider gives it; `header` and `claims` replace what is sound. */
    async sign(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = keys[0]) {
      if (key === undefined) throw new Error('the provider has no key');
      const nowSeconds = Math.floor(Date.now() / 1_000);
      const sound = { iss: issuer, aud: 'evergrant-api', sub: 'service-1', iat: nowSeconds, exp: nowSeconds + 600 };
      return await new SignJWT({ ...sound, ...claims })
        .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
        .sign(key.privateKey);
    },

    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await provider.addKey();
  return provider;
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
