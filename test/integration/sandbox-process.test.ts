import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';

interface Running {
  readonly process: ChildProcess;
  readonly url: string;
}

const client = { clientId: 'a-client', clientSecret: 'a-client-secret-for-this-test' };
const demoCompany = '8568a4cd-8ffc-49d6-9417-be2d69aa0001';
let home: string;
let running: ChildProcess[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'sandbox-'));
  running = [];
});
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(home, { recursive: true });
});

function launch(env: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'dev/sandbox/main.ts'], {
    env: { PATH: process.env['PATH'], SANDBOX_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  return child;
}

async function up(env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const child = launch({ SANDBOX_APPS: JSON.stringify([{ app: 'demo', ...client }]), ...env });
  let line = '';
  for await (const chunk of child.stdout ?? []) {
    line += String(chunk);
    if (line.includes('\n')) break;
  }
  const url = /http:\/\/[\d.:a-z]+/.exec(line)?.[0];
  if (url === undefined) throw new Error(`the sandbox said ${JSON.stringify(line)}`);
  return { process: child, url };
}

async function failing(env: Readonly<Record<string, string>>): Promise<{ code: number | null; said: string }> {
  const child = launch(env);
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  await once(child, 'close');
  return { code: child.exitCode, said };
}

async function command(url: string, name: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/__sandbox/${name}`, { method: 'POST', body: JSON.stringify(body) });
  return (await response.json()) as Record<string, unknown>;
}

async function token(
  url: string,
  dataCentre: string,
  fields: Record<string, string>,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/${dataCentre}/oauth2/v0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      client_id: client.clientId,
      client_secret: client.clientSecret,
      ...fields,
    }).toString(),
  });
  return (await response.json()) as Record<string, unknown>;
}

async function exchange(url: string): Promise<Record<string, unknown>> {
  const made = await command(url, 'request-token', { clientId: client.clientId, principalId: demoCompany });
  return token(url, 'glz', {
    grant_type: 'password',
    credtype: 'authtoken',
    username: demoCompany,
    password: String(made['requestToken']),
  });
}

const refresh = (url: string, value: unknown): Promise<Record<string, unknown>> =>
  token(url, 'us2', { grant_type: 'refresh_token', refresh_token: String(value) });

describe('the sandbox as a process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'has the demo companies, takes its times from the environment, ends on %s',
    async (signal) => {
      const sandbox = await up({
        SANDBOX_ACCESS_TOKEN_TTL: '15s',
        SANDBOX_REFRESH_TOKEN_TTL: '1h',
        SANDBOX_ROTATION: 'strict',
      });
      const first = await exchange(sandbox.url);
      expect(first).toMatchObject({ expires_in: '15', geolocation: `${sandbox.url}/us2` });
      expect(Number(first['refresh_expires_in']) - Date.now() / 1000).toBeLessThanOrEqual(3_600);
      expect((await refresh(sandbox.url, first['refresh_token']))['refresh_token']).not.toBe(first['refresh_token']);
      const ended = once(sandbox.process, 'exit');
      sandbox.process.kill(signal);
      expect(await ended).toEqual([0, null]);
    },
  );

  it('finds everything again after a kill when it has a state file', async () => {
    const stateFile = join(home, 'state.json');
    const env = { SANDBOX_STATE_FILE: stateFile, SANDBOX_ROTATION: 'strict' };
    const before = await up(env);
    const first = await exchange(before.url);
    const company = await command(before.url, 'companies', { name: 'Added by hand', dataCentre: 'eu2' });
    const second = await refresh(before.url, first['refresh_token']);
    before.process.kill('SIGKILL');
    await once(before.process, 'exit');
    expect((await stat(stateFile)).mode & 0o777).toBe(0o600);

    const after = await up(env);
    const { access_token, geolocation } = second;
    expect(geolocation).toBe(`${before.url}/us2`);
    const profile = await fetch(`${after.url}/us2/profile/v1/me`, {
      headers: { authorization: `Bearer ${String(access_token)}` },
    });
    expect(await profile.json()).toMatchObject({ id: demoCompany, name: 'Aurora Outdoor Supply' });
    expect(await refresh(after.url, first['refresh_token'])).toMatchObject({ code: 108 });
    expect(await refresh(after.url, second['refresh_token'])).toMatchObject({ token_type: 'Bearer' });
    const state = JSON.stringify(await (await fetch(`${after.url}/__sandbox/state`)).json());
    expect(state).toContain(String(company['id']));
    expect(state.match(/Aurora Outdoor Supply/g)?.length).toBeGreaterThan(0);
  });

  it('begins anew without a state file, and with the demo app when no app is named', async () => {
    const sandbox = await up({ SANDBOX_APPS: '' });
    const state = (await (await fetch(`${sandbox.url}/__sandbox/state`)).json()) as {
      apps: object[];
      grants: object[];
    };
    expect(state.apps).toMatchObject([{ name: 'Demo ERP', connectUri: 'http://localhost:8080/connect/demo' }]);
    expect(state.grants).toEqual([]);
  });

  it('takes connect URIs and its public address from the environment', async () => {
    const listing = {
      app: 'demo',
      clientId: client.clientId,
      connectUri: 'http://localhost:8080/connect/demo',
      name: 'Demo',
    };
    const port = await freePort();
    const sandbox = await up({
      SANDBOX_PORT: String(port),
      SANDBOX_CONNECT_URIS: JSON.stringify([listing]),
      SANDBOX_PUBLIC_URL: `http://localhost:${port}/`,
    });
    expect(sandbox.url).toBe(`http://localhost:${port}`);
    const connect = await command(sandbox.url, 'connect', { clientId: client.clientId, principalId: demoCompany });
    expect(connect['url']).toMatch(/^http:\/\/localhost:8080\/connect\/demo\?id=/);
    expect((await exchange(sandbox.url))['geolocation']).toBe(`http://localhost:${port}/us2`);
  });

  it('names every wrong value in one message and ends with 78', async () => {
    const { code, said } = await failing({
      SANDBOX_PORT: 'many',
      SANDBOX_ACCESS_TOKEN_TTL: '5',
      SANDBOX_REFRESH_TOKEN_TTL: 'long',
      SANDBOX_ROTATION: 'sometimes',
      SANDBOX_APPS: '[{"clientId":"x"}]',
      SANDBOX_CONNECT_URIS: '{',
    });
    expect(code).toBe(78);
    for (const name of [
      'PORT',
      'ACCESS_TOKEN_TTL',
      'REFRESH_TOKEN_TTL',
      'ROTATION',
      'APPS[0].clientSecret',
      'CONNECT_URIS',
    ]) {
      expect(said).toContain(`SANDBOX_${name}`);
    }
  });

  it('refuses a state file that is none, and leaves it as it is', async () => {
    const stateFile = join(home, 'state.json');
    await writeFile(stateFile, '{"something":"else"}');
    const { code, said } = await failing({ SANDBOX_STATE_FILE: stateFile });
    expect(code).toBe(78);
    expect(said).toContain(stateFile);
    expect(await readFile(stateFile, 'utf8')).toBe('{"something":"else"}');
  });

  it('refuses to start when it could not keep its state', async () => {
    const stateFile = join(home, 'no', 'such', 'folder', 'state.json');
    const { code, said } = await failing({ SANDBOX_STATE_FILE: stateFile });
    expect(code).toBe(78);
    expect(said).toContain(stateFile);
  });

  it('says which setting to change when the port is taken', async () => {
    const sandbox = await up();
    const { code, said } = await failing({ SANDBOX_PORT: new URL(sandbox.url).port });
    expect(code).toBe(1);
    expect(said).toMatch(/EADDRINUSE.*SANDBOX_PORT/);
  });
});
