import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { expect } from 'vitest';
import { createSandbox } from '../../dev/sandbox/sandbox.ts';
import type { Sandbox, SandboxOptions } from '../../dev/sandbox/sandbox.ts';
import { generateSigningJwk } from '../../dev/sandbox/signing-key.ts';
import type { App, Company, User } from '../../dev/sandbox/model/types.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The parsed body; empty when it is no JSON object. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** A sandbox with one app, one company in us2 and its people, and the calls that a partner would make. */
export interface Stage {
  readonly sandbox: Sandbox;
  readonly app: App;
  readonly secret: string;
  readonly company: Company;
  readonly admin: User;
  readonly colleague: User;
  /** Sends the fields as Concur wants them, the app's credentials added. */
  token(fields: Readonly<Record<string, string>>, dataCentre?: string): Promise<Answer>;
  /** A fresh request token, exchanged at GLZ. */
  exchange(): Promise<Answer>;
  refresh(refreshToken: unknown, dataCentre?: string): Promise<Answer>;
  profile(accessToken: unknown, dataCentre?: string): Promise<Answer>;
  revoke(accessToken: unknown, dataCentre?: string): Promise<Answer>;
  send(url: string, options?: SendOptions): Promise<Answer>;
  /** A command on the control surface. */
  command(name: string, body: unknown): Promise<Answer>;
  close(): Promise<void>;
}

type SendOptions = Pick<Dispatcher.RequestOptions, 'body' | 'headers'> & {
  readonly method?: Dispatcher.HttpMethod;
  readonly timeoutMs?: number;
};

/** One key for all stages of a file: making it costs more than everything else here. */
const signingJwk = await generateSigningJwk();

export async function openStage(options: SandboxOptions = {}): Promise<Stage> {
  const sandbox = await createSandbox({ signingJwk, ...options });
  const agent = new Agent();
  const app = sandbox.addApp({ name: 'Demo', connectUri: 'http://partner.example/connect/demo?tenant=1' });
  const company = sandbox.addCompany({ name: 'Aurora', dataCentre: 'us2' });
  const admin = sandbox.addUser({ companyId: company.id, displayName: 'Ada Winters', webServicesAdmin: true });
  const colleague = sandbox.addUser({ companyId: company.id, displayName: 'Ben Okafor' });
  const secret = app.secrets[0]?.value ?? '';

  async function send(url: string, given: SendOptions = {}): Promise<Answer> {
    const { timeoutMs = 5_000, ...rest } = given;
    const response = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(timeoutMs), ...rest });
    const text = await response.body.text();
    return { status: response.statusCode, headers: response.headers, text, json: parseObject(text) };
  }

  const token: Stage['token'] = (fields, dataCentre = 'glz') =>
    send(`${sandbox.baseUris[dataCentre]}/oauth2/v0/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ client_id: app.clientId, client_secret: secret, ...fields }).toString(),
    });
  const bearer = (accessToken: unknown): Record<string, string> => ({ authorization: `Bearer ${String(accessToken)}` });

  return {
    sandbox,
    app,
    secret,
    company,
    admin,
    colleague,
    token,
    exchange: () =>
      token({
        grant_type: 'password',
        credtype: 'authtoken',
        username: company.id,
        password: sandbox.requestToken({ clientId: app.clientId, principalId: company.id }).value,
      }),
    refresh: (refreshToken, dataCentre = 'us2') =>
      token({ grant_type: 'refresh_token', refresh_token: String(refreshToken) }, dataCentre),
    profile: (accessToken, dataCentre = 'us2') =>
      send(`${sandbox.baseUris[dataCentre]}/profile/v1/me`, { headers: bearer(accessToken) }),
    revoke: (accessToken, dataCentre = 'us2') =>
      send(`${sandbox.baseUris[dataCentre]}/app-mgmt/v0/connections`, {
        method: 'DELETE',
        headers: bearer(accessToken),
      }),
    send,
    command: (name, body) =>
      send(`${sandbox.url}/__sandbox/${name}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    close: async () => {
      await agent.destroy();
      await sandbox.close();
    },
  };
}

/** A 4xx of the token endpoint with that code of Concur's. */
export function expectRefusal(answer: Answer, code: number, error?: string): void {
  expect({ status: answer.status, code: answer.json['code'] }).toEqual({ status: answer.status, code });
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.status).toBeLessThan(500);
  expect(answer.json['error_description']).toEqual(expect.any(String));
  if (error !== undefined) expect(answer.json['error']).toBe(error);
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
