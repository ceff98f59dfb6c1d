import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { inject } from 'vitest';

/**
 * A headless browser of its own; the test closes it. It stays on this machine: nothing in the background calls home,
 * and only loopback addresses resolve.
 */
export async function openBrowser(): Promise<Browser> {
  const { program, env } = inject('browser');
  return await chromium.launch({
    executablePath: program,
    env: { ...definedOf(process.env), ...env },
    args: [
      // Root, as in most containers, can't have the sandbox.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-domain-reliability',
      '--disable-sync',
      '--no-pings',
      '--disable-gpu',
      '--font-render-hinting=none',
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
    ],
  });
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
