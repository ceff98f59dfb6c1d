import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import type { IssuerKeyStore, StoredDataKey } from '../../core/stores.ts';
import { createLocalIssuer } from '../../vault/local-issuer.ts';
import { createVault } from '../../vault/vault.ts';

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep: async () => undefined };
const DAY_MS = 86_400_000;

async function createIssuer(keys = createMemoryKeys()) {
  const rows: StoredDataKey[] = [];
  const vault = await createVault({
    keks: [{ kid: 'k1', key: new Secret(Buffer.alloc(32, 5).toString('base64url')) }],
    dataKeys: { many: async () => rows, addFirst: async (key) => void rows.push({ ...key, current: true }) },
  });
  return { issuer: createLocalIssuer({ keys, vault, clock }), keys };
}

function createMemoryKeys(): IssuerKeyStore {
  const rows: Parameters<IssuerKeyStore['add']>[0][] = [];
  return {
    many: async () => [...rows],
    add: async (key) => {
      if (rows.length === 0) rows.push(key);
    },
  };
}

const request = {
  issuer: 'https://connect.example.com',
  clientId: 'c1',
  scopes: ['tokens:read', 'connections:read'],
  apps: ['demo'],
  principals: null,
};

describe('the built-in issuer', () => {
  it('mints a token that verifies against its published keys and says who may do what', async () => {
    const { issuer } = await createIssuer();
    const { token, expiresAtMs } = await issuer.mint(request);
    const jwks = await issuer.jwks();
    const { payload, protectedHeader } = await jwtVerify(token.reveal(), createLocalJWKSet({ keys: [...jwks.keys] }), {
      issuer: 'https://connect.example.com',
      audience: 'evergrant',
      typ: 'at+jwt',
      algorithms: ['EdDSA'],
    });
    expect(payload).toMatchObject({ sub: 'c1', client_id: 'c1', scope: 'tokens:read connections:read', app: ['demo'] });
    expect(payload).not.toHaveProperty('principal');
    expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/);
    expect(expiresAtMs).toBe((payload.exp ?? 0) * 1000);
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe((30 * DAY_MS) / 1000);
    expect(protectedHeader.kid).toBe(jwks.keys[0]?.kid);
  });

  it('narrows a token to principals and lets it name all apps', async () => {
    const { issuer } = await createIssuer();
    const principals = ['0f4b1a3e-7b1c-4a55-8d34-000000000001'];
    const { token } = await issuer.mint({ ...request, apps: '*', principals, ttlMs: 60_000 });
    expect(decodeJwt(token.reveal())).toMatchObject({ app: '*', principal: principals });
  });

  it.each([0, 999, 90 * DAY_MS + 1, Number.NaN])('refuses a life of %d ms', async (ttlMs) => {
    const { issuer } = await createIssuer();
    await expect(issuer.mint({ ...request, ttlMs })).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('publishes no private part and stores it sealed', async () => {
    const { issuer, keys } = await createIssuer();
    const { keys: published } = await issuer.jwks();
    expect(published).toHaveLength(1);
    expect(Object.keys(published[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    const [stored] = await keys.many();
    expect(stored?.sealedPrivateJwk.split('.')).toHaveLength(5);
  });

  it('has one key when two processes ask at once', async () => {
    const { issuer } = await createIssuer();
    const [left, right] = await Promise.all([issuer.jwks(), issuer.jwks()]);
    expect(left).toEqual(right);
    expect(left.keys).toHaveLength(1);
  });
});
