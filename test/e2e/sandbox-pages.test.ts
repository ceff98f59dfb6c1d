/** The App Center's pages in a real browser: what a person sees, presses and comes back to. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { App, Company, User } from '../../dev/sandbox/model/types.ts';
import { createSandbox } from '../../dev/sandbox/sandbox.ts';
import type { Sandbox } from '../../dev/sandbox/sandbox.ts';
import { openBrowser } from '../rig/browser.ts';

let browser: Browser;
let partner: Server;
let sandbox: Sandbox;
let app: App;
let company: Company;
let people: readonly User[];
let page: Page;
/** What the browser complains about: scripts, styles, policies. */
let complaints: string[];

beforeAll(async () => {
  browser = await openBrowser();
  partner = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>Partner</title><h1>Partner</h1>');
  }).listen(0, '127.0.0.1');
});
afterAll(async () => {
  await browser.close();
  partner.closeAllConnections();
  partner.close();
});

beforeEach(async () => {
  sandbox = await createSandbox({ seed: 'demo' });
  const { port } = partner.address() as AddressInfo;
  app = sandbox.addApp({ name: 'Demo ERP', connectUri: `http://localhost:${port}/connect/demo` });
  const [first] = sandbox.companies();
  if (first === undefined) throw new Error('the demo has no company');
  company = first;
  people = sandbox.users(company.id);
  complaints = [];
  page = await browser.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
});
afterEach(async () => {
  await page.context().close();
  await sandbox.close();
  expect(complaints).toEqual([]);
});

const everyPage = (): readonly string[] => [
  '/',
  `/companies/${company.id}`,
  '/apps',
  '/faults',
  '/calls',
  '/__sandbox',
];

describe('an administrator', () => {
  it('finds the company, presses Connect, and is at the partner in a window of its own', async () => {
    await page.goto(sandbox.url);
    await page.getByRole('link', { name: company.name }).click();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(company.name);
    const [opened] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('button', { name: 'Connect Demo ERP' }).click(),
    ]);
    await opened.waitForLoadState();
    const url = new URL(opened.url());
    expect(url.pathname).toBe('/connect/demo');
    expect([...url.searchParams.keys()]).toEqual(['id', 'requestToken', 'userId']);
    expect(url.searchParams.get('id')).toBe(company.id);
    expect(url.searchParams.get('userId')).toBe(people[0]?.id);
  });

  it('makes a request token by hand and a new secret, and reads both once', async () => {
    await page.goto(`${sandbox.url}/companies/${company.id}`);
    await page.getByRole('button', { name: 'Create token' }).click();
    const token = sandbox.grants()[0]?.requestTokens[0]?.value ?? '';
    expect(await page.getByRole('status').textContent()).toContain(token);
    await page.reload();
    expect(await page.content()).not.toContain(token);
    await page.getByRole('link', { name: 'Apps' }).click();
    await page.getByRole('button', { name: /^New Secret/ }).click();
    expect(await page.getByRole('status').textContent()).toContain(app.secrets.at(-1)?.value);
  });

  it('moves the company and switches a fault on and off', async () => {
    await page.goto(`${sandbox.url}/companies/${company.id}`);
    await page.getByLabel('To', { exact: true }).selectOption('eu2');
    await page.getByRole('button', { name: 'Move tenant' }).click();
    expect(await page.getByRole('status').textContent()).toContain('lives in EU2');
    await page.getByRole('link', { name: 'Faults' }).click();
    await page.getByLabel('What goes wrong').selectOption('lost');
    await page.getByRole('button', { name: 'Switch on' }).click();
    expect(sandbox.faults()).toMatchObject([{ spec: { kind: 'process-then-drop', match: { endpoint: 'token' } } }]);
    await page.getByRole('button', { name: 'Switch off process-then-drop' }).click();
    expect(sandbox.faults()).toEqual([]);
  });
});

it('a colleague without the permission cannot press Connect, and reads why', async () => {
  await page.goto(`${sandbox.url}/companies/${company.id}`);
  await page.getByRole('link', { name: people[1]?.displayName ?? '' }).click();
  const button = page.getByRole('button', { name: 'Connect Demo ERP' });
  expect(await button.isDisabled()).toBe(true);
  const why = await button.getAttribute('aria-describedby');
  expect(await page.locator(`#${why}`).textContent()).toContain('Web Services Admin permission');
});

it.each(['light', 'dark'] as const)(
  'every page fits 800 by 600 and a phone, with readable text, when it is %s',
  async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    for (const width of [800, 380]) {
      await page.setViewportSize({ width, height: 600 });
      for (const path of everyPage()) {
        await page.goto(sandbox.url + path);
        expect(await page.evaluate('document.documentElement.scrollWidth'), `${path} at ${width}`).toBeLessThanOrEqual(
          width,
        );
        const contrast = await page.evaluate(worstContrast);
        expect(contrast, `${path} at ${width}`).toBeGreaterThanOrEqual(4.5);
        // Less than black on white: it has looked at the softer texts.
        expect(contrast).toBeLessThan(12);
      }
    }
  },
);

it('every page shows where the keyboard is, on its first step past the content too', async () => {
  for (const path of everyPage()) {
    await page.goto(sandbox.url + path);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  }
});

/** Runs in the page: the lowest contrast (WCAG 2.2, 1.4.3) of any text that can be used, against what lies behind it. */
const worstContrast = `(() => {
  const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  let worst = 21;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('script, :disabled, option') !== null) continue;
    const [one, other] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
    worst = Math.min(worst, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  }
  return worst;
})()`;
