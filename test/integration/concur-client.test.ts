/**
 * The client of SAP Concur against the strict sandbox, over real HTTP. Longer than 300 lines: one operation of the
 * protocol after another, against one sandbox.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createConcur } from '../../concur/concur.ts';
import { createDataCentres, originsOf } from '../../concur/data-centres.ts';
import { type ClosableHttp, createHttp } from '../../concur/http.ts';
import type { AppCredentials, Clock, Concur, ConcurResult, Log } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import { createSandbox, type Sandbox } from '../../dev/sandbox/sandbox.ts';
import { systemClock } from '../../runtime/clock.ts';

const options = { horizonMs: 5_000 };
const lines: { readonly fields: Record<string, unknown>; readonly message: string }[] = [];
const record = (fields: object, message: string) => void lines.push({ fields: { ...fields }, message });
const log: Log = { debug: record, info: record, warn: record, error: record };

let sandbox: Sandbox;
let http: ClosableHttp;
let concur: Concur;
let credentials: AppCredentials;
let company: string;

function open(baseUris: Readonly<Record<string, string>>, clock: Clock = systemClock) {
  const dataCentres = createDataCentres(baseUris);
  const opened = createHttp({ allowedOrigins: originsOf(dataCentres) });
  return { http: opened, concur: createConcur({ http: opened, dataCentres, clock, log }) };
}

beforeAll(async () => {
  sandbox = await createSandbox();
  ({ http, concur } = open(sandbox.baseUris));
});
afterAll(async () => {
  await http.close();
  await sandbox.close();
});
beforeEach(() => {
  const app = sandbox.addApp({ name: 'Demo' });
  credentials = { clientId: app.clientId, clientSecret: new Secret(app.secrets.at(-1)?.value ?? '') };
  company = sandbox.addCompany({ name: 'Acme', domain: 'acme.example', dataCentre: 'us2' }).id;
  lines.length = 0;
});
afterEach(() => {
  sandbox.clearFaults();
  sandbox.set({ codeAs: 'number', expiresInAs: 'string', rotation: 'same' });
});

function exchange() {
  const { value } = sandbox.requestToken({ clientId: credentials.clientId, principalId: company });
  return concur.exchangeRequestToken({ credentials, principal: company, requestToken: new Secret(value) }, options);
}

function valueOf<T>(result: ConcurResult<T>): T {
  if (!result.ok) throw new Error(`expected an answer: ${JSON.stringify(result.failure)}`);
  return result.value;
}

async function connected() {
  const { accessToken, refreshToken, idToken } = valueOf(await exchange());
  if (refreshToken === null || idToken === null) throw new Error('expected both tokens');
  return { accessToken, refreshToken, idToken };
}

function refresh(refreshToken: Secret, dataCentre = 'us2') {
  return concur.refreshTokens({ credentials, dataCentre, refreshToken }, options);
}

describe('an exchange', () => {
  it('goes to the landing zone and brings the tokens of the data centre where the company lives', async () => {
    const before = Date.now();
    const result = await exchange();
    expect(result.dataCentre.name).toBe('glz');
    expect(result.correlationId).toMatch(/^[0-9a-f-]{36}$/);
    expect(result.sentAtMs).toBeGreaterThanOrEqual(before);
    expect(result.endedAtMs).toBeGreaterThanOrEqual(result.sentAtMs);
    const answer = valueOf(result);
    expect(answer).toMatchObject({
      expiresInSeconds: 3_600,
      geolocation: { name: 'us2', baseUri: sandbox.baseUris.us2 },
    });
    expect(answer.refreshExpiresAtMs).toBeGreaterThan(before + 179 * 86_400_000);
    const [grant] = sandbox.grants({ clientId: credentials.clientId });
    expect(grant).toBeDefined();
    expect(sandbox.issuedSecrets().map(({ value }) => value)).toContain(answer.refreshToken?.reveal());
  });

  it('of a token that Concur does not know is refused with its code, as a number or a string', async () => {
    for (const codeAs of ['number', 'string'] as const) {
      sandbox.set({ codeAs });
      const result = await concur.exchangeRequestToken(
        { credentials, principal: company, requestToken: new Secret('garbage') },
        options,
      );
      expect(result).toMatchObject({ ok: false, failure: { kind: 'answer', geolocation: null } });
      expect([5, 19, 60, 105, 108, 136]).toContain(
        !result.ok && result.failure.kind === 'answer' ? result.failure.concurCode : null,
      );
    }
  });
});

describe('a refresh', () => {
  it.each(['same', 'lax', 'strict'] as const)(
    'brings what Concur now has on file when it rotates: %s',
    async (rotation) => {
      const { refreshToken } = await connected();
      sandbox.set({ rotation, expiresInAs: 'number' });
      const answer = valueOf(await refresh(refreshToken));
      expect(answer.refreshToken?.reveal() === refreshToken.reveal()).toBe(rotation === 'same');
      expect(answer.expiresInSeconds).toBe(3_600);
      const again = await refresh(refreshToken);
      expect(again.ok).toBe(rotation !== 'strict');
      if (!again.ok) expect(again.failure).toMatchObject({ kind: 'answer', concurCode: 108 });
    },
  );

  it('without a refresh token, id_token, geolocation or end in the answer is an answer all the same', async () => {
    const { refreshToken } = await connected();
    for (const kind of [
      'without-refresh-token',
      'without-id-token',
      'without-refresh-expires-in',
      'without-geolocation',
    ] as const) {
      sandbox.fault({ kind });
    }
    expect(valueOf(await refresh(refreshToken))).toMatchObject({
      refreshToken: null,
      idToken: null,
      refreshExpiresAtMs: null,
      geolocation: null,
    });
  });

  it('keeps the configured base URI of a decorated geolocation, and calls a hostile one foreign', async () => {
    const { refreshToken } = await connected();
    sandbox.fault({ kind: 'decorated-geolocation' });
    const decorated = valueOf(await refresh(refreshToken));
    expect(decorated.geolocation).toEqual({ name: 'us2', baseUri: sandbox.baseUris.us2 });
    expect(decorated.geolocationRaw).not.toBe(sandbox.baseUris.us2);
    sandbox.fault({ kind: 'geolocation', value: 'https://us2.api.concursolutions.com.evil.example' });
    expect(valueOf(await refresh(refreshToken)).geolocation).toBe('foreign');
  });

  it('follows a company that has moved, once for each move', async () => {
    const { refreshToken } = await connected();
    sandbox.move({ companyId: company, dataCentre: 'eu2' });
    const onSent = vi.fn();
    const after = sandbox.calls().at(-1)?.id;
    const result = await concur.refreshTokens({ credentials, dataCentre: 'us2', refreshToken }, { ...options, onSent });
    expect(result.dataCentre.name).toBe('eu2');
    expect(valueOf(result).geolocation).toMatchObject({ name: 'eu2' });
    expect(sandbox.calls({ after }).map((call) => [call.dataCentre, call.code])).toEqual([
      ['us2', 16],
      ['eu2', null],
    ]);
    expect(onSent).toHaveBeenCalledTimes(1);
  });

  it('does not follow to a foreign host, nor in circles for ever', async () => {
    const { refreshToken } = await connected();
    sandbox.fault({ kind: 'code', code: 16, geolocation: 'https://evil.example' });
    expect(await refresh(refreshToken)).toMatchObject({ failure: { concurCode: 16, geolocation: 'foreign' } });

    const [eu2 = '', us2 = ''] = [sandbox.baseUris.eu2, sandbox.baseUris.us2];
    sandbox.fault({ kind: 'code', code: 16, geolocation: eu2, match: { dataCentre: 'us2' }, times: 'always' });
    sandbox.fault({ kind: 'code', code: 16, geolocation: us2, match: { dataCentre: 'eu2' }, times: 'always' });
    const after = sandbox.calls().at(-1)?.id;
    expect(await refresh(refreshToken)).toMatchObject({ failure: { concurCode: 16 } });
    expect(sandbox.calls({ after }).map((call) => call.dataCentre)).toEqual(['us2', 'eu2']);
  });

  it.each([
    [{ kind: 'html-503' }, { kind: 'answer', status: 503, concurCode: null }],
    [
      { kind: 'rate-limit', retryAfterSeconds: 7 },
      { kind: 'answer', status: 429, retryAfterMs: 7_000 },
    ],
    [{ kind: 'not-json' }, { kind: 'malformed', status: 200, what: 'no-json' }],
    [{ kind: 'without-access-token' }, { kind: 'malformed', what: 'no-access-token' }],
    [
      { kind: 'answer', status: 200, body: '{"code":"134","error":"x"}' },
      { kind: 'answer', concurCode: 134 },
    ],
    [
      { kind: 'answer', status: 302, headers: { location: 'https://evil.example' } },
      { kind: 'answer', status: 302 },
    ],
    [{ kind: 'drop' }, { kind: 'transport', transport: 'reset', sent: true }],
    [{ kind: 'process-then-drop' }, { kind: 'transport', transport: 'reset', sent: true }],
    [{ kind: 'truncate' }, { kind: 'transport', sent: true }],
  ] as const)('that meets %j fails with %j', async (fault, failure) => {
    const { refreshToken } = await connected();
    sandbox.fault(fault);
    expect(await refresh(refreshToken)).toMatchObject({ ok: false, failure });
  });

  it('that gets no answer ends at its horizon, and says which id Concur can search for', async () => {
    const { refreshToken } = await connected();
    sandbox.fault({ kind: 'never-answer', processed: true });
    const result = await concur.refreshTokens({ credentials, dataCentre: 'us2', refreshToken }, { horizonMs: 200 });
    expect(result).toMatchObject({ ok: false, failure: { kind: 'transport', transport: 'timeout', sent: true } });
    expect(result.correlationId).toMatch(/^[0-9a-f-]{36}$/);
    expect(result.endedAtMs - result.sentAtMs).toBeGreaterThanOrEqual(190);
  });

  it('at a data centre that nobody configured is a mistake of ours', async () => {
    await expect(refresh(new Secret('x'), 'mars')).rejects.toMatchObject({ code: 'configuration-invalid' });
  });
});

describe('revoke and profile', () => {
  it('tell who it is, and end it', async () => {
    const { accessToken, refreshToken } = await connected();
    const input = { dataCentre: 'us2', accessToken };
    expect(valueOf(await concur.fetchPrincipal(input, options))).toEqual({
      id: company,
      type: 'company',
      name: 'Acme',
      domain: 'acme.example',
    });
    expect(valueOf(await concur.revokeConnection(input, options))).toBeNull();
    expect(sandbox.isConnected({ clientId: credentials.clientId, principalId: company })).toBe(false);
    expect((await concur.fetchPrincipal(input, options)).ok).toBe(false);
    expect((await concur.revokeConnection(input, options)).ok).toBe(false);
    expect(await refresh(refreshToken)).toMatchObject({ failure: { concurCode: 108 } });
  });
});

describe('an id_token', () => {
  const verify = (idToken: Secret, clientId = credentials.clientId) =>
    concur.verifyIdToken({ dataCentre: 'us2', idToken, clientId, atMs: Date.now() }, options);

  it('of the sandbox names the company', async () => {
    const { idToken } = await connected();
    expect(await verify(idToken)).toEqual({ verdict: 'valid', subject: company, principalType: 'company' });
  });

  it.each([
    ['bad-id-token-signature', 'signature'],
    ['expired-id-token', 'expired'],
    ['wrong-audience', 'claim-aud'],
  ] as const)('with the fault %s is invalid: %s', async (kind, why) => {
    sandbox.fault({ kind });
    const { idToken } = await connected();
    expect(await verify(idToken)).toEqual({ verdict: 'invalid', why });
  });

  it('that is none is invalid', async () => {
    expect(await verify(new Secret('x.y.z'))).toMatchObject({ verdict: 'invalid' });
    expect(await verify(new Secret('garbage'))).toEqual({ verdict: 'invalid', why: 'not-a-jwt' });
  });

  it('cannot be judged while the keys cannot be had', async () => {
    const fresh = open(sandbox.baseUris);
    try {
      const { idToken } = await connected();
      sandbox.fault({ kind: 'html-503', match: { endpoint: 'jwks' } });
      const input = { dataCentre: 'us2', idToken, clientId: credentials.clientId, atMs: Date.now() };
      expect(await fresh.concur.verifyIdToken(input, options)).toEqual({ verdict: 'unavailable', why: 'no-keys' });
      expect(await fresh.concur.verifyIdToken(input, options)).toMatchObject({ verdict: 'valid' });
    } finally {
      await fresh.http.close();
    }
  });
});

describe('the keys of a data centre', () => {
  let now = Date.now();
  let monotonic = 0;
  const clock: Clock = { now: () => now, monotonic: () => monotonic, sleep: (ms) => systemClock.sleep(ms) };
  const advance = (ms: number) => {
    now += ms;
    monotonic += ms;
  };
  const makeKey = async (kid: string | undefined) => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = { ...(await exportJWK(publicKey)), alg: 'RS256', ...(kid === undefined ? {} : { kid }) };
    return { kid, privateKey, jwk };
  };
  type Key = Awaited<ReturnType<typeof makeKey>>;
  const sign = async (key: Key, claims: Record<string, unknown> = {}, expiresInSeconds = 600) =>
    new Secret(
      await new SignJWT({ sub: 'C0FFEE00-0000-4000-8000-000000000001', 'concur.type': 'user', ...claims })
        .setProtectedHeader(key.kid === undefined ? { alg: 'RS256' } : { alg: 'RS256', kid: key.kid })
        .setAudience('client')
        .setExpirationTime(Math.floor(now / 1_000) + expiresInSeconds)
        .sign(key.privateKey),
    );

  let keys: Key[] = [];
  let served = 0;
  const server = createServer((_request: IncomingMessage, response: ServerResponse) => {
    served += 1;
    response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  });
  let own: ReturnType<typeof open>;

  beforeEach(async () => {
    if (!server.listening) await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    own = open({ glz: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, clock);
    served = 0;
  });
  afterEach(() => own.http.close());
  afterAll(() => new Promise<void>((resolve) => void server.close(() => resolve())));

  const verify = (idToken: Secret) =>
    own.concur.verifyIdToken({ dataCentre: 'glz', idToken, clientId: 'client', atMs: now }, options);

  it('are fetched once for many tokens, and again after an hour', async () => {
    const key = await makeKey('k1');
    keys = [key];
    const tokens = await Promise.all(Array.from({ length: 5 }, () => sign(key)));
    const verdicts = await Promise.all(tokens.map(verify));
    expect(verdicts).toEqual(
      Array(5).fill({
        verdict: 'valid',
        subject: 'c0ffee00-0000-4000-8000-000000000001',
        principalType: 'user',
      }),
    );
    expect(served).toBe(1);
    advance(61 * 60_000);
    expect(await verify(await sign(key))).toMatchObject({ verdict: 'valid' });
    expect(served).toBe(2);
  });

  it('are looked at again for a key id that is not among them, but not for every forged one', async () => {
    const [first, second, forged] = await Promise.all([makeKey('k1'), makeKey('k2'), makeKey('forged')]);
    keys = [first];
    await verify(await sign(first));
    keys = [first, second];
    expect(await verify(await sign(second))).toEqual({ verdict: 'unavailable', why: 'unknown-key' });
    advance(31_000);
    expect(await verify(await sign(second))).toMatchObject({ verdict: 'valid' });
    expect(served).toBe(2);
    for (let i = 0; i < 5; i += 1) {
      expect(await verify(await sign(forged))).toEqual({ verdict: 'unavailable', why: 'unknown-key' });
    }
    expect(served).toBe(2);
    advance(31_000);
    expect(await verify(await sign(forged))).toEqual({ verdict: 'invalid', why: 'unknown-key' });
    expect(served).toBe(3);
  });

  it('without ids are tried one after the other', async () => {
    const [first, second, stranger] = await Promise.all([makeKey(undefined), makeKey(undefined), makeKey(undefined)]);
    keys = [first, second];
    expect(await verify(await sign(second))).toMatchObject({ verdict: 'valid' });
    expect(await verify(await sign(stranger))).toEqual({ verdict: 'invalid', why: 'signature' });
  });

  it('verify within a minute of difference between the clocks, and no more', async () => {
    const key = await makeKey('k1');
    keys = [key];
    expect(await verify(await sign(key, {}, -30))).toMatchObject({ verdict: 'valid' });
    expect(await verify(await sign(key, {}, -90))).toEqual({ verdict: 'invalid', why: 'expired' });
    const notBefore = (seconds: number) => ({ nbf: Math.floor(now / 1_000) + seconds });
    expect(await verify(await sign(key, notBefore(30)))).toMatchObject({ verdict: 'valid' });
    expect(await verify(await sign(key, notBefore(90)))).toEqual({ verdict: 'invalid', why: 'claim-nbf' });
  });

  it('are not used for anything but RS256', async () => {
    const key = await makeKey('k1');
    keys = [key];
    const hmac = await new SignJWT({ sub: 'x' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .setAudience('client')
      .setExpirationTime('5m')
      .sign(Buffer.from(JSON.stringify(key.jwk)));
    expect(await verify(new Secret(hmac))).toEqual({ verdict: 'invalid', why: 'algorithm' });
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none' })}.${part({ sub: 'x', aud: 'client' })}.`;
    expect(await verify(new Secret(unsigned))).toMatchObject({ verdict: 'invalid' });
  });
});

describe('the log', () => {
  it('has one line for each call, with what Concur’s support asks for and no secret', async () => {
    const { accessToken, refreshToken } = await connected();
    await concur.fetchPrincipal({ dataCentre: 'us2', accessToken }, options);
    sandbox.fault({ kind: 'code', code: 134 });
    await refresh(refreshToken);
    sandbox.fault({ kind: 'drop' });
    await refresh(refreshToken);
    await concur.revokeConnection({ dataCentre: 'us2', accessToken }, options);

    expect(lines.map(({ fields }) => [fields.endpoint, fields.data_centre, fields.status, fields.code])).toEqual([
      ['token', 'glz', 200, null],
      ['profile', 'us2', 200, null],
      ['token', 'us2', expect.any(Number), 134],
      ['token', 'us2', null, null],
      ['revoke', 'us2', 200, null],
    ]);
    for (const { fields } of lines) {
      expect(fields.correlation_id).toMatch(/^[0-9a-f-]{36}$/);
      expect(fields.duration_ms).toEqual(expect.any(Number));
    }
    const written = JSON.stringify(lines);
    const secrets = sandbox.issuedSecrets().map(({ value }) => value);
    expect(secrets.length).toBeGreaterThan(3);
    for (const secret of secrets) expect(written).not.toContain(secret);
  });

  it('and whoever counts calls hears of each', async () => {
    const onCall = vi.fn();
    const dataCentres = createDataCentres(sandbox.baseUris);
    const counting = createConcur({
      http,
      dataCentres,
      clock: systemClock,
      log,
      rng: { uuid: () => randomUUID() },
      onCall,
    });
    const { refreshToken } = await connected();
    await counting.refreshTokens({ credentials, dataCentre: 'us2', refreshToken }, options);
    await counting.refreshTokens({ credentials, dataCentre: 'us2', refreshToken: new Secret('bad') }, options);
    sandbox.fault({ kind: 'drop' });
    await counting.refreshTokens({ credentials, dataCentre: 'us2', refreshToken }, options);
    expect(onCall.mock.calls.map(([call]) => [call.endpoint, call.dataCentre, call.code])).toEqual([
      ['token', 'us2', '200'],
      ['token', 'us2', '108'],
      ['token', 'us2', 'reset'],
    ]);
  });
});
