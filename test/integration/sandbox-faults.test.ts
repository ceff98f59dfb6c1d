import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStage } from './sandbox-client.ts';
import type { Stage } from './sandbox-client.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

describe('a fault', () => {
  it('hits the calls that match, as often as it says', async () => {
    const { sandbox, company } = stage;
    const { json } = await stage.exchange();
    const fault = sandbox.fault({
      kind: 'html-503',
      match: {
        endpoint: 'token',
        dataCentre: 'us2',
        grantType: 'refresh_token',
        principalId: company.id.toUpperCase(),
      },
      times: 2,
    });
    expect((await stage.token({ grant_type: 'client_credentials' }, 'us2')).status).toBe(200);
    expect((await stage.profile(json['access_token'])).status).toBe(200);
    expect((await stage.refresh(json['refresh_token'], 'eu2')).json['code']).toBe(16);
    for (let time = 1; time <= 2; time += 1) {
      const answer = await stage.refresh(json['refresh_token']);
      expect(answer.status).toBe(503);
      expect(answer.headers['content-type']).toBe('text/html');
    }
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
    expect(fault.hits()).toBe(2);
    expect(sandbox.faults()).toEqual([]);
  });

  it('matches the principal of a bearer token, a login and an exchange', async () => {
    const { sandbox, company, admin } = stage;
    const { json } = await stage.exchange();
    sandbox.fault({ kind: 'html-503', match: { principalId: company.id }, times: 'always' });
    const login = { grant_type: 'password', username: admin.login, password: admin.password };
    expect((await stage.profile(json['access_token'])).status).toBe(503);
    expect((await stage.token(login, 'us2')).status).toBe(503);
    expect((await stage.exchange()).status).toBe(503);
    expect((await stage.token({ grant_type: 'client_credentials' })).status).toBe(200);
  });

  it('plays outcomes one after the other and lets calls pass when told to skip', async () => {
    const { sandbox } = stage;
    sandbox.fault({ kind: 'html-503' });
    sandbox.fault({ kind: 'rate-limit', retryAfterSeconds: 7 });
    sandbox.fault({ kind: 'code', code: 108, skip: 1 });
    const ask = () => stage.token({ grant_type: 'client_credentials' });
    expect((await ask()).status).toBe(503);
    const limited = await ask();
    expect(limited.status).toBe(429);
    expect(limited.headers['retry-after']).toBe('7');
    expect((await ask()).status).toBe(200);
    expect((await ask()).json['code']).toBe(108);
    expect((await ask()).status).toBe(200);
  });

  it('stays on until it is removed when it is always', async () => {
    const fault = stage.sandbox.fault({ kind: 'not-json', times: 'always' });
    for (let time = 1; time <= 3; time += 1) {
      const answer = await stage.exchange();
      expect(answer.status).toBe(200);
      expect(answer.text).toContain('<html>');
    }
    fault.remove();
    expect((await stage.exchange()).json['token_type']).toBe('Bearer');
  });

  it('that makes no sense is refused with the reason', () => {
    expect(() => stage.sandbox.fault({ kind: 'delay', ms: -1 })).toThrow(/ms/);
    expect(() => stage.sandbox.removeFault('fault-99')).toThrow(/no fault/);
  });
});

describe('a lost connection', () => {
  it('before processing leaves the refresh token as it was', async () => {
    stage.sandbox.set({ rotation: 'strict' });
    const { json } = await stage.exchange();
    stage.sandbox.fault({ kind: 'drop' });
    await expect(stage.refresh(json['refresh_token'])).rejects.toThrow();
    const [call] = await stage.sandbox.waitForCalls({ grantType: 'refresh_token' });
    expect(call).toMatchObject({ outcome: 'dropped', processed: false, faults: ['drop'] });
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
  });

  it.each(['process-then-drop', 'truncate'] as const)('by %s has rotated the refresh token', async (kind) => {
    stage.sandbox.set({ rotation: 'strict' });
    const { json } = await stage.exchange();
    stage.sandbox.fault({ kind });
    await expect(stage.refresh(json['refresh_token'])).rejects.toThrow();
    expect((await stage.refresh(json['refresh_token'])).json['code']).toBe(108);
    expect(stage.sandbox.calls({ grantType: 'refresh_token' })[0]).toMatchObject({
      outcome: 'dropped',
      processed: true,
    });
  });

  it.each([true, false])('after silence, acted upon: %s', async (processed) => {
    stage.sandbox.set({ rotation: 'strict' });
    const { json } = await stage.exchange();
    stage.sandbox.fault({ kind: 'never-answer', processed });
    const url = `${stage.sandbox.baseUris['us2']}/oauth2/v0/token`;
    const { app, secret } = stage;
    const fields = { grant_type: 'refresh_token', refresh_token: String(json['refresh_token']) };
    const silent = stage.send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ client_id: app.clientId, client_secret: secret, ...fields }).toString(),
      timeoutMs: 100,
    });
    await expect(silent).rejects.toThrow();
    const [call] = await stage.sandbox.waitForCalls({ grantType: 'refresh_token' });
    expect(call).toMatchObject({ outcome: 'abandoned', processed });
    expect((await stage.refresh(json['refresh_token'])).status).toBe(processed ? 400 : 200);
  });
});

describe('a held answer', () => {
  it('waits for its release, and Concur has acted meanwhile', async () => {
    stage.sandbox.set({ rotation: 'strict' });
    const { json } = await stage.exchange();
    const hold = stage.sandbox.fault({ kind: 'hold', match: { grantType: 'refresh_token' } });
    const held = stage.refresh(json['refresh_token']);
    await hold.waitForHits();
    expect((await stage.refresh(json['refresh_token'])).json['code']).toBe(108);
    expect(stage.sandbox.mostAtOnce({ grantType: 'refresh_token' })).toBe(2);
    hold.release();
    expect((await held).status).toBe(200);
  });

  it('before processing has changed nothing yet', async () => {
    stage.sandbox.set({ rotation: 'strict' });
    const { json } = await stage.exchange();
    const hold = stage.sandbox.fault({ kind: 'hold', when: 'before', match: { grantType: 'refresh_token' } });
    const held = stage.refresh(json['refresh_token']);
    await hold.waitForHits();
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
    hold.release();
    expect((await held).json['code']).toBe(108);
  });

  it('comes late by a delay', async () => {
    stage.sandbox.fault({ kind: 'delay', ms: 120 });
    const started = performance.now();
    expect((await stage.exchange()).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThanOrEqual(115);
  });
});

describe('an altered answer', () => {
  it.each([
    ['without-access-token', 'access_token'],
    ['without-refresh-token', 'refresh_token'],
    ['without-id-token', 'id_token'],
    ['without-refresh-expires-in', 'refresh_expires_in'],
    ['without-geolocation', 'geolocation'],
  ] as const)('%s lacks %s and keeps the rest', async (kind, field) => {
    stage.sandbox.fault({ kind });
    const { status, json } = await stage.exchange();
    expect(status).toBe(200);
    expect(json).not.toHaveProperty(field);
    expect(json['token_type']).toBe('Bearer');
  });

  it('has the expires_in and the geolocation that were asked for', async () => {
    const { sandbox } = stage;
    sandbox.fault({ kind: 'expires-in', value: -5 });
    sandbox.fault({ kind: 'geolocation', value: 'https://concur.evil.example' });
    expect((await stage.exchange()).json).toMatchObject({ expires_in: -5, geolocation: 'https://concur.evil.example' });
    sandbox.fault({ kind: 'decorated-geolocation' });
    const decorated = String((await stage.exchange()).json['geolocation']);
    expect(decorated).toMatch(/^HTTP:\/\/127\.0\.0\.1:\d+\/us2\/profile\/v1\/$/);
    sandbox.fault({ kind: 'fields', set: { scope: 'less', token_type: null } });
    const { json } = await stage.exchange();
    expect(json['scope']).toBe('less');
    expect(json).not.toHaveProperty('token_type');
  });

  it('carries the id_token of somebody else, of another app, of yesterday, or a forged one', async () => {
    const { sandbox, app } = stage;
    const keys = createRemoteJWKSet(new URL(`${sandbox.baseUris['us2']}/oauth2/v0/jwks`));
    const idToken = async () => String((await stage.exchange()).json['id_token']);
    const verify = async (token: string) => jwtVerify(token, keys, { audience: app.clientId });
    sandbox.fault({ kind: 'wrong-subject', subject: 'somebody-else' });
    expect((await verify(await idToken())).payload.sub).toBe('somebody-else');
    sandbox.fault({ kind: 'wrong-audience' });
    await expect(idToken().then(verify)).rejects.toThrow(/aud/);
    sandbox.fault({ kind: 'expired-id-token' });
    await expect(idToken().then(verify)).rejects.toThrow(/exp/);
    sandbox.fault({ kind: 'bad-id-token-signature' });
    const forged = await idToken();
    expect(decodeJwt(forged).sub).toBe(stage.company.id);
    await expect(verify(forged)).rejects.toThrow(/signature/);
  });

  it('shows the profile of somebody else', async () => {
    const { json } = await stage.exchange();
    stage.sandbox.fault({ kind: 'wrong-subject', match: { endpoint: 'profile' } });
    const profile = await stage.profile(json['access_token']);
    expect(profile.status).toBe(200);
    expect(profile.json['id']).not.toBe(stage.company.id);
  });

  it('leaves refusals alone', async () => {
    stage.sandbox.fault({ kind: 'without-access-token', times: 'always' });
    expect((await stage.refresh('unknown')).json['code']).toBe(108);
  });
});

describe('what Concur has seen', () => {
  it('tells whether token calls overlapped', async () => {
    const filter = { endpoint: 'token' } as const;
    for (let time = 1; time <= 3; time += 1) await stage.exchange();
    expect(stage.sandbox.mostAtOnce(filter)).toBe(1);
    const hold = stage.sandbox.fault({ kind: 'hold', times: 2 });
    const held = [stage.exchange(), stage.exchange()];
    await hold.waitForHits(2);
    expect(stage.sandbox.mostAtOnce(filter)).toBe(2);
    hold.release();
    await Promise.all(held);
    const calls = await stage.sandbox.waitForCalls(filter, 5);
    expect(calls).toHaveLength(5);
    for (const call of calls) {
      expect(call).toMatchObject({
        grantType: 'authtoken',
        dataCentre: 'glz',
        principalId: stage.company.id,
        status: 200,
      });
      expect(Number(call.endedAt)).toBeGreaterThan(call.startedAt);
    }
  });

  it('keeps every secret that was ever given out, and none in the log of calls', async () => {
    const { sandbox, app, company, admin, secret } = stage;
    sandbox.set({ rotation: 'strict' });
    const { requestToken } = sandbox.pressConnect({ clientId: app.clientId, principalId: company.id });
    const first = await stage.exchange();
    const second = await stage.refresh(first.json['refresh_token']);
    const values = new Set(sandbox.issuedSecrets().map((issued) => issued.value));
    for (const answer of [first, second]) {
      for (const field of ['access_token', 'refresh_token', 'id_token']) expect(values).toContain(answer.json[field]);
    }
    for (const value of [requestToken, secret, admin.password]) expect(values).toContain(value);
    expect(sandbox.issuedSecretsAreComplete()).toBe(true);
    const log = JSON.stringify(sandbox.calls());
    for (const value of values) expect(log).not.toContain(value);
  });
});
