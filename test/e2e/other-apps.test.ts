/** Apps for me, and apps of before 2017, from Connect in a real browser to a token and to its end. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBrowser } from '../rig/browser.ts';
import { clientIdOf } from './administrator.ts';
import { type SharedProduct, sharedProduct } from './product.ts';

let product: SharedProduct;
let browser: Browser;

beforeAll(async () => {
  [product, browser] = await Promise.all([sharedProduct(), openBrowser()]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
}, 30_000);

interface Person {
  readonly id: string;
}

/** Somebody without any special permission. */
async function addPerson(displayName: string): Promise<Person> {
  const { users } = await product.sandbox<{ readonly users: readonly Person[] }>('companies', {
    name: `${displayName} Ltd`,
    dataCentre: 'eu2',
    users: [{ displayName }],
  });
  const [person] = users;
  if (person === undefined) throw new Error('the sandbox has made nobody');
  return person;
}

async function pressConnect(app: string, person: Person, more: object = {}): Promise<Page> {
  const clientId = await clientIdOf(product, app);
  const pressed = { clientId, principalId: person.id, userId: person.id, ...more };
  const { url } = await product.sandbox<{ readonly url: string }>('connect', pressed);
  const page = await browser.newPage({ viewport: { width: 800, height: 600 } });
  await page.goto(url);
  return page;
}

async function confirm(page: Page, brand: string): Promise<void> {
  expect(page.url()).not.toMatch(/requestToken|code=/);
  await page.getByRole('button', { name: `Connect to ${brand}` }).click();
  await page.locator('body[data-outcome="connected"]').waitFor({ timeout: 20_000 });
  await page.close();
}

interface Read {
  readonly token_type: string;
  readonly access_token: string;
  readonly geolocation: string;
}

async function readToken(app: string, principal: string): Promise<Read> {
  const response = await product.api(`/v1/apps/${app}/connections/${principal}/token`);
  expect(response.status).toBe(200);
  return (await response.json()) as Read;
}

it('an app for me is connected to the user who pressed', async () => {
  const person = await addPerson('Uma Field');
  await confirm(await pressConnect('demo-user', person), 'Demo Pocket');
  const response = await product.api(`/v1/apps/demo-user/connections/${person.id}`);
  expect(await response.json()).toMatchObject({ principal_type: 'user', state: 'active', data_center: 'eu2' });
  expect(await readToken('demo-user', person.id)).toMatchObject({ token_type: 'Bearer' });
});

it('an app of before 2017 is connected by its code, read with its own kind of token, and revoked', async () => {
  const person = await addPerson('Cleo Past');
  await confirm(await pressConnect('demo-legacy', person), 'Demo Classic');
  const list = await product.api('/v1/apps/demo-legacy/connections');
  const { items } = (await list.json()) as { readonly items: readonly { readonly principal_id: string }[] };
  expect(items).toMatchObject([{ principal_type: 'legacy-user', state: 'active', data_center: 'eu1' }]);
  const [{ principal_id: principal } = { principal_id: '' }] = items;

  const token = await readToken('demo-legacy', principal);
  expect(token.token_type).toBe('OAuth');
  const profile = await fetch(`${token.geolocation}/profile/v1/me`, {
    headers: { authorization: `OAuth ${token.access_token}` },
  });
  expect([200, 403]).toContain(profile.status);

  const revoked = await product.api(`/v1/apps/demo-legacy/connections/${principal}/revoke`, { method: 'POST' });
  expect(await revoked.json()).toMatchObject({ state: 'revoked' });
  const clientId = await clientIdOf(product, 'demo-legacy');
  const { calls } = await product.sandboxGet<{ readonly calls: readonly { readonly status: number }[] }>(
    `/__sandbox/calls?endpoint=legacy-revoke&clientId=${clientId}`,
  );
  expect(calls).toMatchObject([{ status: 200 }]);
});

it('a request that was declined at SAP Concur is told, and nothing begins', async () => {
  const person = await addPerson('Dana No');
  const page = await pressConnect('demo-legacy', person, { deny: true });
  expect(await page.title()).toContain('declined');
  expect(await page.locator('form').count()).toBe(0);
  await page.close();
});
