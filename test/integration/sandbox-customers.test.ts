import { decodeJwt } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectRefusal, openStage } from './sandbox-client.ts';
import type { Stage } from './sandbox-client.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

describe('the state of the customer and of the app', () => {
  it.each([10, 11, 12, 13, 14, 20, 123] as const)(
    'refuses a disabled company with code %i until it is enabled',
    async (code) => {
      const { json } = await stage.exchange();
      stage.sandbox.disable({ companyId: stage.company.id, code });
      expectRefusal(await stage.refresh(json['refresh_token']), code);
      expectRefusal(await stage.exchange(), code);
      stage.sandbox.enable({ companyId: stage.company.id });
      expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
    },
  );

  it('refuses with 53 while the company has disabled the app, and lets it in again', async () => {
    const { sandbox, app, company } = stage;
    const { json } = await stage.exchange();
    sandbox.disable({ clientId: app.clientId, companyId: company.id });
    expectRefusal(await stage.refresh(json['refresh_token']), 53, 'invalid_client');
    expect((await stage.profile(json['access_token'])).status).toBe(403);
    sandbox.enable({ clientId: app.clientId, companyId: company.id });
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
  });

  it('refuses with 134 during maintenance', async () => {
    const { json } = await stage.exchange();
    stage.sandbox.setMaintenance(stage.company.id, true);
    expectRefusal(await stage.refresh(json['refresh_token']), 134);
    stage.sandbox.setMaintenance(stage.company.id, false);
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
  });

  it('knows the company no more after it was removed', async () => {
    const { json } = await stage.exchange();
    stage.sandbox.removeCompany(stage.company.id);
    expectRefusal(await stage.refresh(json['refresh_token']), 100);
  });

  it('refuses an unknown client, a wrong secret, a disabled client, missing credentials', async () => {
    const { json } = await stage.exchange();
    const fields = { grant_type: 'refresh_token', refresh_token: String(json['refresh_token']) };
    expectRefusal(await stage.token({ ...fields, client_id: 'nobody' }, 'us2'), 61, 'invalid_client');
    expectRefusal(await stage.token({ ...fields, client_secret: 'wrong' }, 'us2'), 64, 'invalid_client');
    expectRefusal(await stage.token({ ...fields, client_id: '' }, 'us2'), 62);
    expectRefusal(await stage.token({ ...fields, client_secret: '' }, 'us2'), 63);
    stage.sandbox.disable({ clientId: stage.app.clientId });
    expectRefusal(await stage.token(fields, 'us2'), 59, 'access_denied');
    stage.sandbox.enable({ clientId: stage.app.clientId });
    expect((await stage.token(fields, 'us2')).status).toBe(200);
  });

  it('lets the old secret die at once, or overlap until it is deactivated', async () => {
    const { sandbox, app, secret } = stage;
    const ask = (client_secret: string) => stage.token({ grant_type: 'client_credentials', client_secret });
    const second = sandbox.newSecret({ clientId: app.clientId, old: 'overlaps' });
    expect((await ask(secret)).status).toBe(200);
    expect((await ask(second)).status).toBe(200);
    sandbox.deactivateSecret({ clientId: app.clientId, secret });
    expectRefusal(await ask(secret), 64);
    const third = sandbox.newSecret({ clientId: app.clientId });
    expectRefusal(await ask(second), 64);
    expect((await ask(third)).status).toBe(200);
  });
});

describe('the other grants', () => {
  it('logs a user in at home, and sends them home from elsewhere', async () => {
    const { admin } = stage;
    const fields = { grant_type: 'password', username: admin.login, password: admin.password };
    const answer = await stage.token(fields, 'us2');
    expect(answer.status).toBe(200);
    expect(decodeJwt(String(answer.json['id_token'])).sub).toBe(admin.id);
    expect((await stage.token({ ...fields, credtype: 'password' }, 'us2')).status).toBe(200);
    for (const dataCentre of ['glz', 'eu2']) {
      const elsewhere = await stage.token(fields, dataCentre);
      expectRefusal(elsewhere, 16);
      expect(elsewhere.json['geolocation']).toBe(stage.sandbox.baseUris['us2']);
    }
  });

  it('refuses a wrong password, an unknown login, a locked user, an unknown credtype', async () => {
    const { admin, sandbox } = stage;
    const fields = { grant_type: 'password', username: admin.login, password: admin.password };
    expectRefusal(await stage.token({ ...fields, password: 'wrong' }, 'us2'), 5);
    expectRefusal(await stage.token({ ...fields, username: 'nobody@aurora.example' }, 'us2'), 55);
    expectRefusal(await stage.token({ ...fields, username: 'nobody' }, 'us2'), 5);
    expectRefusal(await stage.token({ ...fields, credtype: 'saml' }, 'us2'), 120);
    sandbox.disable({ userId: admin.id, code: 14 });
    expectRefusal(await stage.token(fields, 'us2'), 14);
  });

  it('gives an application token without a refresh token', async () => {
    const { status, json } = await stage.token({ grant_type: 'client_credentials' }, 'us2');
    expect(status).toBe(200);
    expect(Object.keys(json).sort()).toEqual(['access_token', 'expires_in', 'geolocation', 'scope', 'token_type']);
    expect((await stage.profile(json['access_token'])).status).toBe(403);
  });

  it('refuses the obsolete spelling "refresh", and what it does not play', async () => {
    const { json } = await stage.exchange();
    const obsolete = await stage.token({ grant_type: 'refresh', refresh_token: String(json['refresh_token']) }, 'us2');
    expectRefusal(obsolete, 107, 'unsupported_grant_type');
    expectRefusal(await stage.token({ grant_type: 'otp', otp: '1' }), 107, 'unsupported_grant_type');
    expectRefusal(await stage.token({ grant_type: 'authorization_code' }), 101);
    expectRefusal(
      await stage.token({ grant_type: 'authorization_code', code: 'c', redirect_uri: 'https://p.example' }),
      107,
      'unsupported_grant_type',
    );
    expectRefusal(await stage.token({}), 65);
  });
});
