/** An administrator without a browser: follows the redirect, keeps the session's cookie, fills in the forms. */
import type { SharedProduct } from './product.ts';
import { waitFor } from './wait-for.ts';

export interface ConnectedCompany {
  readonly id: string;
  readonly name: string;
}

interface SandboxApp {
  readonly clientId: string;
  readonly connectUri: string | null;
}

/** The sandbox's app whose Connect leads to the given app of Evergrant. */
export async function clientIdOf(product: SharedProduct, app: string): Promise<string> {
  const { apps } = await product.sandboxGet<{ apps: SandboxApp[] }>('/__sandbox/state');
  const found = apps.find(({ connectUri }) => connectUri?.endsWith(`/connect/${app}`));
  if (found === undefined) throw new Error(`the sandbox has no app for /connect/${app}`);
  return found.clientId;
}

/** A company of its own, with an administrator, at the sandbox. */
export async function addCompany(product: SharedProduct, name: string, dataCentre = 'us2'): Promise<ConnectedCompany> {
  const users = [{ displayName: 'Ada Winters', webServicesAdmin: true }];
  return await product.sandbox<ConnectedCompany>('companies', { name, dataCentre, users });
}

/** Presses Connect: the address to which Concur sends the browser. */
async function pressConnect(product: SharedProduct, app: string, company: ConnectedCompany): Promise<string> {
  const clientId = await clientIdOf(product, app);
  const { url } = await product.sandbox<{ url: string }>('connect', { clientId, principalId: company.id });
  return url;
}

/** The whole way of an administrator through a landing page in mode `confirm`, until the connection is active. */
export async function connect(product: SharedProduct, app: string, company: ConnectedCompany): Promise<void> {
  const redirect = await fetch(await pressConnect(product, app, company), { redirect: 'manual' });
  const cookie = redirect.headers.get('set-cookie')?.split(';')[0] ?? '';
  const landingUrl = new URL(redirect.headers.get('location') ?? '', product.running.apiUrl);
  const landing = await (await fetch(landingUrl, { headers: { cookie } })).text();
  const csrf = /name="csrf"[^>]*value="([^"]+)"/.exec(landing)?.[1] ?? '';
  const posted = await fetch(landingUrl, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ csrf }).toString(),
  });
  if (posted.status !== 303) throw new Error(`the landing page answered ${posted.status}: ${await posted.text()}`);
  await waitFor('the connection to be active', 20_000, async () => {
    const response = await product.api(`/v1/apps/${app}/connections/${company.id}`);
    const { state } = (await response.json()) as { state?: string };
    return state === 'active' ? true : null;
  });
}
