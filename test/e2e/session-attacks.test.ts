/**
 * What can be tried on a connect session, since SAP Concur sends no state that would bind its redirect to a browser:
 * each attack, and each accident that looks like one, has a defined end. In the real browser, against `npm start`.
 * Longer than 300 lines: all attacks share one stack, which takes long to start.
 */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../rig/browser.ts';
import { addCompany, type ConnectedCompany } from './administrator.ts';
import { type SharedProduct, sharedProduct } from './product.ts';
import { assertConnected, createPeople, follow, type People, redirectUrlOf } from './visit.ts';
import { waitFor } from './wait-for.ts';

let product: SharedProduct;
let browser: Browser;
let people: People;
let database: pg.Client;

beforeAll(async () => {
  [product, browser] = await Promise.all([sharedProduct(), openBrowser()]);
  people = createPeople(browser);
  database = new pg.Client({ connectionString: product.running.environment.MIGRATION_DATABASE_URL ?? '' });
  await database.connect();
}, 150_000);

afterAll(async () => {
  await people?.close();
  await browser?.close();
  await database?.end();
}, 30_000);

interface Mode {
  readonly mode: string;
  readonly app: string;
  /** What the administrator of the company has to type, if anything. */
  prepare(company: ConnectedCompany): Promise<string | null>;
}

const modes: readonly Mode[] = [
  { mode: 'confirm', app: 'demo-confirm', prepare: async () => null },
  {
    mode: 'verification-code',
    app: 'demo-code',
    async prepare({ id }) {
      const response = await product.api('/v1/apps/demo-code/verification-codes', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ principal_id: id }),
      });
      expect(response.status).toBe(201);
      return ((await response.json()) as { readonly code: string }).code;
    },
  },
];

/** Exchanges of a company's request tokens that Concur has seen. */
async function exchangesOf({ id }: ConnectedCompany): Promise<number> {
  const { calls } = await product.sandboxGet<{ calls: { principalId: string | null; grantType: string | null }[] }>(
    '/__sandbox/calls',
  );
  return calls.filter(({ principalId, grantType }) => principalId === id && grantType === 'authtoken').length;
}

async function assertNothingBegun(app: string, company: ConnectedCompany): Promise<void> {
  expect(await exchangesOf(company)).toBe(0);
  expect((await product.api(`/v1/apps/${app}/connections/${company.id}`)).status).toBe(404);
}

/** Fills in the landing page and sends it. */
async function complete(page: Page, code: string | null): Promise<void> {
  if (code !== null) await page.locator('#code').fill(code);
  await page.locator('main form button').click();
}

/** The form as a program would send it, with this browser's cookies. */
async function submit(context: BrowserContext, url: string, fields: Readonly<Record<string, string>>) {
  const cookies = await context.cookies(url);
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; '),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(fields).toString(),
  });
  return { status: response.status, location: response.headers.get('location'), text: await response.text() };
}

async function csrfOf(page: Page): Promise<string> {
  return (await page.locator('input[name="csrf"]').getAttribute('value')) ?? '';
}

const sessionIdOf = (page: Page): string => /\/s\/([\w-]+)/.exec(page.url())?.[1] ?? '';

describe.each(modes)('in mode $mode', ({ mode, app, prepare }) => {
  const nameOf = (what: string): string => `${what} ${mode}`;

  async function arrive(what: string, context?: BrowserContext) {
    const company = await addCompany(product, nameOf(what));
    const url = await redirectUrlOf(product, app, company);
    const visitor = context ?? (await people.open());
    return { company, url, context: visitor, page: await follow(visitor, url), code: await prepare(company) };
  }

  it("fixation: the attacker's landing page opens in no other browser", async () => {
    const { company, page } = await arrive('Fixated Page');
    const victim = await (await people.open()).newPage();
    for (const path of ['', '/progress']) {
      expect((await victim.goto(`${page.url()}${path}`))?.status()).toBe(403);
      expect(await victim.locator('form').count()).toBe(0);
      expect(await victim.locator('body').textContent()).not.toContain(company.id);
    }
    await assertNothingBegun(app, company);
  });

  it("fixation: the attacker's redirect gives the victim a session of his own, which says whose company it is", async () => {
    const { company, url, page, context } = await arrive('Fixated Link');
    const victim = await follow(await people.open(), url);
    expect(sessionIdOf(victim)).not.toBe(sessionIdOf(page));
    expect(await victim.locator('main').textContent()).toContain(company.id);
    expect(await victim.locator('main').textContent()).toContain('Nothing has been connected yet');
    // The attacker can't send the page for the victim, nor with what he can see of it.
    const stolen = await submit(context, victim.url(), { csrf: await csrfOf(victim) });
    expect(stolen.status).toBe(403);
    await assertNothingBegun(app, company);
  });

  it('replay: the redirect leads the same browser to the outcome, and exchanges nothing again', async () => {
    const { company, url, context, page, code } = await arrive('Replayed Here');
    await complete(page, code);
    await assertConnected(page, company);
    const again = await follow(context, url);
    expect(sessionIdOf(again)).toBe(sessionIdOf(page));
    await assertConnected(again, company);
    expect(await exchangesOf(company)).toBe(1);
  });

  it('replay: whoever brings the redirect to another browser later is told, and exchanges nothing', async () => {
    const { company, url, page, code } = await arrive('Replayed There');
    await complete(page, code);
    await assertConnected(page, company);
    const other = await follow(await people.open(), url);
    await complete(other, await prepare(company));
    await other.locator('body[data-outcome="failed"]').waitFor();
    expect(await other.locator('main').textContent()).toContain('another browser');
    expect(await other.locator('main').textContent()).not.toContain(company.name);
    expect(await exchangesOf(company)).toBe(1);
    await page.reload();
    await assertConnected(page, company);
  });

  it('two browsers with the same request token: the first to complete wins, the other is told', async () => {
    const { company, url, page, code } = await arrive('Raced');
    const second = await follow(await people.open(), url);
    await complete(second, code);
    await assertConnected(second, company);
    await page.reload();
    await page.locator('body[data-outcome="failed"]').waitFor();
    expect(await page.locator('main').textContent()).toContain('tell our support');
    expect(await exchangesOf(company)).toBe(1);
  });

  it('two companies in two tabs: each has its own session, whichever is completed first', async () => {
    const context = await people.open();
    const one = await arrive('Tab One', context);
    const two = await arrive('Tab Two', context);
    expect((await context.cookies()).length).toBe(2);
    await complete(two.page, two.code);
    await assertConnected(two.page, two.company);
    await complete(one.page, one.code);
    await assertConnected(one.page, one.company);
    await two.page.reload();
    await assertConnected(two.page, two.company);
  });

  it('back and forward: what is completed stays completed', async () => {
    const { company, page, code } = await arrive('Back');
    await complete(page, code);
    await assertConnected(page, company);
    await page.goBack();
    await assertConnected(page, company);
    expect(await page.locator('form').count()).toBe(0);
    await page.goForward().catch(() => null);
    await assertConnected(page, company);
    expect(await exchangesOf(company)).toBe(1);
  });

  it('csrf: a missing, a foreign and a twofold one are refused, the right one is not', async () => {
    const context = await people.open();
    const { company, page, code } = await arrive('Forged', context);
    const other = await arrive('Forging', context);
    const more: Record<string, string> = code === null ? {} : { code };
    const foreign = await csrfOf(other.page);
    for (const fields of [more, { ...more, csrf: '' }, { ...more, csrf: foreign }]) {
      expect((await submit(context, page.url(), fields)).status).toBe(403);
    }
    // In the browser it is a page that says what to do.
    await page.evaluate(`document.querySelector('input[name="csrf"]').value = ${JSON.stringify(foreign)}`);
    await complete(page, code);
    await page.getByRole('heading', { name: 'This page is out of date' }).waitFor();
    await assertNothingBegun(app, company);
    await page.goBack();
    await page.reload();
    await complete(page, code);
    await assertConnected(page, company);
  });

  it('a double click, and ten at once, are one connect', async () => {
    const { company, context, page, code } = await arrive('Clicked Twice');
    const url = page.url();
    const fields = { csrf: await csrfOf(page), ...(code === null ? {} : { code }) };
    if (code !== null) await page.locator('#code').fill(code);
    const [answers] = await Promise.all([
      Promise.all(Array.from({ length: 8 }, () => submit(context, url, fields))),
      page.locator('main form button').dblclick(),
    ]);
    for (const { status, location } of answers) expect([303, 410], location ?? '').toContain(status);
    // In another tab: this one is still on its way to wherever the second click leads.
    await assertConnected(await follow(context, `${url}/progress`), company);
    expect(await exchangesOf(company)).toBe(1);
  });

  it('a second redirect while one is in progress: the same one goes on, a new one is overtaken and told', async () => {
    const { company, url, context, page, code } = await arrive('In Progress');
    const { id } = await product.sandbox<{ id: number }>('faults', {
      kind: 'hold',
      match: { principalId: company.id, grantType: 'authtoken' },
    });
    await complete(page, code);
    await page.locator('body[data-outcome="pending"]').waitFor();
    const same = await follow(context, url);
    expect(new URL(same.url()).pathname).toBe(new URL(page.url()).pathname);
    const pressedAgain = await follow(context, await redirectUrlOf(product, app, company));
    expect(sessionIdOf(pressedAgain)).not.toBe(sessionIdOf(page));
    expect(await pressedAgain.locator('main form').count()).toBe(1);
    await complete(pressedAgain, await prepare(company));
    await pressedAgain.locator('body[data-outcome="pending"]').waitFor();
    await fetch(new URL(`/__sandbox/faults/${id}/release`, product.running.sandboxUrl), { method: 'POST' });
    for (const tab of [page, same]) await assertConnected(tab, company);
    // The connect that still waited is overtaken: tried later, it would undo a Disconnect in between. Its page says so.
    await pressedAgain.locator('body[data-outcome="failed"]').waitFor();
    expect(await pressedAgain.locator('main').textContent()).toContain('press Connect again');
    expect(await exchangesOf(company)).toBe(1);
  });

  it('a used session takes nothing more, and one that is too old shows nothing more', async () => {
    const { company, context, page, code } = await arrive('Used');
    const url = page.url();
    const fields = { csrf: await csrfOf(page), ...(code === null ? {} : { code }) };
    await complete(page, code);
    await assertConnected(page, company);
    const used = await submit(context, url, fields);
    expect([used.status, used.text.includes('completed already')]).toEqual([410, true]);
    expect(await exchangesOf(company)).toBe(1);

    const old = await arrive('Too Old', context);
    await database.query(`UPDATE connect_sessions SET last_seen_at = now() - interval '61 minutes' WHERE id = $1`, [
      sessionIdOf(old.page),
    ]);
    const oldCsrf = await csrfOf(old.page);
    expect((await submit(context, old.page.url(), { csrf: oldCsrf })).status).toBe(410);
    expect((await old.page.reload())?.status()).toBe(410);
    expect(await old.page.locator('main').textContent()).toContain('press Connect again');
    await assertNothingBegun(app, old.company);
    // And so it can be done.
    const fresh = await follow(context, old.url);
    expect(sessionIdOf(fresh)).not.toBe(sessionIdOf(old.page));
    await complete(fresh, old.code);
    await assertConnected(fresh, old.company);
  });

  it("another session's cookie opens nothing", async () => {
    const { company, page } = await arrive('Cookie Jar');
    const thief = await people.open();
    const own = await arrive('Cookie Thief', thief);
    const [cookie] = await thief.cookies();
    await thief.addCookies([
      { name: `evergrant_${sessionIdOf(page)}`, value: cookie?.value ?? '', url: product.running.apiUrl },
    ]);
    expect((await own.page.goto(page.url()))?.status()).toBe(403);
    await assertNothingBegun(app, company);
  });

  it('no page leaks: headers, addresses, history and log hold no token', async () => {
    const context = await people.open();
    const requests: { readonly url: string; readonly referer: string | undefined }[] = [];
    const responses: { readonly url: string; readonly headers: Readonly<Record<string, string>> }[] = [];
    context.on('request', (request) => {
      requests.push({ url: request.url(), referer: request.headers().referer });
    });
    context.on('response', (response) => {
      responses.push({ url: response.url(), headers: response.headers() });
    });
    const { company, url, page, code } = await arrive('Watched', context);
    const token = new URL(url).searchParams.get('requestToken') ?? '';
    expect(token.length).toBeGreaterThan(10);
    if (code !== null) await complete(page, 'AAAAA-AAAAA');
    await complete(page, code);
    await assertConnected(page, company);
    await page.goto(new URL(`/connect/${app}?id=cut`, product.running.apiUrl).href);
    await page.goto(new URL('/connect/nobody', product.running.apiUrl).href);
    await page.goto(new URL(`/connect/${app}/s/unknown`, product.running.apiUrl).href);

    const [first, ...later] = requests;
    expect(first?.url).toBe(url);
    expect(later.length).toBeGreaterThan(8);
    for (const request of later) expect(request.url).not.toContain(token);
    for (const { referer = '' } of requests) expect(referer).toBe('');

    const pages = responses.filter((response) => new URL(response.url).pathname.startsWith('/connect/'));
    expect(pages.length).toBeGreaterThan(5);
    for (const { url: address, headers } of pages) {
      expect(headers['referrer-policy'], address).toBe('no-referrer');
      expect(headers['cache-control'], address).toBe('no-store');
      expect(headers['x-frame-options'], address).toBe('DENY');
      expect(headers['x-content-type-options'], address).toBe('nosniff');
      const policy = headers['content-security-policy'] ?? '';
      expect(policy, address).toContain("default-src 'none'");
      expect(policy, address).toContain("frame-ancestors 'none'");
      expect(policy, address).toContain("base-uri 'none'");
      expect(policy.replace("; script-src 'self'; connect-src 'self'", ''), address).not.toMatch(
        /unsafe|\*|script-src|http:/,
      );
    }

    const devtools = await context.newCDPSession(page);
    const { entries } = await devtools.send('Page.getNavigationHistory');
    const history = entries.map((entry) => entry.url).join('\n');
    expect(history).toContain(sessionIdOf(await follow(context, url)));
    expect(history).not.toContain(token);

    const line = await waitFor('the access log', 10_000, async () => {
      const output = await product.output();
      expect(output.filter((text) => text.includes(token))).toEqual([]);
      return output.find((text) => text.includes('/connect/:app/s/:sid/progress')) ?? null;
    });
    expect(line).not.toContain('requestToken');
  });
});
