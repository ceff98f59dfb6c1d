/** The partner's site that the sandbox plays, against the real API: what it says when it cannot send anybody back. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSandbox, type Sandbox } from '../../dev/sandbox/sandbox.ts';
import { createPartnerRig, type PartnerRig } from './partner-rig.ts';

const ALICE = { customer: 'Acme Ltd' };

let rig: PartnerRig;
let folder: string;
let tokenFile: string;
let token: string;
const sandboxes: Sandbox[] = [];
beforeAll(async () => {
  rig = await createPartnerRig();
  folder = await mkdtemp(join(tmpdir(), 'evergrant-partner-'));
  tokenFile = join(folder, 'token');
  ({ token } = await rig.mint());
  await writeFile(tokenFile, `${token}\n`);
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
  await rig.close();
  await rm(folder, { recursive: true });
});

async function openSite(partner?: { readonly apiUrl?: string; readonly tokenFile?: string }): Promise<Sandbox> {
  const config = partner === undefined ? undefined : { apiUrl: rig.url, tokenFile, ...partner };
  const sandbox = await createSandbox({ partner: config });
  sandboxes.push(sandbox);
  return sandbox;
}

function post(sandbox: Sandbox, fields: Readonly<Record<string, string>>, page = 'sign-in'): Promise<Response> {
  return fetch(`${sandbox.url}/partner/${page}`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams(fields),
  });
}

describe("the partner's site of the sandbox", () => {
  it('takes the visit along from page to page, and shows it as text', async () => {
    const sandbox = await openSite({});
    const page = await (await fetch(`${sandbox.url}/partner/sign-in?session=${encodeURIComponent('a"<b>')}`)).text();
    expect(page).toContain('name="session" value="a&quot;&lt;b&gt;"');
    expect(page).toContain('href="/partner/sign-up?session=a%22%3Cb%3E"');
    expect(page).toContain('Acme Ltd');
    expect(page).not.toContain('<script');
  });

  it.each([
    ['nobody came from Evergrant', {}, ALICE, 'press Connect at SAP Concur first'],
    ['the visit is unknown', {}, { ...ALICE, session: randomUUID() }, 'Evergrant answered 404'],
    ['the account is none', {}, { customer: 'Nobody', session: 'x' }, 'There is no such account'],
    ['there is no token', { tokenFile: '/nowhere/token' }, { ...ALICE, session: 'x' }, 'no bearer token'],
    ['Evergrant is away', { apiUrl: 'http://127.0.0.1:1' }, { ...ALICE, session: 'x' }, 'does not answer'],
    ['nothing is set', undefined, { ...ALICE, session: 'x' }, 'Set SANDBOX_PARTNER_API_URL'],
  ])('says why it sends nobody back: %s', async (_what, partner, fields: Record<string, string>, said) => {
    const response = await post(await openSite(partner), fields);
    const page = await response.text();
    expect([response.status, /<title>Error: /.test(page)]).toEqual([422, true]);
    expect(page).toContain(said);
    expect(page).not.toContain(token);
  });

  it('takes nothing from pages of other sites', async () => {
    const sandbox = await openSite({});
    const response = await fetch(`${sandbox.url}/partner/sign-in`, {
      method: 'POST',
      headers: { origin: 'https://elsewhere.example' },
      body: new URLSearchParams({ ...ALICE, session: 'x' }),
    });
    expect(response.status).toBe(403);
  });
});
