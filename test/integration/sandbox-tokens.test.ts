import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectRefusal, openStage } from './sandbox-client.ts';
import type { Answer, Stage } from './sandbox-client.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

describe('the exchange of a request token', () => {
  function exchangeWith(fields: Record<string, string>, dataCentre = 'glz'): Promise<Answer> {
    const { company } = stage;
    return stage.token({ grant_type: 'password', credtype: 'authtoken', username: company.id, ...fields }, dataCentre);
  }
  const newToken = () => stage.sandbox.requestToken({ clientId: stage.app.clientId, principalId: stage.company.id });

  it('answers a full token set that names the data centre where the company lives', async () => {
    const before = Math.floor(Date.now() / 1000);
    const answer = await stage.exchange();
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      expires_in: '3600',
      token_type: 'Bearer',
      scope: 'openid company.read EXPRPT receipts.read',
      geolocation: stage.sandbox.baseUris['us2'],
    });
    expect(String(answer.json['refresh_token'])).toMatch(/^[\w-]{30,36}$/);
    const refreshEnd = Number(answer.json['refresh_expires_in']);
    expect(refreshEnd).toBeGreaterThanOrEqual(before + 180 * 86_400);
    expect(refreshEnd).toBeLessThanOrEqual(before + 180 * 86_400 + 10);
  });

  it('issues an id_token that the published keys prove', async () => {
    const { json } = await stage.exchange();
    const keys = createRemoteJWKSet(new URL(`${stage.sandbox.baseUris['us2']}/oauth2/v0/jwks`));
    const { payload, protectedHeader } = await jwtVerify(String(json['id_token']), keys, {
      audience: stage.app.clientId,
      issuer: String(stage.sandbox.baseUris['us2']),
      algorithms: ['RS256'],
    });
    expect(protectedHeader.kid).toEqual(expect.any(String));
    expect(payload).toMatchObject({ sub: stage.company.id, 'concur.type': 'company' });
    expect(payload.exp).toBeGreaterThan(Number(payload.iat));
  });

  it('puts a URL that ends in the UUID into the access token', async () => {
    const { json } = await stage.exchange();
    expect(decodeJwt(String(json['access_token'])).sub).toBe(
      `${stage.sandbox.baseUris['us2']}/profile/v1/principals/${stage.company.id}`,
    );
  });

  it('takes the UUID in any case', async () => {
    const answer = await exchangeWith({ username: stage.company.id.toUpperCase(), password: newToken().value });
    expect(answer.status).toBe(200);
  });

  it('works five times within 24 hours and not a sixth time', async () => {
    const { value } = newToken();
    for (let use = 1; use <= 5; use += 1) expect((await exchangeWith({ password: value })).status).toBe(200);
    expectRefusal(await exchangeWith({ password: value }), 136, 'invalid_grant');
  });

  it('is over after 24 hours', async () => {
    const { value } = newToken();
    stage.sandbox.advanceClock(24 * 3_600_000 - 1_000);
    expect((await exchangeWith({ password: value })).status).toBe(200);
    stage.sandbox.advanceClock(1_000);
    expectRefusal(await exchangeWith({ password: value }), 60);
  });

  it('is refused away from the global landing zone', async () => {
    expectRefusal(await exchangeWith({ password: newToken().value }, 'us2'), 107);
  });

  it('is refused for an unknown token, another principal, another app, an unknown principal', async () => {
    const { sandbox, app, company } = stage;
    const other = sandbox.addCompany({ name: 'Other' });
    const otherApp = sandbox.addApp({ name: 'Other app' });
    const foreign = sandbox.requestToken({ clientId: otherApp.clientId, principalId: company.id });
    const ofOther = sandbox.requestToken({ clientId: app.clientId, principalId: other.id });
    expectRefusal(await exchangeWith({ password: 'never-issued' }), 5);
    expectRefusal(await exchangeWith({ password: ofOther.value }), 19);
    expectRefusal(await exchangeWith({ password: foreign.value }), 105);
    expectRefusal(await exchangeWith({ password: newToken().value, username: crypto.randomUUID() }), 100);
    expectRefusal(await exchangeWith({ password: newToken().value, username: '' }), 51);
    expectRefusal(await exchangeWith({ password: '' }), 52);
  });

  it('serves a user of an "app for me" as well', async () => {
    const { sandbox, admin } = stage;
    const app = sandbox.addApp({ principalType: 'user', connectUri: 'http://partner.example/c' });
    const { requestToken } = sandbox.pressConnect({ clientId: app.clientId, principalId: admin.id });
    const answer = await exchangeWith({
      client_id: app.clientId,
      client_secret: app.secrets[0]?.value ?? '',
      username: admin.id,
      password: requestToken,
    });
    expect(answer.status).toBe(200);
    expect(decodeJwt(String(answer.json['id_token']))).toMatchObject({ sub: admin.id, 'concur.type': 'user' });
    const profile = await stage.profile(answer.json['access_token']);
    expect(profile.json).toMatchObject({ id: admin.id, displayName: 'Ada Winters', active: true });
  });

  it('still works after a Disconnect, as long as the request token lives', async () => {
    const { value } = newToken();
    await exchangeWith({ password: value });
    stage.sandbox.disconnect({ clientId: stage.app.clientId, principalId: stage.company.id });
    expect((await exchangeWith({ password: value })).status).toBe(200);
  });
});

describe('the refresh', () => {
  it('keeps the value and extends its life when rotation is "same"', async () => {
    const first = await stage.exchange();
    stage.sandbox.advanceClock(10 * 86_400_000);
    const second = await stage.refresh(first.json['refresh_token']);
    expect(second.status).toBe(200);
    expect(second.json['refresh_token']).toBe(first.json['refresh_token']);
    expect(second.json['access_token']).not.toBe(first.json['access_token']);
    const extended = Number(second.json['refresh_expires_in']) - Number(first.json['refresh_expires_in']);
    expect(extended).toBeGreaterThanOrEqual(10 * 86_400);
  });

  it('changes the value and lets the old one live when rotation is "lax"', async () => {
    stage.sandbox.set({ rotation: 'lax' });
    const first = await stage.exchange();
    const second = await stage.refresh(first.json['refresh_token']);
    expect(second.json['refresh_token']).not.toBe(first.json['refresh_token']);
    expect((await stage.refresh(first.json['refresh_token'])).status).toBe(200);
    expect((await stage.refresh(second.json['refresh_token'])).status).toBe(200);
  });

  it('changes the value and kills the old one at once when rotation is "strict"', async () => {
    stage.sandbox.setRotation(stage.app.clientId, 'strict');
    const first = await stage.exchange();
    const second = await stage.refresh(first.json['refresh_token']);
    expectRefusal(await stage.refresh(first.json['refresh_token']), 108, 'invalid_grant');
    expect((await stage.refresh(second.json['refresh_token'])).status).toBe(200);
  });

  it('is refused for a value that is unknown, expired, missing, or of another app', async () => {
    const { json } = await stage.exchange();
    const other = stage.sandbox.addApp({ name: 'Other' });
    const foreign = { client_id: other.clientId, client_secret: other.secrets[0]?.value ?? '' };
    const fields = { grant_type: 'refresh_token', refresh_token: String(json['refresh_token']) };
    expectRefusal(await stage.refresh('never-issued'), 108);
    expectRefusal(await stage.token({ ...fields, ...foreign }, 'us2'), 105);
    expectRefusal(await stage.token({ grant_type: 'refresh_token' }, 'us2'), 106);
    stage.sandbox.advanceClock(180 * 86_400_000);
    expectRefusal(await stage.refresh(json['refresh_token']), 108);
  });

  it('points home with code 16 and a geolocation at any other data centre', async () => {
    const { json } = await stage.exchange();
    for (const dataCentre of ['glz', 'eu2']) {
      const answer = await stage.refresh(json['refresh_token'], dataCentre);
      expectRefusal(answer, 16, 'invalid_request');
      expect(answer.json['geolocation']).toBe(stage.sandbox.baseUris['us2']);
    }
  });

  it('may narrow the scope and not widen it', async () => {
    const { json } = await stage.exchange();
    const fields = { grant_type: 'refresh_token', refresh_token: String(json['refresh_token']) };
    expect((await stage.token({ ...fields, scope: 'openid' }, 'us2')).json['scope']).toBe('openid');
    expectRefusal(await stage.token({ ...fields, scope: 'openid everything' }, 'us2'), 54, 'invalid_scope');
  });

  it.each([
    ['redirects', 16],
    ['forgets', 100],
  ] as const)('after a move, at a former data centre that %s, is refused with code %i', async (formerHome, code) => {
    const { json } = await stage.exchange();
    stage.sandbox.move({ companyId: stage.company.id, dataCentre: 'eu2', formerHome });
    expectRefusal(await stage.refresh(json['refresh_token'], 'us2'), code);
    expect((await stage.refresh(json['refresh_token'], 'eu2')).status).toBe(200);
  });

  it('after a move, at a former data centre that still serves, names the new geolocation', async () => {
    const { json } = await stage.exchange();
    stage.sandbox.move({ companyId: stage.company.id, dataCentre: 'eu2', formerHome: 'serves' });
    const answer = await stage.refresh(json['refresh_token'], 'us2');
    expect(answer.json['geolocation']).toBe(stage.sandbox.baseUris['eu2']);
    expect((await stage.profile(answer.json['access_token'], 'eu2')).status).toBe(200);
  });
});

describe('an access token', () => {
  it('opens the profile of the company where it lives', async () => {
    const { json } = await stage.exchange();
    const answer = await stage.profile(json['access_token']);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      id: stage.company.id,
      name: 'Aurora',
      companyDomain: 'aurora.example',
      meta: { principalType: 'company' },
    });
    expect((await stage.profile(json['access_token'], 'eu2')).status).toBe(403);
  });

  it('is answered with 401 when it is missing, with 403 when it is unknown or has run out', async () => {
    const { json } = await stage.exchange();
    const missing = await stage.send(`${stage.sandbox.baseUris['us2']}/profile/v1/me`);
    expect(missing.status).toBe(401);
    expect(missing.headers['www-authenticate']).toMatch(/^Bearer/);
    expect((await stage.profile('unknown')).status).toBe(403);
    stage.sandbox.advanceClock(3_600_000);
    expect((await stage.profile(json['access_token'])).status).toBe(403);
  });

  it("revokes every token of its principal and app, and nobody else's", async () => {
    const { sandbox, app } = stage;
    const [first, second] = [await stage.exchange(), await stage.exchange()];
    const other = sandbox.addApp({ name: 'Other' });
    const request = sandbox.requestToken({ clientId: other.clientId, principalId: stage.company.id });
    const credentials = { client_id: other.clientId, client_secret: other.secrets[0]?.value ?? '' };
    const foreign = await stage.token({
      ...credentials,
      grant_type: 'password',
      credtype: 'authtoken',
      username: stage.company.id,
      password: request.value,
    });
    expect((await stage.revoke(first.json['access_token'])).status).toBe(200);
    expectRefusal(await stage.refresh(first.json['refresh_token']), 108);
    expectRefusal(await stage.refresh(second.json['refresh_token']), 108);
    expect((await stage.profile(second.json['access_token'])).status).toBe(403);
    expect((await stage.revoke(first.json['access_token'])).status).toBe(403);
    expect(sandbox.isConnected({ clientId: app.clientId, principalId: stage.company.id })).toBe(false);
    const survivor = { grant_type: 'refresh_token', refresh_token: String(foreign.json['refresh_token']) };
    expect((await stage.token({ ...credentials, ...survivor }, 'us2')).status).toBe(200);
  });

  it('cannot revoke once it has run out', async () => {
    const { json } = await stage.exchange();
    stage.sandbox.expire({ clientId: stage.app.clientId, principalId: stage.company.id, which: 'access' });
    expect((await stage.revoke(json['access_token'])).status).toBe(403);
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
  });
});

it('ends the grant without a word to the partner when the customer disconnects', async () => {
  const { json } = await stage.exchange();
  expect(stage.sandbox.disconnect({ clientId: stage.app.clientId, principalId: stage.company.id })).toBe(1);
  expectRefusal(await stage.refresh(json['refresh_token']), 108);
  expect((await stage.profile(json['access_token'])).status).toBe(403);
});
