/** The client that partner services copy, against the real API: what it spares Evergrant, and what it spares its caller. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AccessToken, Connection } from '../../examples/partner-service/api-types.ts';
import { createBearer } from '../../examples/partner-service/bearer.ts';
import { createEvergrantClient, type EvergrantClient } from '../../examples/partner-service/evergrant-client.ts';
import { EvergrantError } from '../../examples/partner-service/evergrant-error.ts';
import { createExamplesRig, type ExamplesRig } from './examples-rig.ts';

const HOUR_MS = 3_600_000;
const NOBODY = '00000000-0000-4000-8000-000000000000';
const everyScope = ['connections:read', 'connections:refresh', 'tokens:read', 'codes:write'];

let rig: ExamplesRig;
let bearer: string;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evergrant-examples-'));
  rig = await createExamplesRig();
  ({ token: bearer } = await rig.createClient(...everyScope.flatMap((scope) => ['--scope', scope])));
});
afterAll(async () => {
  await rig.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => void rig.gate.take());

/** One with nothing in memory. */
function newClient(over: { readonly patienceMs?: number; readonly app?: string } = {}): EvergrantClient {
  return createEvergrantClient({ baseUrl: rig.gate.url, app: 'demo', token: bearer, ...over });
}

/** A partner's call to SAP Concur. */
function readProfile(token: AccessToken): Promise<Response> {
  return fetch(`${token.geolocation}/profile/v1/me`, {
    headers: { authorization: `${token.token_type} ${token.access_token}`, connection: 'close' },
  });
}

async function errorOf(work: Promise<unknown>): Promise<EvergrantError> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EvergrantError)) throw new Error('it did not fail as expected', { cause: error });
  return error;
}

describe('access tokens', () => {
  it('are asked for once, however many callers there are and however they write the UUID', async () => {
    const principal = await rig.connect();
    const client = newClient();
    const together = Array.from({ length: 50 }, () => client.accessToken(principal));
    const tokens = await Promise.all([...together, client.accessToken(principal.toUpperCase())]);
    expect(new Set(tokens.map(({ access_token }) => access_token)).size).toBe(1);
    for (let round = 0; round < 20; round += 1) await client.accessToken(principal);
    expect(rig.gate.take()).toEqual([`GET /v1/apps/demo/connections/${principal}/token`]);
    expect((await readProfile(await client.accessToken(principal))).status).toBe(200);
  });

  it('are asked for again when one does not live long enough for the caller', async () => {
    const principal = await rig.connect();
    const client = newClient();
    const first = await client.accessToken(principal);
    await client.accessToken(principal, { minTtlSeconds: 1_800 });
    expect(rig.gate.take()).toHaveLength(1);
    const longer = createEvergrantClient({ baseUrl: rig.gate.url, app: 'demo', token: bearer, marginSeconds: 3_590 });
    // The margin is no more than a third of the token's life: an absurd one makes no storm.
    expect((await longer.accessToken(principal)).version).toBe(first.version);
    expect((await longer.accessToken(principal)).version).toBe(first.version);
    expect(rig.gate.take()).toHaveLength(1);
  });

  it('serve on while Evergrant is away, and are dropped when it says that the connection is revoked', async () => {
    const principal = await rig.connect();
    const client = newClient({ patienceMs: 0 });
    const { access_token: first } = await client.accessToken(principal);
    rig.gate.answer({ status: 503, code: 'database-unavailable', headers: { 'retry-after': '1' } });
    expect((await errorOf(client.readToken(principal))).code).toBe('database-unavailable');
    expect((await client.accessToken(principal)).access_token).toBe(first);

    expect((await rig.evergrant('connections', 'revoke', 'demo', principal, '--json')).code).toBe(0);
    expect((await errorOf(client.readToken(principal))).code).toBe('connection-revoked');
    expect((await errorOf(client.accessToken(principal))).code).toBe('connection-revoked');
  });
});

describe('a refused token', () => {
  it('is reported once and replaced by a newer one, however many calls met the refusal', async ({ onTestFinished }) => {
    const principal = await rig.connect();
    const client = newClient();
    expect((await client.withToken(principal, readProfile)).status).toBe(200);
    rig.gate.take();

    // For SAP Concur the token has expired; Evergrant, by its own clock, believes in it.
    rig.backend.sandbox.advanceClock(2 * HOUR_MS);
    onTestFinished(() => rig.backend.sandbox.advanceClock(-2 * HOUR_MS));
    const versions: number[] = [];
    const responses = await Promise.all(
      Array.from({ length: 20 }, () =>
        client.withToken(principal, (token) => {
          versions.push(token.version);
          return readProfile(token);
        }),
      ),
    );
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
    expect(versions.toSorted()).toEqual([...Array(20).fill(1), ...Array(20).fill(2)]);
    expect(rig.gate.take('POST')).toEqual([`POST /v1/apps/demo/connections/${principal}/token-rejected`]);
    expect((await client.accessToken(principal)).version).toBe(2);
  });

  it('that a new one does not help is the answer, and costs one report and not one a call', async () => {
    const principal = await rig.connect();
    const client = newClient();
    const forbidden = () => Promise.resolve(new Response('{}', { status: 403 }));
    for (let call = 0; call < 5; call += 1) {
      expect((await client.withToken(principal, forbidden)).status).toBe(403);
    }
    expect(rig.gate.take('POST')).toHaveLength(1);
    expect((await client.withToken(principal, readProfile)).status).toBe(200);
  });

  it('of a company that has disconnected ends in an error that says so and where to connect again', async () => {
    const principal = await rig.connect();
    const client = newClient();
    await client.accessToken(principal);
    rig.backend.sandbox.disconnect({ clientId: rig.backend.clientIdOf('demo'), principalId: principal });
    const error = await errorOf(client.withToken(principal, readProfile));
    expect(error).toMatchObject({ code: 'reauthorization-required', status: 409 });
    expect(error.requestId).toMatch(/^[A-Za-z0-9._-]+$/);
    expect(error.problem).toMatchObject({ state: 'reauthorization-required' });
  });
});

describe('a request', () => {
  it('is tried again after 503 and 429, never sooner than retry-after says', async () => {
    const principal = await rig.connect();
    rig.gate.answer(
      { status: 503, code: 'temporal-unavailable' },
      { status: 429, code: 'rate-limited', headers: { 'retry-after': '1' } },
    );
    const startedAtMs = performance.now();
    expect((await newClient().accessToken(principal)).version).toBe(1);
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_000);
    expect(rig.gate.take()).toHaveLength(3);
  });

  it('is given up at once when retry-after is beyond the patience', async () => {
    rig.gate.answer({ status: 503, code: 'app-blocked', headers: { 'retry-after': '600' } });
    const error = await errorOf(newClient().accessToken(NOBODY));
    expect(error).toMatchObject({ code: 'app-blocked', retryAfterMs: 600_000 });
    expect(rig.gate.take()).toHaveLength(1);
  });

  it('that can not help itself is not repeated: the error has the code', async () => {
    expect((await errorOf(newClient().accessToken(NOBODY))).code).toBe('not-found');
    expect((await errorOf(newClient({ app: 'other' }).connection(NOBODY))).code).toBe('forbidden');
    expect((await errorOf(newClient().accessToken('nonsense'))).code).toBe('bad-request');
    const stranger = createEvergrantClient({ baseUrl: rig.gate.url, app: 'demo', token: 'nonsense' });
    expect((await errorOf(stranger.accessToken(NOBODY))).code).toBe('unauthenticated');
    // The bearer token might have been renewed: it is asked for once more.
    expect(rig.gate.take()).toHaveLength(5);
  });

  it('that gets no answer, or one of somebody else, says so without the token', async () => {
    const nowhere = createEvergrantClient({ baseUrl: 'http://127.0.0.1:9', app: 'demo', token: bearer, patienceMs: 0 });
    expect((await errorOf(nowhere.accessToken(NOBODY))).code).toBe('unreachable');
    const elsewhere = createEvergrantClient({
      baseUrl: rig.backend.sandbox.url,
      app: 'demo',
      token: bearer,
      patienceMs: 0,
    });
    const error = await errorOf(elsewhere.accessToken(NOBODY));
    expect(error.code).toBe('unexpected-answer');
    expect(JSON.stringify(error) + error.stack).not.toContain(bearer);
  });
});

describe('the other calls', () => {
  it('list all connections, page after page', async () => {
    const principals = [await rig.connect(), await rig.connect()];
    const found: Connection[] = [];
    for await (const connection of newClient().connections({ state: 'active' })) found.push(connection);
    expect(found.map(({ principal_id }) => principal_id)).toEqual(expect.arrayContaining(principals));
    expect(await newClient().connection(principals[0] ?? '')).toMatchObject({ state: 'active', version: 1 });
    expect(await newClient().refresh(principals[0] ?? '')).toMatchObject({ version: 2 });
  });

  it('make verification codes, and complete a sign-in that is there', async () => {
    const { code, expires_at } = await newClient().createVerificationCode({ customer_ref: 'c-17', ttl: '24h' });
    expect(code.length).toBeGreaterThan(7);
    expect(Date.parse(expires_at) - Date.now()).toBeLessThan(86_400_000 + 5_000);
    const { token } = await rig.createClient('--scope', 'connections:connect');
    const client = createEvergrantClient({ baseUrl: rig.gate.url, app: 'demo', token });
    expect((await errorOf(client.completeSignIn('unknown', 'c-17'))).code).toBe('not-found');
  });

  it('are signed with the key of a client that has one', async () => {
    const principal = await rig.connect();
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const file = join(folder, 'public.jwk');
    writeFileSync(file, JSON.stringify(await exportJWK(publicKey)));
    const { client_id: clientId } = await rig.createClient('--scope', 'tokens:read', '--jwk', file);
    const signer = { clientId, jwk: await exportJWK(privateKey) };
    const client = createEvergrantClient({ baseUrl: rig.gate.url, app: 'demo', signer });
    expect((await client.accessToken(principal)).version).toBe(1);
    expect((await errorOf(client.connection(principal))).code).toBe('forbidden');
  });

  it('are signed anew before the signature of five minutes ends', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true });
      const bearerOf = createBearer({ signer: { clientId: 'me', jwk: await exportJWK(privateKey) } }, 'demo');
      const first = await bearerOf(false);
      vi.advanceTimersByTime(200_000);
      expect(await bearerOf(false)).toBe(first);
      vi.advanceTimersByTime(15_000);
      const second = await bearerOf(false);
      expect(second).not.toBe(first);
      // Refused: the clock may have been set right since.
      expect(await bearerOf(true)).not.toBe(second);
      const { iat = 0, exp = 0, aud, app } = decodeJwt(second);
      expect({ life: exp - iat, aud, app }).toEqual({ life: 300, aud: 'evergrant', app: 'demo' });
    } finally {
      vi.useRealTimers();
    }
  });
});
