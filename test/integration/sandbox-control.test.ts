import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStage } from './sandbox-client.ts';
import type { Stage } from './sandbox-client.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

interface Description {
  readonly baseUris: Readonly<Record<string, string>>;
  readonly commands: readonly { readonly path: string; readonly does: string; readonly body: object }[];
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

async function describeSandbox(): Promise<Description> {
  const answer = await stage.send(`${stage.sandbox.url}/__sandbox`, { headers: { accept: 'application/json' } });
  return answer.json as unknown as Description;
}

describe('GET /__sandbox', () => {
  it('describes every command with a schema that compiles', async () => {
    const description = await describeSandbox();
    expect(description.baseUris).toEqual(stage.sandbox.baseUris);
    expect(description.commands.length).toBeGreaterThan(15);
    for (const command of description.commands) {
      expect(command.does).not.toBe('');
      expect(new Ajv2020({ allowUnionTypes: true }).compile(command.body)).toBeTypeOf('function');
    }
  });

  it('names only routes that exist', async () => {
    const { commands, routes } = await describeSandbox();
    const known = [...commands.map(({ path }) => ({ method: 'POST', path })), ...routes];
    for (const { method, path } of known) {
      const answer = await stage.send(`${stage.sandbox.url}${path}`, {
        method: method as 'GET',
        ...(method === 'POST' ? { body: '{"unknown":1}' } : {}),
      });
      expect([200, 400, 404], `${method} ${path}`).toContain(answer.status);
      // A 404 is about the thing in the path, said by the route itself.
      if (answer.status === 404) expect(answer.json['message']).toMatch(/there is no/);
    }
  });

  it('is a page for a browser', async () => {
    const answer = await stage.send(`${stage.sandbox.url}/__sandbox`, { headers: { accept: 'text/html' } });
    expect(answer.headers['content-type']).toMatch(/^text\/html/);
    expect(answer.text).toContain('POST /__sandbox/faults');
  });
});

describe('POST /__sandbox', () => {
  it('plays a whole life: company, app, connect, refresh, move, disconnect', async () => {
    const { command, sandbox } = stage;
    const app = (await command('apps', { name: 'Partner', connectUri: 'https://partner.example/c' })).json;
    const company = (
      await command('companies', {
        name: 'Bluefin',
        dataCentre: 'eu2',
        users: [{ displayName: 'Ann Admin', webServicesAdmin: true }],
      })
    ).json;
    const clientId = String(app['clientId']);
    const principalId = String(company['id']);
    const connect = (await command('connect', { clientId, principalId, userIdParameter: 'userID' })).json;
    const url = new URL(String(connect['url']));
    expect(url.searchParams.get('id')).toBe(principalId);
    expect(url.searchParams.get('requestToken')).toBe(connect['requestToken']);
    expect(url.searchParams.get('userID')).toBe(connect['userId']);

    const credentials = { client_id: clientId, client_secret: String(app['clientSecret']) };
    const exchange = await stage.token({
      ...credentials,
      grant_type: 'password',
      credtype: 'authtoken',
      username: principalId,
      password: String(connect['requestToken']),
    });
    const refresh = {
      ...credentials,
      grant_type: 'refresh_token',
      refresh_token: String(exchange.json['refresh_token']),
    };
    expect((await stage.token(refresh, 'eu2')).status).toBe(200);
    await command('move', { companyId: principalId, dataCentre: 'us2' });
    expect((await stage.token(refresh, 'eu2')).json).toMatchObject({ code: 16, geolocation: sandbox.baseUris['us2'] });
    expect((await command('disconnect', { clientId, principalId })).json).toEqual({ ended: 1 });
    expect((await stage.token(refresh, 'us2')).json['code']).toBe(108);
  });

  it('disables and enables an app, an app at a company, a company, a user', async () => {
    const { command, app, company, admin, sandbox } = stage;
    const code = async () => (await stage.exchange()).json['code'];
    const { clientId } = app;
    const companyId = company.id;
    for (const [target, expected] of [
      [{ clientId }, 59],
      [{ clientId, companyId }, 53],
      [{ companyId }, 10],
      [{ companyId, code: 123 }, 123],
    ] as const) {
      expect((await command('disable', target)).status).toBe(200);
      expect(await code()).toBe(expected);
      expect((await command('enable', target)).status).toBe(200);
      expect(await code()).toBeUndefined();
    }
    await command('disable', { userId: admin.id, code: 12 });
    expect(sandbox.users(companyId)[0]?.disabledCode).toBe(12);
    expect((await command('disable', { companyId, code: 99 })).status).toBe(400);
    expect((await command('disable', {})).json['message']).toMatch(/give clientId/);
  });

  it('makes request tokens, new secrets, maintenance, expiries', async () => {
    const { command, app, company, secret } = stage;
    const { clientId } = app;
    const key = { clientId, principalId: company.id };
    const made = (await command('request-token', key)).json;
    expect(made).toEqual({ id: company.id, requestToken: expect.any(String), expiresAt: expect.any(String) });
    await command('maintenance', { companyId: company.id, on: true });
    expect((await stage.exchange()).json['code']).toBe(134);
    await command('maintenance', { companyId: company.id, on: false });
    const { json } = await stage.exchange();
    expect((await command('expire', { ...key, which: 'access' })).json).toEqual({ expired: 1 });
    expect((await stage.profile(json['access_token'])).status).toBe(403);
    const added = (await command('new-secret', { clientId, old: 'overlaps' })).json['clientSecret'];
    expect((await stage.exchange()).status).toBe(200);
    await command('deactivate-secret', { clientId, secret });
    expect((await stage.exchange()).json['code']).toBe(64);
    expect((await stage.token({ grant_type: 'client_credentials', client_secret: String(added) })).status).toBe(200);
  });

  it('changes settings, the rotation of one app and the clock', async () => {
    const { command, app } = stage;
    const settings = (await command('settings', { accessTokenTtl: '15s', rotation: 'lax', expiresInAs: 'number' }))
      .json;
    expect(settings).toMatchObject({ accessTokenTtlMs: 15_000, rotation: 'lax', refreshTokenTtlMs: 180 * 86_400_000 });
    const { json } = await stage.exchange();
    expect(json['expires_in']).toBe(15);
    expect((await stage.profile(json['access_token'])).status).toBe(200);
    await command('clock', { advance: '15s' });
    expect((await stage.profile(json['access_token'])).status).toBe(403);
    await command('rotation', { clientId: app.clientId, rotation: 'same' });
    expect((await stage.refresh(json['refresh_token'])).json['refresh_token']).toBe(json['refresh_token']);
    expect((await command('settings', { accessTokenTtl: 'soon' })).json['message']).toMatch(/accessTokenTtl.*duration/);
  });

  it('switches faults on, releases, lists and removes them', async () => {
    const { command, sandbox } = stage;
    const held = (await command('faults', { kind: 'hold', match: { endpoint: 'token' } })).json;
    const exchange = stage.exchange();
    await expect.poll(() => sandbox.calls({ endpoint: 'token' }).length).toBe(1);
    await stage.command(`faults/${String(held['id'])}/release`, {});
    expect((await exchange).status).toBe(200);
    const always = (await command('faults', { kind: 'html-503', times: 'always' })).json;
    const listed = await stage.send(`${sandbox.url}/__sandbox/faults`);
    expect(listed.json['faults']).toMatchObject([{ id: always['id'], hits: 0, left: 'always' }]);
    await stage.send(`${sandbox.url}/__sandbox/faults/${String(always['id'])}`, { method: 'DELETE' });
    expect(sandbox.faults()).toEqual([]);
    await command('faults', { kind: 'drop' });
    await stage.send(`${sandbox.url}/__sandbox/faults`, { method: 'DELETE' });
    expect((await stage.exchange()).status).toBe(200);
  });

  it('says what is wrong with a command', async () => {
    const { command, sandbox, app, company, colleague } = stage;
    expect((await command('companies', {})).json['message']).toMatch(/name/);
    expect((await command('companies', { name: 'X', typo: 1 })).json['message']).toMatch(/typo/);
    expect((await command('companies', { name: 'X', dataCentre: 'glz' })).json['message']).toMatch(/us2, eu2, apj1/);
    expect((await command('companies', { name: 'X', id: 'no-uuid' })).status).toBe(400);
    expect((await command('companies', { name: 'X', id: company.id })).status).toBe(409);
    expect((await command('request-token', { clientId: 'nobody', principalId: company.id })).status).toBe(404);
    expect((await command('faults', { kind: 'earthquake' })).status).toBe(400);
    const broken = await stage.send(`${sandbox.url}/__sandbox/companies`, { method: 'POST', body: '{' });
    expect(broken).toMatchObject({ status: 400, json: { message: 'the body is no JSON' } });
    const unpermitted = { clientId: app.clientId, principalId: company.id, userId: colleague.id };
    expect((await command('connect', unpermitted)).status).toBe(403);
  });

  it('is deaf to pages of other origins', async () => {
    const answer = await stage.send(`${stage.sandbox.url}/__sandbox/companies`, {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: '{"name":"X"}',
    });
    expect(answer.status).toBe(403);
    expect(stage.sandbox.companies()).toHaveLength(1);
  });
});

describe('what can be looked at', () => {
  it('shows what Concur has on file, secrets masked', async () => {
    await stage.exchange();
    const { text, json } = await stage.send(`${stage.sandbox.url}/__sandbox/state`);
    expect(json['grants']).toMatchObject([{ principalName: 'Aurora', connected: true, dataCentre: 'us2' }]);
    const secrets = stage.sandbox.issuedSecrets();
    expect(secrets.length).toBeGreaterThan(5);
    for (const { value } of secrets) expect(text).not.toContain(value);
  });

  it('answers the calls, filtered', async () => {
    await stage.exchange();
    const { json } = await stage.exchange();
    await stage.profile(json['access_token']);
    const calls = async (query: string) =>
      (await stage.send(`${stage.sandbox.url}/__sandbox/calls${query}`)).json['calls'] as readonly { id: number }[];
    expect(await calls('')).toHaveLength(3);
    expect(await calls('?endpoint=profile&status=200')).toHaveLength(1);
    expect(await calls(`?grantType=authtoken&principalId=${stage.company.id}&after=1`)).toHaveLength(1);
    expect((await stage.send(`${stage.sandbox.url}/__sandbox/calls?endpoint=soap`)).status).toBe(400);
  });

  it('answers every issued secret in clear, for tests that look where none may be', async () => {
    const { json } = await stage.exchange();
    const answer = await stage.send(`${stage.sandbox.url}/__sandbox/issued-secrets`);
    expect(answer.json['complete']).toBe(true);
    const values = (answer.json['secrets'] as readonly { value: string }[]).map(({ value }) => value);
    expect(values).toContain(json['access_token']);
  });
});
