/**
 * Connects without a landing page as their callers see them: over the partner API and on the command line, with
 * everything behind them real and the sandbox as SAP Concur.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

let backend: Backend;
let variables: Record<string, string>;
let home: string;
let base: string;
let bearer: string;

beforeAll(async () => {
  backend = await createBackend();
  home = await mkdtemp(join(tmpdir(), 'evergrant-connects-'));
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  variables = { ...backend.environment, EVERGRANT_HOME: home, PORT: String(port), PUBLIC_URL: base };
  await Promise.all([backend.startWorker(), backend.startApi({ PORT: String(port), PUBLIC_URL: base })]);
  const scopes = ['--scope', 'connections:connect', '--scope', 'connections:read'];
  const created = await evergrant(variables, [
    'clients',
    'create',
    '--name',
    't',
    '--app',
    'demo',
    ...scopes,
    '--json',
  ]);
  bearer = String(created.json().token);
}, 60_000);
afterAll(async () => {
  await backend.close();
  await rm(home, { recursive: true, force: true });
});

function addCompany(dataCentre = 'us2'): string {
  return backend.sandbox.addCompany({ name: 'Borealis', domain: `${randomUUID()}.example`, dataCentre }).id;
}

function requestToken(principalId: string): string {
  return backend.sandbox.requestToken({ clientId: backend.concurApp.clientId, principalId }).value;
}

function refreshToken(principalId: string): string {
  const { directory, tokens } = backend.sandbox.model;
  const app = directory.oneApp(backend.concurApp.clientId);
  return tokens.issueRefreshToken(app, directory.onePrincipal(principalId), 'openid').value;
}

async function post(body: object, key?: string) {
  const response = await fetch(`${base}/v1/apps/demo/connections`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

/** Token calls to Concur about this principal. */
function callsFor(principalId: string): number {
  return backend.sandbox.calls({ endpoint: 'token', principalId }).length;
}

describe('a partner service', () => {
  it('connects by a request token once, however often and at once it asks with one key', async () => {
    const principal = addCompany();
    const body = { principal_id: principal, request_token: requestToken(principal), customer_ref: 'c-1' };
    const key = randomUUID();
    const replies = await Promise.all([post(body, key), post(body, key), post(body, key)]);
    replies.push(await post(body, key));
    for (const { status, json } of replies) {
      expect([status, json]).toEqual([
        201,
        expect.objectContaining({ principal_id: principal, state: 'active', customer_ref: 'c-1' }),
      ]);
      expect(json).toEqual(replies[0]?.json);
    }
    expect(callsFor(principal)).toBe(1);
    expect((await post({ ...body, customer_ref: 'c-2' }, key)).json.code).toBe('conflict');
    const again = await post({ ...body, request_token: requestToken(principal) });
    expect([again.status, again.json.version]).toEqual([200, 2]);
  });

  it('is told that a request token was refused', async () => {
    const reply = await post({ principal_id: addCompany(), request_token: 'never-issued' });
    expect([reply.status, reply.json.code]).toEqual([409, 'request-token-rejected']);
  });

  it('imports a refresh token, over a living connection only where it says so', async () => {
    const principal = addCompany('eu2');
    const geolocation = backend.sandbox.baseUris.eu2 ?? '';
    const first = await post({ principal_id: principal, refresh_token: refreshToken(principal), geolocation });
    expect([first.status, first.json.data_center, first.json.state]).toEqual([201, 'eu2', 'active']);
    const next = { principal_id: principal, refresh_token: refreshToken(principal), geolocation };
    expect((await post(next)).json.code).toBe('conflict');
    const replaced = await post({ ...next, replace: true });
    expect([replaced.status, replaced.json.version]).toEqual([200, 2]);
  });

  it('is told that an imported token is dead, or another company’s', async () => {
    const [mine, theirs] = [addCompany(), addCompany()];
    const geolocation = backend.sandbox.baseUris.us2 ?? '';
    const dead = await post({ principal_id: mine, refresh_token: 'never-issued', geolocation });
    expect([dead.status, dead.json.code]).toEqual([409, 'reauthorization-required']);
    const foreign = await post({ principal_id: mine, refresh_token: refreshToken(theirs), geolocation });
    expect([foreign.status, foreign.json.code]).toEqual([409, 'identity-mismatch']);
    expect(backend.sandbox.grants({ principalId: theirs }).length).toBeGreaterThan(0);
  });
});

describe('connections connect', () => {
  const connect = (args: readonly string[], secret: string) =>
    evergrant(variables, ['connections', 'connect', 'demo', ...args, '--json'], `${secret}\n`);

  it('takes a request token or a refresh token, and shows the connection', async () => {
    const principal = addCompany();
    const manual = await connect([principal.toUpperCase(), '--customer-ref', 'c-9'], requestToken(principal));
    expect([manual.code, manual.err]).toEqual([0, '']);
    expect(manual.json()).toMatchObject({ principal_id: principal, state: 'active', customer_ref: 'c-9' });
    const geolocation = backend.sandbox.baseUris.us2 ?? '';
    const file = join(home, 'secret');
    await writeFile(file, refreshToken(principal));
    const args = [principal, '--geolocation', geolocation, '--secret-file', file];
    const refused = await connect(args, '');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('replace')]);
    const replaced = await connect([...args, '--replace'], '');
    expect([replaced.code, replaced.json().version]).toEqual([0, 2]);
  });

  it('says what is wrong, and never shows the secret', async () => {
    const principal = addCompany();
    const wrong = [
      [[], 'principal_id'],
      [[principal, '--geolocation', 'https://evil.example'], 'geolocation'],
      [[principal, '--data-center', 'us2'], 'data_center'],
      [['--username', 'dev', '--legacy'], 'exclude'],
      [[principal, '--legacy-client-id', 'k'], '--legacy'],
      [['--legacy'], 'legacy_client_id'],
      [[principal, '--replace'], 'replace'],
    ] as const;
    for (const [args, message] of wrong) {
      const { code, err } = await connect(args, 'the-secret');
      expect([code, err]).toEqual([2, expect.stringContaining(message)]);
      expect(err).not.toContain('the-secret');
    }
    const login = await connect(['--username', 'dev', '--data-center', 'us2'], 'the-secret');
    expect([login.code, login.err]).toEqual([1, expect.stringContaining('allowPasswordLogin')]);
    const rejected = await connect([principal], 'the-secret');
    expect([rejected.code, rejected.err]).toEqual([1, expect.stringContaining('request token')]);
    expect(rejected.err).not.toContain('the-secret');
  });
});

describe('connections import', () => {
  it('refuses a file with wrong lines as a whole, or passes over them when it is told to', async () => {
    const principal = addCompany();
    const geolocation = backend.sandbox.baseUris.us2 ?? '';
    const good = JSON.stringify({ principal_id: principal, refresh_token: refreshToken(principal), geolocation });
    const file = `${good}\n{"principal_id":"x"}\n`;
    const refused = await evergrant(variables, ['connections', 'import', 'demo', '-'], file);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('line 2: ')]);
    expect(callsFor(principal)).toBe(0);
    const report = join(home, 'report.ndjson');
    const args = ['connections', 'import', 'demo', '-', '--skip-invalid', '--report', report, '--json'];
    const passed = await evergrant(variables, args, file);
    expect([passed.code, passed.json()]).toEqual([1, expect.objectContaining({ connected: 1, invalid: 1, failed: 0 })]);
  });

  it('says what would become of lines whose connection lives', async () => {
    const { key } = await backend.connect();
    const geolocation = backend.sandbox.baseUris.us2 ?? '';
    const row = { principal_id: key.principal, refresh_token: 'unused', geolocation };
    const dry = (given: object) =>
      evergrant(variables, ['connections', 'import', 'demo', '-', '--dry-run', '--json'], JSON.stringify(given));
    expect((await dry(row)).json()).toMatchObject({ living: 1, to_replace: 0, to_connect: 0 });
    expect((await dry({ ...row, replace: true })).json()).toMatchObject({ living: 0, to_replace: 1 });
    const real = await evergrant(variables, ['connections', 'import', 'demo', '-', '--json'], JSON.stringify(row));
    expect([real.code, real.json()]).toEqual([1, expect.objectContaining({ failed: 1 })]);
  });
});
