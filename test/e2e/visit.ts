/** People with browsers of their own, and what Concur's Connect button sends them to. */
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { clientIdOf, type ConnectedCompany } from './administrator.ts';
import type { SharedProduct } from './product.ts';

/** How large Concur opens the window of a Connect. */
export const CONNECT_WINDOW = { width: 800, height: 600 };

export interface People {
  /** Somebody with a browser that nobody else has. */
  open(options?: BrowserContextOptions): Promise<BrowserContext>;
  close(): Promise<void>;
}

export function createPeople(browser: Browser): People {
  const contexts: BrowserContext[] = [];
  return {
    async open(options = {}) {
      const context = await browser.newContext({ viewport: CONNECT_WINDOW, locale: 'en-GB', ...options });
      contexts.push(context);
      return context;
    },
    async close() {
      await Promise.all(contexts.map((context) => context.close()));
    },
  };
}

/** The address behind the Connect button, with a request token of its own. */
export async function redirectUrlOf(product: SharedProduct, app: string, company: ConnectedCompany): Promise<string> {
  const clientId = await clientIdOf(product, app);
  const { url } = await product.sandbox<{ url: string }>('connect', { clientId, principalId: company.id });
  return url;
}

/** Opens the address in a new tab, as Concur does. */
export async function follow(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Until the confirmation names the company. */
export async function assertConnected(page: Page, company: ConnectedCompany): Promise<void> {
  await page.locator('body[data-outcome="connected"]').waitFor({ timeout: 30_000 });
  expect(await page.locator('[data-company]').textContent()).toBe(company.name);
}
