import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../rig/browser.ts';
import { addCompany, clientIdOf, type ConnectedCompany } from './administrator.ts';
import { type SharedProduct, sharedProduct } from './product.ts';

const CONFIRM_APP = 'demo-confirm';
const CODE_APP = 'demo-code';
/** How large Concur opens the window of a Connect. */
const WINDOW = { width: 800, height: 600 };

let product: SharedProduct;
let browser: Browser;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  [product, browser] = await Promise.all([sharedProduct(), openBrowser()]);
}, 120_000);

afterAll(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  await browser?.close();
}, 30_000);

/** A person with a browser: `scripts: false` as some companies have it. */
async function openContext(options: { readonly scripts?: boolean } = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: WINDOW, javaScriptEnabled: options.scripts ?? true });
  contexts.push(context);
  return context;
}

/** Presses Connect on the company's page of the sandbox: the window that opens. */
async function pressConnect(context: BrowserContext, app: string, company: ConnectedCompany): Promise<Page> {
  const sandbox = await context.newPage();
  await sandbox.goto(new URL(`/companies/${company.id}`, product.running.sandboxUrl).href);
  const clientId = await clientIdOf(product, app);
  const opened = context.waitForEvent('page');
  await sandbox.locator(`form[action*="/apps/${clientId}/connect"] button`).click();
  const page = await opened;
  await page.waitForURL(new RegExp(`/connect/${app}/s/[\\w-]+$`));
  await sandbox.close();
  return page;
}

async function assertConnected(page: Page, company: ConnectedCompany): Promise<void> {
  await page.locator('body[data-outcome="connected"]').waitFor({ timeout: 20_000 });
  expect(await page.locator('[data-company]').textContent()).toBe(company.name);
  expect(await page.locator('main').textContent()).toContain('close this window');
}

describe('an administrator who presses Connect', () => {
  it('confirms, sees the company named, and the partner has a token that works', async () => {
    const company = await addCompany(product, 'Borealis & Töchter');
    const page = await pressConnect(await openContext(), CONFIRM_APP, company);
    expect(await page.title()).toContain('Connect SAP Concur to Demo ERP');
    expect(await page.locator('main').textContent()).toContain(company.id);
    expect(page.url()).not.toContain('requestToken');
    await page.getByRole('button', { name: 'Connect to Demo ERP' }).click();
    await assertConnected(page, company);

    const response = await product.api(`/v1/apps/${CONFIRM_APP}/connections/${company.id}/token`);
    expect(response.status).toBe(200);
    const token = (await response.json()) as { readonly access_token: string; readonly geolocation: string };
    const me = await fetch(`${token.geolocation}/profile/v1/me`, {
      headers: { authorization: `Bearer ${token.access_token}` },
    });
    expect(me.status).toBe(200);
    expect(await me.json()).toMatchObject({ id: company.id });
  });

  it('gets there with a double click and without scripts', async () => {
    const company = await addCompany(product, 'Twice', 'eu2');
    const page = await pressConnect(await openContext({ scripts: false }), CONFIRM_APP, company);
    await page.getByRole('button', { name: 'Connect to Demo ERP' }).dblclick();
    await assertConnected(page, company);
    const events = await product.api(`/v1/apps/${CONFIRM_APP}/connections/${company.id}/events`);
    const { items } = (await events.json()) as { items: { type: string }[] };
    expect(items.map(({ type }) => type)).toEqual(['connection.connected', 'connect.accepted']);
  });

  it('types the verification code, wrong at first, with the keyboard alone', async () => {
    const company = await addCompany(product, 'Code Breakers');
    const created = await product.evergrant('codes', 'create', CODE_APP, '--customer-ref', 'C-17', '--json');
    expect(created.code, created.stderr).toBe(0);
    const { code } = JSON.parse(created.stdout) as { readonly code: string };
    const page = await pressConnect(await openContext(), CODE_APP, company);
    await page.getByLabel('Verification code').fill('AAAAA-AAAAA');
    const [refused] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      page.keyboard.press('Enter'),
    ]);
    expect(refused.status()).toBe(422);
    await page.getByRole('alert').waitFor();
    expect(await page.title()).toMatch(/^Error: /);
    // The summary has the focus and leads into the field, and the button is within the window.
    expect(await page.evaluate('document.activeElement?.id')).toBe('problem');
    const button = await page.getByRole('button').boundingBox();
    expect((button?.y ?? WINDOW.height) + (button?.height ?? 0)).toBeLessThan(WINDOW.height);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.type(code.toLowerCase());
    await page.keyboard.press('Enter');
    await assertConnected(page, company);
    const connection = await product.api(`/v1/apps/${CODE_APP}/connections/${company.id}`);
    expect(await connection.json()).toMatchObject({ state: 'active', customer_ref: 'C-17' });
  });

  it('connects again while the connection lives, and the old one goes on as the same', async () => {
    const company = await addCompany(product, 'Once More');
    const context = await openContext();
    for (const times of [1, 2]) {
      const page = await pressConnect(context, CONFIRM_APP, company);
      await page.getByRole('button', { name: 'Connect to Demo ERP' }).click();
      await assertConnected(page, company);
      const connection = await product.api(`/v1/apps/${CONFIRM_APP}/connections/${company.id}`);
      expect(await connection.json()).toMatchObject({ state: 'active', version: times });
    }
  });
});

describe('somebody else', () => {
  it('who gets the address of the landing page sees nothing and can do nothing', async () => {
    const company = await addCompany(product, 'Nobody Elses');
    const page = await pressConnect(await openContext(), CONFIRM_APP, company);
    const stranger = await (await openContext()).newPage();
    const response = await stranger.goto(page.url());
    expect(response?.status()).toBe(403);
    expect(await stranger.locator('main').textContent()).toContain('another browser');
    expect(await stranger.locator('form').count()).toBe(0);
    expect(await stranger.locator('main').textContent()).not.toContain(company.id);
    const progress = await stranger.goto(`${page.url()}/progress`);
    expect(progress?.status()).toBe(403);
  });

  it('who opens the same link first wins, and the administrator is told', async () => {
    const company = await addCompany(product, 'Raced');
    const page = await pressConnect(await openContext(), CONFIRM_APP, company);
    // Concur's redirect as the sandbox made it, in another browser: a history, a proxy.
    const url = await redirectUrlOf(company);
    const other = await (await openContext()).newPage();
    await other.goto(url);
    const own = await (await openContext()).newPage();
    await own.goto(url);
    await other.getByRole('button', { name: 'Connect to Demo ERP' }).click();
    await assertConnected(other, company);
    await own.getByRole('button', { name: 'Connect to Demo ERP' }).click();
    await own.locator('body[data-outcome="failed"]').waitFor();
    expect(await own.locator('main').textContent()).toContain('another browser');
    await page.close();
  });
});

async function redirectUrlOf(company: ConnectedCompany): Promise<string> {
  const clientId = await clientIdOf(product, CONFIRM_APP);
  const { url } = await product.sandbox<{ url: string }>('connect', { clientId, principalId: company.id });
  return url;
}

describe('a page', () => {
  it('loads nothing from elsewhere and breaks no policy of its own', async () => {
    const company = await addCompany(product, 'Policies');
    const context = await openContext();
    const requests: string[] = [];
    const complaints: string[] = [];
    context.on('request', (request) => void requests.push(request.url()));
    context.on('console', (message) => void complaints.push(message.text()));
    const page = await context.newPage();
    await page.goto(await redirectUrlOf(company));
    const background = await page.evaluate('getComputedStyle(document.querySelector(".button")).backgroundColor');
    expect(background).toBe('rgb(10, 110, 209)');
    await page.getByRole('button', { name: 'Connect to Demo ERP' }).click();
    await assertConnected(page, company);
    expect(complaints).toEqual([]);
    expect(requests.length).toBeGreaterThan(5);
    expect(new Set(requests.map((url) => new URL(url).origin))).toEqual(new Set([product.running.apiUrl]));
  });

  it('says what is wrong with a link that was cut off', async () => {
    const page = await (await openContext()).newPage();
    const response = await page.goto(new URL(`/connect/${CONFIRM_APP}?id=cut`, product.running.apiUrl).href);
    expect(response?.status()).toBe(400);
    expect(await page.locator('main li').allTextContents()).toEqual(['id', 'requestToken', 'userId']);
  });
});
