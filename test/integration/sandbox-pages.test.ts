import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStage } from './sandbox-client.ts';
import type { Answer, Stage } from './sandbox-client.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await openStage({ seed: 'demo' });
});
afterEach(() => stage.close());

const page = (path: string): Promise<Answer> => stage.send(`${stage.sandbox.url}${path}`);
const press = (
  path: string,
  fields: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Answer> =>
  stage.send(`${stage.sandbox.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  });
/** The page to which a command leads. */
const follow = (answer: Answer): Promise<Answer> => {
  expect(answer.status).toBe(303);
  return page(String(answer.headers['location']));
};

describe('the App Center', () => {
  it('lists the companies, and what they are connected to', async () => {
    const before = await page('/');
    expect(before.status).toBe(200);
    expect(before.text).toContain('Hansekontor Maschinenbau');
    expect(before.text).not.toContain('Connected to Demo');
    await stage.exchange();
    expect((await page('/')).text).toContain('Connected to Demo');
  });

  it('sends the browser from Connect to the app, with id, requestToken and userId', async () => {
    const { company, admin, app } = stage;
    const answer = await press(`/companies/${company.id}/apps/${app.clientId}/connect`, { userId: admin.id });
    expect(answer.status).toBe(303);
    const url = new URL(String(answer.headers['location']));
    expect(url.origin + url.pathname).toBe('http://partner.example/connect/demo');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      tenant: '1',
      id: company.id,
      requestToken: stage.sandbox.grants()[0]?.requestTokens[0]?.value,
      userId: admin.id,
    });
  });

  it('keeps Connect from people without the Web Services Admin permission, on the page and behind it', async () => {
    const { company, colleague, admin, app } = stage;
    const disabled = /<button class="primary" disabled aria-label="Connect Demo" aria-describedby="why-0">/;
    expect((await page(`/companies/${company.id}?as=${colleague.id}`)).text).toMatch(disabled);
    expect((await page(`/companies/${company.id}?as=${admin.id}`)).text).not.toMatch(disabled);
    const answer = await press(`/companies/${company.id}/apps/${app.clientId}/connect`, { userId: colleague.id });
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('lacks the Web Services Admin permission');
  });

  it('disconnects, disables and enables the application', async () => {
    const { company, app } = stage;
    const base = `/companies/${company.id}/apps/${app.clientId}`;
    const { json } = await stage.exchange();
    const disabled = await follow(await press(`${base}/disable`));
    expect(disabled.text).toContain('Enable application');
    expect((await stage.refresh(json['refresh_token'])).json['code']).toBe(53);
    await follow(await press(`${base}/enable`));
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
    const disconnected = await follow(await press(`${base}/disconnect`));
    expect(disconnected.text).toContain('Nobody told the partner');
    expect((await stage.refresh(json['refresh_token'])).json['code']).toBe(108);
  });
});

describe('Web Services administration', () => {
  it('shows a request token once', async () => {
    const { company, app } = stage;
    const answer = await press(`/companies/${company.id}/request-token`, { clientId: app.clientId });
    const shown = await follow(answer);
    const value = stage.sandbox.grants()[0]?.requestTokens[0]?.value ?? '';
    expect(shown.text).toContain(value);
    expect((await follow(answer)).text).not.toContain(value);
  });

  it('shows a new secret once, and the old one is dead', async () => {
    const shown = await follow(await press(`/apps/${stage.app.clientId}/secret`, { old: 'dies' }));
    expect(shown.text).toContain(stage.app.secrets.at(-1)?.value);
    expect((await stage.exchange()).json['code']).toBe(64);
    expect((await page('/apps')).text).toContain('Inactive, code 64');
  });

  it('moves the tenant, disables people and company, begins and ends maintenance', async () => {
    const { company, admin } = stage;
    const base = `/companies/${company.id}`;
    await follow(await press(`${base}/move`, { dataCentre: 'eu2', formerHome: 'serves' }));
    expect(stage.sandbox.companies().find(({ id }) => id === company.id)).toMatchObject({
      dataCentre: 'eu2',
      formerHomes: { us2: 'serves' },
    });
    expect((await follow(await press(`${base}/maintenance`, { on: 'true' }))).text).toContain('Maintenance has begun');
    expect((await follow(await press(`${base}/maintenance`, { on: 'false' }))).text).toContain('Maintenance is over');
    await follow(await press(`${base}/disable`, { code: '11' }));
    expect((await stage.exchange()).json['code']).toBe(11);
    await follow(await press(`${base}/enable`));
    await follow(await press(`${base}/users/${admin.id}/disable`, { code: '14' }));
    expect(admin.disabledCode).toBe(14);
    expect((await press(`${base}/explode`)).status).toBe(404);
  });

  it('lets tokens run out', async () => {
    const { company, app } = stage;
    const { json } = await stage.exchange();
    const fields = { clientId: app.clientId, principalId: company.id };
    await follow(await press(`/companies/${company.id}/expire`, { ...fields, which: 'access' }));
    expect((await stage.profile(json['access_token'])).status).toBe(403);
    await follow(await press(`/companies/${company.id}/expire`, { ...fields, which: 'refresh' }));
    expect((await stage.refresh(json['refresh_token'])).json['code']).toBe(108);
  });
});

describe('the other pages', () => {
  it('add a company with an administrator and a colleague', async () => {
    const added = await follow(await press('/companies', { name: 'New & <Shiny>', dataCentre: 'apj1' }));
    expect(added.text).toContain('New &amp; &lt;Shiny&gt;');
    expect(added.text).not.toContain('<Shiny>');
    const company = stage.sandbox.companies().at(-1);
    expect(stage.sandbox.users(company?.id).map((user) => user.webServicesAdmin)).toEqual([true, false]);
    expect((await press('/companies', { name: ' ' })).status).toBe(400);
  });

  it('switch faults on and off', async () => {
    const on = await press('/faults', { preset: 'outage', endpoint: 'token', dataCentre: 'us2', times: 'always' });
    expect((await follow(on)).text).toContain('html-503');
    const { json } = await stage.exchange();
    expect((await stage.refresh(json['refresh_token'])).status).toBe(503);
    await follow(await press(`/faults/${stage.sandbox.faults()[0]?.id}/off`));
    expect((await stage.refresh(json['refresh_token'])).status).toBe(200);
    await press('/faults', { preset: 'lost', times: '3' });
    await follow(await press('/faults/off'));
    expect(stage.sandbox.faults()).toEqual([]);
    expect((await press('/faults', { preset: 'unheard-of' })).status).toBe(400);
  });

  it('show the calls and what is on file without any secret in clear', async () => {
    const { json } = await stage.exchange();
    await stage.refresh(json['refresh_token']);
    await stage.refresh('unknown-value');
    const calls = await page('/calls');
    expect(calls.text).toContain('400, code 108');
    for (const path of ['/', '/calls', '/apps', '/faults', `/companies/${stage.company.id}`]) {
      const { text } = await page(path);
      for (const { value } of stage.sandbox.issuedSecrets()) expect(text).not.toContain(value);
    }
  });

  it('refuse a form that another site has sent', async () => {
    const answer = await press('/faults/off', {}, { origin: 'https://evil.example' });
    expect(answer.status).toBe(403);
    const own = await press('/faults/off', {}, { origin: stage.sandbox.url });
    expect(own.status).toBe(303);
  });

  it('are documents with a language, a title, one heading of the first rank and labels on every field', async () => {
    await stage.exchange();
    for (const path of ['/', '/calls', '/apps', '/faults', '/__sandbox', `/companies/${stage.company.id}`]) {
      const { text } = await page(path);
      expect(text).toContain('<html lang="en">');
      expect(text).toMatch(/<title>[^<]+ · Concur sandbox<\/title>/);
      expect(text.match(/<h1>/g)).toHaveLength(1);
      const fields = [...text.matchAll(/<(?:select|input) id="([^"]+)"/g)].map((match) => match[1]);
      for (const id of fields) expect(text).toContain(`<label for="${id}">`);
      expect(new Set(fields).size).toBe(fields.length);
      expect(text).not.toMatch(/ style="| on\w+="/);
    }
  });
});
