/** An app of before 2017 in the sandbox's App Center, on its control surface, and over a restart. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../../dev/sandbox/model/types.ts';
import { createSandbox } from '../../dev/sandbox/sandbox.ts';
import { openStage } from './sandbox-client.ts';
import type { Answer, Stage } from './sandbox-client.ts';

let stage: Stage;
let legacyApp: App;

beforeEach(async () => {
  stage = await openStage({ seed: 'demo' });
  legacyApp = stage.sandbox.addApp({
    name: 'Classic',
    flow: 'app-center-legacy',
    connectUri: 'http://partner.example/redirect',
  });
});
afterEach(() => stage.close());

const page = (path: string): Promise<Answer> => stage.send(`${stage.sandbox.url}${path}`);
const press = (fields: Record<string, string>): Promise<Answer> =>
  stage.send(`${stage.sandbox.url}/companies/${stage.company.id}/apps/${legacyApp.clientId}/connect`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  });
const fetchToken = (query: Record<string, string>): Promise<Answer> =>
  stage.send(
    `${stage.sandbox.legacyBaseUris.www}/net2/oauth2/getaccesstoken.ashx?${new URLSearchParams({
      ...query,
      client_id: legacyApp.clientId,
      client_secret: legacyApp.secrets[0]?.value ?? '',
    }).toString()}`,
  );

describe('the listing of an app of before 2017', () => {
  it('can be pressed by anybody, leads to the redirect page with a code, and then shows the one-year token', async () => {
    const { company, colleague } = stage;
    const before = await page(`/companies/${company.id}?as=${colleague.id}`);
    expect(before.text).toContain('App of before 2017');
    const fields = { userId: colleague.id, principalId: colleague.id };
    const answer = await press(fields);
    const url = new URL(String(answer.headers['location']));
    expect(url.origin + url.pathname).toBe('http://partner.example/redirect');
    expect([...url.searchParams.keys()]).toEqual(['code']);
    const { status, text } = await fetchToken({ code: url.searchParams.get('code') ?? '' });
    expect(status).toBe(200);
    expect(text).toMatch(/<Expiration_date>\d{1,2}\/\d{1,2}\/\d{4} \d{1,2}:\d\d:\d\d [AP]M<\/Expiration_date>/);
    const after = (await page(`/companies/${company.id}?as=${colleague.id}`)).text;
    expect(after).toContain('One-year token');
    expect(after).toContain('Let one-year tokens run out');
    for (const { kind, value } of stage.sandbox.issuedSecrets()) {
      if (kind.startsWith('legacy')) expect(after).not.toContain(value);
    }
  });

  it('has a button to deny', async () => {
    const { company, admin } = stage;
    expect((await page(`/companies/${company.id}`)).text).toContain('aria-label="Deny Classic"');
    const answer = await press({ userId: admin.id, principalId: admin.id, deny: 'true' });
    const { searchParams } = new URL(String(answer.headers['location']));
    expect(searchParams.get('error')).toBe('access_denied');
    expect(searchParams.has('code')).toBe(false);
  });
});

describe('the control surface', () => {
  it('names the legacy instances, makes tokens of old, and changes what the answers are like', async () => {
    const described = await stage.send(`${stage.sandbox.url}/__sandbox`, { headers: { accept: 'application/json' } });
    expect(described.json.legacyBaseUris).toEqual(stage.sandbox.legacyBaseUris);
    expect(Object.keys(stage.sandbox.legacyBaseUris)).toEqual(['www', 'eu1', 'implementation', 'eu1imp']);
    const settings = { legacyTokenTtl: '1h', legacyInstanceUrl: false, legacyErrorStatus: 'ok' };
    expect((await stage.command('settings', settings)).status).toBe(200);
    const made = await stage.command('legacy-token', { clientId: legacyApp.clientId, userId: stage.admin.id });
    expect(Date.parse(String(made.json.expiresAt)) - Date.now()).toBeLessThanOrEqual(3_600_000);
    const refused = await fetchToken({ refresh_token: String(made.json.refreshToken) });
    expect([refused.status, refused.text]).toEqual([200, expect.stringContaining('<Error>')]);
    const pressed = await stage.command('connect', { clientId: legacyApp.clientId, principalId: stage.company.id });
    expect((await fetchToken({ code: String(pressed.json.requestToken) })).text).not.toContain('Instance_Url');
    const state = await page('/__sandbox/state');
    expect(state.text).toContain('legacyTokens');
    expect(state.text).not.toContain(String(made.json.token));
    expect(state.text).not.toContain(String(made.json.refreshToken));
  });
});

describe('a state file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evergrant-sandbox-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('keeps codes and one-year tokens over a restart', async () => {
    const stateFile = join(folder, 'state.json');
    const first = await createSandbox({ stateFile });
    const app = first.addApp({ flow: 'app-center-legacy', connectUri: 'http://partner.example/' });
    const company = first.addCompany({ name: 'Acme' });
    const user = first.addUser({ companyId: company.id, hasProfile: false, webServicesAdmin: true });
    const token = first.legacyToken({ clientId: app.clientId, userId: user.id });
    const { requestToken } = first.pressConnect({ clientId: app.clientId, principalId: user.id });
    await first.close();
    const second = await createSandbox({ stateFile });
    try {
      expect(second.isConnected({ clientId: app.clientId, principalId: user.id })).toBe(true);
      expect(second.grants()[0]?.legacyTokens[0]?.value).toBe(token.value);
      expect(second.grants()[0]?.legacyCodes[0]?.value).toBe(requestToken);
      expect(second.users()[0]?.hasProfile).toBe(false);
      expect(second.apps()[0]?.flow).toBe('app-center-legacy');
    } finally {
      await second.close();
    }
  });

  it('of before there were such things is still read', async () => {
    const stateFile = join(folder, 'state.json');
    const first = await createSandbox({ stateFile, seed: 'demo' });
    first.addApp({ name: 'Old' });
    await first.close();
    const state = JSON.parse(await readFile(stateFile, 'utf8'));
    delete state.concur.legacyCodes;
    delete state.concur.legacyTokens;
    for (const user of state.concur.users) delete user.hasProfile;
    for (const app of state.concur.apps) {
      delete app.flow;
      delete app.legacyClientId;
    }
    await writeFile(stateFile, JSON.stringify(state));
    const second = await createSandbox({ stateFile });
    try {
      expect(second.users().every((user) => user.hasProfile)).toBe(true);
      expect(second.apps()).toMatchObject([{ name: 'Old', flow: 'quick-connect', legacyClientId: null }]);
    } finally {
      await second.close();
    }
  });
});
