import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { openBrowser } from '../rig/browser.ts';

it('shows a page of this machine and can reach no other', async () => {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<title>Here</title><p id="text">in a browser</p>');
  }).listen(0, '127.0.0.1');
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    expect(await page.title()).toBe('Here');
    const box = await page.locator('#text').boundingBox();
    expect(box?.height).toBeGreaterThan(0);
    await expect(page.goto('http://elsewhere.example/')).rejects.toThrow(/ERR_NAME_NOT_RESOLVED/);
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
});
