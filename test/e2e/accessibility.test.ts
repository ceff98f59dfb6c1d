/**
 * Whether everybody can use the pages: axe-core at every step and on every error page, the keyboard alone, no scripts,
 * small windows, large letters. In the real browser, under the real policy.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../rig/browser.ts';
import { addCompany } from './administrator.ts';
import { auditPage } from './axe.ts';
import { gallery, openGallery, partners } from './page-gallery.ts';
import { type SharedProduct, sharedProduct } from './product.ts';
import { assertConnected, CONNECT_WINDOW, createPeople, follow, type People, redirectUrlOf } from './visit.ts';

const LONG_MS = 240_000;
const schemes = ['light', 'dark'] as const;
const languages = ['en-GB', 'de-DE'] as const;
const looks = languages.flatMap((locale) => schemes.map((colorScheme) => ({ locale, colorScheme })));

let product: SharedProduct;
let browser: Browser;
let people: People;
let pages: Awaited<ReturnType<typeof openGallery>>;

beforeAll(async () => {
  [product, browser] = await Promise.all([sharedProduct(), openBrowser()]);
  people = createPeople(browser);
  const { headers } = await fetch(new URL('/connect/nobody', product.running.apiUrl));
  pages = await openGallery(headers.get('content-security-policy') ?? '');
}, 150_000);

afterAll(async () => {
  await people?.close();
  await browser?.close();
  pages?.close();
}, 30_000);

async function assertAccessible(page: Page, step: string): Promise<void> {
  const { findings, passed } = await auditPage(page);
  expect(findings, step).toEqual([]);
  // A gate that looked at nothing would pass too.
  expect(passed, step).toEqual(expect.arrayContaining(['color-contrast', 'document-title', 'html-has-lang', 'region']));
}

async function verificationCode(): Promise<string> {
  const response = await product.api('/v1/apps/demo-code/verification-codes', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { readonly code: string }).code;
}

function focused(page: Page): Promise<string> {
  return page.evaluate<string>(
    `(({ id, textContent }, place) => id || place + ': ' + textContent.trim())(
      document.activeElement, document.activeElement.closest('main, footer')?.tagName ?? '')`,
  );
}

/** Presses Tab through the whole page: what has the focus, one after the other, each to be seen. */
async function tabOrder(page: Page): Promise<string[]> {
  const order: string[] = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const name = await focused(page);
    if (name.startsWith(':') || order.includes(name)) return order;
    order.push(name);
    const seen = await page.evaluate(`(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      const { top, bottom } = document.activeElement.getBoundingClientRect();
      return outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 && top >= 0 && bottom <= innerHeight;
    })()`);
    expect(seen, `the focus on ${name} can be seen`).toBe(true);
  }
}

describe('axe-core', () => {
  it('finds what is wrong: the gate can fail', async () => {
    const page = await follow(await people.open(), `${pages.url}/plain/confirm`);
    await page.evaluate(`document.querySelector('main').insertAdjacentHTML('beforeend',
      '<img src="/nothing.png"><input type="text" name="unlabelled">'); document.querySelector('h1').classList.add('note');
      document.styleSheets[0].insertRule('h1.note { color: #bbbbbb }', document.styleSheets[0].cssRules.length)`);
    const { findings } = await auditPage(page);
    const rules = new Set(findings.map((finding) => finding.split(' ')[0]));
    expect([...rules]).toEqual(expect.arrayContaining(['image-alt', 'label', 'color-contrast']));
  });

  // Each language and each scheme once: what differs is words in the one and colours in the other.
  it.each(looks.filter(({ locale, colorScheme }) => (locale === 'en-GB') === (colorScheme === 'light')))(
    'finds nothing on any page ($locale, $colorScheme)',
    async (look) => {
      const page = await (await people.open(look)).newPage();
      expect(Object.keys(gallery).length).toBeGreaterThan(30);
      for (const name of Object.keys(gallery)) {
        await page.goto(`${pages.url}/plain/${name}`);
        expect(await page.locator('html').getAttribute('lang')).toBe(look.locale.slice(0, 2));
        await assertAccessible(page, name);
      }
    },
    LONG_MS,
  );

  it.each(Object.keys(partners))(
    'finds nothing whatever a partner has written: %s',
    async (partner) => {
      for (const colorScheme of schemes) {
        const page = await (await people.open({ colorScheme })).newPage();
        for (const name of ['code-rejected', 'connected', 'error-going-on']) {
          await page.goto(`${pages.url}/${partner}/${name}`);
          await assertAccessible(page, `${name}, ${colorScheme}`);
        }
      }
    },
    LONG_MS,
  );

  it.each(looks)('finds nothing at any step of mode confirm ($locale, $colorScheme)', async (look) => {
    const company = await addCompany(product, `Accessible ${look.locale} ${look.colorScheme}`);
    const { id } = await product.sandbox<{ id: number }>('faults', {
      kind: 'hold',
      match: { principalId: company.id, grantType: 'authtoken' },
    });
    const page = await follow(await people.open(look), await redirectUrlOf(product, 'demo-confirm', company));
    await assertAccessible(page, 'landing page');
    await page.locator('main form button').click();
    await page.locator('body[data-outcome="pending"]').waitFor();
    await assertAccessible(page, 'waiting');
    await fetch(new URL(`/__sandbox/faults/${id}/release`, product.running.sandboxUrl), { method: 'POST' });
    await assertConnected(page, company);
    await assertAccessible(page, 'confirmation');
  });

  it.each(looks)('finds nothing at any step of mode sign-in ($locale, $colorScheme)', async (look) => {
    const company = await addCompany(product, `Signed In ${look.locale} ${look.colorScheme}`);
    const page = await follow(await people.open(look), await redirectUrlOf(product, 'demo-sign-in', company));
    await assertAccessible(page, 'landing page');
    await page.locator('main a.button').click();
    await page.getByLabel('Alice Archer').check();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('[data-customer-ref]').waitFor();
    await assertAccessible(page, 'last page');
    await page.locator('main form button').click();
    await assertConnected(page, company);
    await assertAccessible(page, 'confirmation');
  });
});

describe('the description of the API', () => {
  it.each(schemes)('can be read by everybody, on a small screen too (%s)', async (colorScheme) => {
    const context = await people.open({ colorScheme, viewport: { width: 360, height: 640 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => void complaints.push(message.text()));
    await page.goto(new URL('/docs', product.running.apiUrl).href);
    await assertAccessible(page, 'description');
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    expect(await page.evaluate('[...document.styleSheets].map(({ cssRules }) => cssRules.length > 5)')).toEqual([
      true,
      true,
    ]);
    expect(complaints).toEqual([]);
  });
});

describe('the keyboard alone', () => {
  it('leads through mode verification-code, with every error on the way', async () => {
    const company = await addCompany(product, 'Keys Only');
    const page = await follow(await people.open(), await redirectUrlOf(product, 'demo-code', company));
    await assertAccessible(page, 'landing page');
    expect(await tabOrder(page)).toEqual([
      'code',
      'MAIN: Connect',
      'MAIN: Contact us',
      'FOOTER: Support and help',
      'FOOTER: Contact us',
      'FOOTER: Privacy policy',
      'FOOTER: Terms of use',
    ]);

    await page.reload();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#problem').waitFor();
    // The summary has the focus, its link leads into the field, and what was wrong is read with the field.
    expect(await focused(page)).toBe('problem');
    expect(await page.title()).toMatch(/^Error: /);
    await assertAccessible(page, 'nothing typed');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe('code');
    expect(await page.locator('#code').getAttribute('aria-describedby')).toBe('code-hint code-error');
    await page.keyboard.type('AAAAA-AAAAA');
    await page.keyboard.press('Enter');
    await page.getByText('wrong, was used already').first().waitFor();
    expect(await focused(page)).toBe('problem');
    await assertAccessible(page, 'wrong code');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.type(await verificationCode());
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('MAIN: Connect');
    await page.keyboard.press('Space');
    await assertConnected(page, company);
    expect(await tabOrder(page)).toContain('MAIN: Disconnect in Demo Travel');
  });

  it('leads through mode confirm', async () => {
    const company = await addCompany(product, 'Keys Only Too');
    const page = await follow(await people.open(), await redirectUrlOf(product, 'demo-confirm', company));
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('MAIN: Connect to Demo ERP');
    await page.keyboard.press('Enter');
    await assertConnected(page, company);
  });
});

describe('without scripts', () => {
  it('everything works the same, the focus on the summary of errors too', async () => {
    const company = await addCompany(product, 'No Scripts');
    const context = await people.open({ javaScriptEnabled: false });
    const page = await follow(context, await redirectUrlOf(product, 'demo-code', company));
    await page.getByLabel('Verification code').fill('AAAAA-AAAAA');
    await page.keyboard.press('Enter');
    await page.locator('#problem:focus').waitFor();
    await page.getByLabel('Verification code').fill(await verificationCode());
    await page.getByRole('button', { name: 'Connect' }).click();
    await assertConnected(page, company);
  });
});

describe('a small window', () => {
  const action = ['confirm', 'code', 'code-rejected', 'sign-in', 'signed-in', 'pending', 'error-going-on'];

  it.each(looks)('of 800 by 600 shows heading and action without scrolling ($locale, $colorScheme)', async (look) => {
    const page = await (await people.open(look)).newPage();
    for (const name of action) {
      await page.goto(`${pages.url}/plain/${name}`);
      for (const target of ['h1', 'main :is(.button, a[href="progress"])']) {
        const box = await page.locator(target).boundingBox();
        expect((box?.y ?? 0) + (box?.height ?? 999), `${target} of ${name}`).toBeLessThan(CONNECT_WINDOW.height);
      }
    }
  });

  // Of a phone, of 800 by 600 at 200 %, and of 1280 pixels at 400 % (WCAG 2.2, success criterion 1.4.10).
  it.each([
    { width: 390, height: 844 },
    { width: 400, height: 300 },
    { width: 320, height: 256 },
  ])(
    'of $width by $height never scrolls sideways',
    async (viewport) => {
      for (const locale of languages) {
        const page = await (await people.open({ viewport, locale })).newPage();
        for (const partner of ['long', 'right-to-left']) {
          for (const name of Object.keys(gallery)) {
            await page.goto(`${pages.url}/${partner}/${name}`);
            const cut = await page.evaluate(`[...document.querySelectorAll('html, main, main *, header, footer')]
            .filter((element) => element.scrollWidth > Math.ceil(element.clientWidth) + 1 && element.clientWidth > 0)
            .filter((element) => getComputedStyle(element).position !== 'absolute')
            .map((element) => element.tagName + '.' + element.className)`);
            expect(cut, `${partner}/${name}, ${locale}`).toEqual([]);
          }
        }
      }
    },
    LONG_MS,
  );
});
