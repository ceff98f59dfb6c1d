/** Landing mode `sign-in` in the real browser, with the partner's site that the sandbox plays. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../rig/browser.ts';
import { addCompany, clientIdOf, type ConnectedCompany } from './administrator.ts';
import { type SharedProduct, sharedProduct } from './product.ts';

const APP = 'demo-sign-in';
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

/** A person with a browser of his own. */
async function openContext(options: { readonly scripts?: boolean; readonly locale?: string } = {}) {
  const { scripts = true, locale = 'en-GB' } = options;
  const context = await browser.newContext({ viewport: WINDOW, javaScriptEnabled: scripts, locale });
  contexts.push(context);
  return context;
}

/** Concur's redirect behind the Connect button. */
async function redirectOf(company: ConnectedCompany): Promise<string> {
  const clientId = await clientIdOf(product, APP);
  return (await product.sandbox<{ url: string }>('connect', { clientId, principalId: company.id })).url;
}

/** An administrator of a new company on the landing page. */
async function arrive(name: string, context?: BrowserContext): Promise<{ page: Page; company: ConnectedCompany }> {
  const company = await addCompany(product, name);
  const page = await (context ?? (await openContext())).newPage();
  await page.goto(await redirectOf(company));
  return { page, company };
}

/** Where the landing page leads. */
async function signInUrlOf(page: Page): Promise<string> {
  return (await page.locator('main a.button').getAttribute('href')) ?? '';
}

/** On the partner's site. */
async function signInAs(page: Page, user: string): Promise<void> {
  await page.getByLabel(user).check();
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** From the landing page to the last one. */
async function goAndSignIn(page: Page, user = 'Alice Archer'): Promise<void> {
  await page.locator('main a.button').click();
  await page.waitForURL(/\/partner\/sign-in\?session=/);
  await signInAs(page, user);
}

async function assertConnected(page: Page, company: ConnectedCompany, customerRef: string): Promise<void> {
  await page.locator('body[data-outcome="connected"]').waitFor({ timeout: 20_000 });
  expect(await page.locator('[data-company]').textContent()).toContain(company.name);
  const response = await product.api(`/v1/apps/${APP}/connections/${company.id}`);
  expect(await response.json()).toMatchObject({ state: 'active', customer_ref: customerRef });
}

async function assertNothingBegun(company: ConnectedCompany): Promise<void> {
  expect((await product.api(`/v1/apps/${APP}/connections/${company.id}`)).status).toBe(404);
}

/** The button of the last page. */
function connectButton(page: Page) {
  return page.locator('main form').getByRole('button');
}

describe('an administrator who signs in at the partner', () => {
  it('sees which company is connected to which account, and it is', async () => {
    const context = await openContext();
    const visited: string[] = [];
    context.on('request', (request) => {
      if (request.isNavigationRequest()) visited.push(`${request.url()} ${request.headers().referer ?? ''}`);
    });
    const { page, company } = await arrive('Borealis', context);
    expect(await signInUrlOf(page)).toMatch(/\/partner\/sign-in\?session=[\w-]{22}$/);
    await goAndSignIn(page);
    await page.waitForURL(/\/return$/);
    const text = (await page.locator('main').textContent()) ?? '';
    for (const said of ['SAP Concur', 'Demo Receipts', company.id, 'Acme Ltd']) expect(text).toContain(said);
    await assertNothingBegun(company);
    await connectButton(page).click();
    await assertConnected(page, company, 'Acme Ltd');
    // The ticket was in one address, for one hop, and was never sent on as a referrer.
    expect(visited.filter((line) => line.includes('ticket='))).toEqual([
      expect.stringMatching(/\/return\?ticket=[\w-]{43} $/),
    ]);
    const secrets = (await context.cookies()).map(({ value }) => value);
    expect(secrets.length).toBeGreaterThan(0);
    for (const line of visited) for (const secret of secrets) expect(line).not.toContain(secret);
  });

  it('gets there by signing up, without scripts, in German', async () => {
    const { page, company } = await arrive('Anmeldung AG', await openContext({ scripts: false, locale: 'de-DE' }));
    await page.getByRole('link', { name: 'Registrieren' }).click();
    await page.getByLabel('Company').fill('Neue Kundin & Söhne');
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.waitForURL(/\/return$/);
    expect(await page.locator('html').getAttribute('lang')).toBe('de');
    expect(await page.locator('[data-customer-ref]').textContent()).toBe('Neue Kundin & Söhne');
    await connectButton(page).dblclick();
    await assertConnected(page, company, 'Neue Kundin & Söhne');
  });

  it('was the wrong one, goes back and signs in as another', async () => {
    const { page, company } = await arrive('Second Thoughts');
    await goAndSignIn(page, 'Gus Grissom');
    await page.waitForURL(/\/return$/);
    expect(await page.locator('[data-customer-ref]').textContent()).toBe('Globex Corporation');
    await page.locator('main a').click();
    await goAndSignIn(page, 'Alice Archer');
    await page.waitForURL(/\/return$/);
    await connectButton(page).click();
    await assertConnected(page, company, 'Acme Ltd');
  });

  it('can go back and forward, before and after, and ends where he was', async () => {
    const { page, company } = await arrive('To And Fro');
    await goAndSignIn(page);
    await page.waitForURL(/\/return$/);
    await page.goBack();
    await page.goForward();
    await page.waitForURL(/\/return$/);
    await page.reload();
    await connectButton(page).click();
    await assertConnected(page, company, 'Acme Ltd');
    await page.goBack();
    await page.locator('body[data-outcome="connected"]').waitFor();
    expect(await page.locator('main form').count()).toBe(0);
    const events = await product.api(`/v1/apps/${APP}/connections/${company.id}/events`);
    const { items } = (await events.json()) as { items: { type: string }[] };
    expect(items.filter(({ type }) => type === 'connect.accepted')).toHaveLength(1);
  });

  it('connects two companies in two tabs, each with the account that its page names', async () => {
    const context = await openContext();
    const one = await arrive('Tab One', context);
    const two = await arrive('Tab Two', context);
    await goAndSignIn(one.page, 'Alice Archer');
    await goAndSignIn(two.page, 'Gus Grissom');
    await Promise.all([one.page.waitForURL(/\/return$/), two.page.waitForURL(/\/return$/)]);
    await connectButton(one.page).click();
    await connectButton(two.page).click();
    await assertConnected(one.page, one.company, 'Acme Ltd');
    await assertConnected(two.page, two.company, 'Globex Corporation');
  });
});

describe('of one visit in two tabs', () => {
  it('only the newest sign-in counts: the older page is refused and leads back', async () => {
    const context = await openContext();
    const { page, company } = await arrive('Twice Signed In', context);
    const signInUrl = await signInUrlOf(page);
    await goAndSignIn(page, 'Alice Archer');
    await page.waitForURL(/\/return$/);
    const other = await context.newPage();
    await other.goto(signInUrl);
    await signInAs(other, 'Gus Grissom');
    await other.waitForURL(/\/return$/);
    const [refused] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      connectButton(page).click(),
    ]);
    expect(refused.status()).toBe(403);
    expect(await page.title()).toMatch(/^Error: .*not valid any more/);
    await assertNothingBegun(company);
    await connectButton(other).click();
    await assertConnected(other, company, 'Globex Corporation');
    await page.getByRole('link', { name: 'Back to the sign-in' }).click();
    await page.locator('body[data-outcome="connected"]').waitFor();
  });
});

describe('somebody who sends his own sign-in link to a customer', () => {
  it('gets nothing: the customer signs in, is told that nothing was connected, and the ticket is void', async () => {
    const attacker = await arrive('Mallory Inc');
    const before = await attacker.page.content();
    const victim = await (await openContext()).newPage();
    await victim.goto(await signInUrlOf(attacker.page));
    const [answer] = await Promise.all([
      victim.waitForResponse((response) => response.url().includes('/return?ticket=')),
      signInAs(victim, 'Alice Archer'),
    ]);
    expect(answer.status()).toBe(403);
    expect(await victim.title()).toContain('Nothing has been connected');
    expect(await victim.locator('main').textContent()).toContain('close this window');
    expect(await victim.locator('form').count()).toBe(0);
    await assertNothingBegun(attacker.company);

    // His own pages tell him nothing, and the address out of the victim's history is of no use to him.
    await attacker.page.reload();
    expect(await attacker.page.content()).toBe(before);
    expect((await attacker.page.goto(`${attacker.page.url()}/return`))?.status()).toBe(403);
    expect((await attacker.page.goto(answer.url()))?.status()).toBe(403);
    expect(await attacker.page.locator('form').count()).toBe(0);
    await assertNothingBegun(attacker.company);
  });

  it('cannot send the form without the ticket either', async () => {
    const context = await openContext({ scripts: false });
    const { page, company } = await arrive('Forger Ltd', context);
    await goAndSignIn(page);
    await page.waitForURL(/\/return$/);
    const csrf = (await page.locator('input[name="csrf"]').getAttribute('value')) ?? '';
    const landing = page.url().replace(/\/return$/, '');
    for (const form of [{ csrf }, { csrf, ticket: 'x'.repeat(43) }]) {
      const response = await context.request.post(landing, { form, maxRedirects: 0 });
      expect(response.status()).toBe(403);
    }
    await assertNothingBegun(company);
  });
});

describe('the address of the way back', () => {
  it('is of no use after it was used, neither here nor elsewhere', async () => {
    const context = await openContext();
    const { page, company } = await arrive('Used Up', context);
    const [hop] = await Promise.all([
      page.waitForResponse((response) => response.url().includes('/return?ticket=')),
      goAndSignIn(page),
    ]);
    await page.waitForURL(/\/return$/);
    await connectButton(page).click();
    await assertConnected(page, company, 'Acme Ltd');
    const again = await context.newPage();
    await again.goto(hop.url());
    expect(again.url()).toMatch(/\/progress$/);
    const elsewhere = await (await openContext()).newPage();
    expect((await elsewhere.goto(hop.url()))?.status()).toBe(403);
  });

  it('of one visit does not open another', async () => {
    const context = await openContext();
    const one = await arrive('Mixed One', context);
    const two = await arrive('Mixed Two', context);
    const landing = one.page.url();
    const [hop] = await Promise.all([
      two.page.waitForResponse((response) => response.url().includes('/return?ticket=')),
      goAndSignIn(two.page),
    ]);
    const response = await one.page.goto(`${landing}/return${new URL(hop.url()).search}`);
    expect(response?.status()).toBe(403);
    await one.page.getByRole('link', { name: 'Back to the sign-in' }).click();
    expect(one.page.url()).toBe(landing);
    await assertNothingBegun(one.company);
  });
});
