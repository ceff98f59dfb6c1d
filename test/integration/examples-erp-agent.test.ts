/**
 * The agent beside an ERP, as one file and a process of its own, against the real API: what the ERP finds, and when.
 * Longer than 300 lines: the program is built once for all that is asked of it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../e2e/wait-for.ts';
import { createExamplesRig, type ExamplesRig } from './examples-rig.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scopes = ['--scope', 'tokens:read', '--scope', 'connections:refresh'];

interface Kept {
  readonly access_token: string;
  readonly expires_at: string;
  readonly geolocation: string;
  readonly version: number;
}

interface Line {
  readonly level: string;
  readonly message: string;
  readonly code?: string;
}

let rig: ExamplesRig;
let folder: string;
let program: string;
const agents = new Set<ChildProcess>();
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evergrant-agent-'));
  // What a customer gets: one file, beside nothing else.
  program = join(folder, 'evergrant-erp-agent.cjs');
  const { scripts } = JSON.parse(readFileSync(join(root, 'examples/erp-agent/package.json'), 'utf8'));
  const [esbuild = '', ...flags] = String(scripts.build)
    .replace(/--outfile=\S+/, `--outfile=${program}`)
    .split(' ');
  execFileSync(join(root, 'node_modules/.bin', esbuild), flags, { cwd: join(root, 'examples/erp-agent') });
  rig = await createExamplesRig();
});
afterAll(async () => {
  for (const agent of agents) await end(agent, 'SIGKILL');
  await rig.close();
  rmSync(folder, { recursive: true });
});

/** A customer's place: its company, its client's bearer token, and where the ERP looks. */
async function newPlace() {
  const principal = await rig.connect();
  const { token } = await rig.createClient('--principal', principal, ...scopes);
  const place = mkdtempSync(join(folder, 'p-'));
  writeFileSync(join(place, 'bearer'), token, { mode: 0o600 });
  return {
    principal,
    path: join(place, 'token.json'),
    socket: join(place, 's'),
    place,
    environment: {
      EVERGRANT_URL: rig.gate.url,
      EVERGRANT_APP: 'demo',
      EVERGRANT_PRINCIPAL: principal,
      EVERGRANT_TOKEN_FILE: join(place, 'bearer'),
      ERP_TOKEN_PATH: join(place, 'token.json'),
      ERP_SOCKET: join(place, 's'),
      ERP_CHECK_EVERY: '5s',
    } as Readonly<Record<string, string>>,
  };
}

function start(environment: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [program], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  agents.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void (output += String(chunk)));
  const lines = (): readonly Line[] =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Line);
  return {
    output: () => output,
    says: (pattern: RegExp) =>
      waitFor(
        `the agent to say ${pattern}`,
        15_000,
        () => lines().find(({ message }) => pattern.test(message)) ?? null,
      ),
    ended: () => end(child),
    end: (signal: NodeJS.Signals = 'SIGTERM') => end(child, signal),
    signal: (name: NodeJS.Signals) => child.kill(name),
  };
}

async function end(child: ChildProcess, signal?: NodeJS.Signals): Promise<number | null> {
  agents.delete(child);
  const isOver = child.exitCode !== null || child.signalCode !== null;
  const closed = isOver ? null : new Promise((resolve) => child.once('close', resolve));
  if (signal !== undefined) child.kill(signal);
  await closed;
  return child.exitCode;
}

function readKept(path: string): Kept | null {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Kept) : null;
}

const kept = (path: string, version: number): Promise<Kept> =>
  waitFor(`version ${version} in the file`, 15_000, () => {
    const found = readKept(path);
    return found?.version === version ? found : null;
  });

function ask(socketPath: string, method: string, path: string, body?: object) {
  return new Promise<{ status: number; json: Record<string, unknown> }>((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => void (text += String(chunk)));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, json: JSON.parse(text) }));
    });
    asked.on('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function profileStatus({ geolocation, access_token }: Kept): Promise<number> {
  const headers = { authorization: `Bearer ${access_token}`, connection: 'close' };
  return (await fetch(`${geolocation}/profile/v1/me`, { headers })).status;
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('the agent', () => {
  it('keeps a token that works in a file and behind a socket, both for their owner alone, and no refresh token', async () => {
    const { path, socket, place, environment } = await newPlace();
    const agent = start(environment);
    const found = await kept(path, 1);
    expect(await profileStatus(found)).toBe(200);
    expect([modeOf(path), modeOf(socket)]).toEqual([0o600, 0o600]);
    expect(Object.keys(found).toSorted()).toEqual(
      ['access_token', 'app', 'expires_at', 'geolocation', 'principal', 'token_type', 'version'].toSorted(),
    );
    expect(await ask(socket, 'GET', '/token')).toEqual({ status: 200, json: found });
    expect((await ask(socket, 'GET', '/status')).json).toMatchObject({ token: { version: 1 }, problem: null });
    expect((await ask(socket, 'GET', '/nothing')).status).toBe(404);
    expect((await ask(socket, 'POST', '/rejected', { version: 'x' })).status).toBe(400);
    expect(agent.output()).not.toContain(found.access_token);
    expect(await agent.end()).toBe(0);
    expect(readdirSync(place).toSorted()).toEqual(['bearer', 'token.json']);
  });

  it('replaces the file as a whole: no reader ever sees a part of it', async () => {
    const { path, socket, environment } = await newPlace();
    const agent = start(environment);
    await kept(path, 1);
    const seen = new Set<number | undefined>();
    for (const version of [2, 3]) {
      expect((await ask(socket, 'POST', '/refresh')).status).toBe(202);
      await waitFor(`version ${version}`, 15_000, () => {
        for (let look = 0; look < 200; look += 1) seen.add(readKept(path)?.version);
        return seen.has(version) ? true : null;
      });
    }
    expect([...seen]).toEqual([1, 2, 3]);
    await agent.end();
  });

  it('goes on after a restart with the token in the file, without a call, but never with that of another company', async () => {
    const { path, socket, environment } = await newPlace();
    const first = start({ ...environment, ERP_CHECK_EVERY: '30m' });
    const before = await kept(path, 1);
    await first.end('SIGKILL');
    expect(existsSync(socket)).toBe(true);

    rig.gate.take();
    const second = start({ ...environment, ERP_CHECK_EVERY: '30m' });
    await second.says(/goes on with the token in the file/);
    expect(await ask(socket, 'GET', '/token')).toEqual({ status: 200, json: before });
    expect(rig.gate.take('/token')).toEqual([]);
    await second.end();

    const other = await newPlace();
    const third = start({ ...other.environment, ERP_TOKEN_PATH: path });
    await third.says(/has a valid token/);
    expect(readKept(path)).toMatchObject({ principal: other.principal });
    await third.end();
  });

  it('serves its token while Evergrant is away, says so once, and goes on when it is back', async () => {
    const { path, socket, environment } = await newPlace();
    const agent = start(environment);
    await kept(path, 1);
    await rig.killApi();
    try {
      const said = await agent.says(/serves until/);
      expect(said).toMatchObject({ level: 'warn', code: 'unreachable' });
      expect((await ask(socket, 'GET', '/token')).status).toBe(200);
      expect((await ask(socket, 'GET', '/status')).json).toMatchObject({ problem: { code: 'unreachable' } });
    } finally {
      await rig.startApi();
    }
    await waitFor('the trouble to pass', 20_000, async () => {
      const { json } = await ask(socket, 'GET', '/status');
      return json.problem === null ? true : null;
    });
    expect(agent.output().match(/serves until/g)).toHaveLength(1);
    await agent.end();
  });

  it('reports a refused token by the socket or by SIGHUP, and gets a newer one', async () => {
    const { path, socket, environment } = await newPlace();
    const agent = start(environment);
    await kept(path, 1);
    rig.gate.take();
    expect((await ask(socket, 'POST', '/rejected', { version: 1, status: 401 })).json).toEqual({ is_current: true });
    const second = await kept(path, 2);
    expect(await profileStatus(second)).toBe(200);
    expect((await ask(socket, 'POST', '/rejected', { version: 1 })).json).toEqual({ is_current: false });
    expect(rig.gate.take('/token-rejected')).toHaveLength(1);
    agent.signal('SIGHUP');
    await waitFor('the report', 10_000, () => (rig.gate.take('/token-rejected').length === 1 ? true : null));
    await agent.end();
  });

  it('lets go of the token of a company that has disconnected, says who can help, and goes on when it connects again', async () => {
    const { path, socket, principal, environment } = await newPlace();
    const agent = start(environment);
    await kept(path, 1);
    rig.backend.sandbox.disconnect({ clientId: rig.backend.clientIdOf('demo'), principalId: principal });
    await ask(socket, 'POST', '/rejected', { version: 1, status: 403 });
    const said = await agent.says(/press Connect again/);
    expect(said).toMatchObject({ level: 'error', code: 'reauthorization-required' });
    expect(existsSync(path)).toBe(false);
    const answer = await ask(socket, 'GET', '/token');
    expect(answer).toMatchObject({ status: 409, json: { code: 'reauthorization-required' } });

    await rig.backend.pressConnect({ app: 'demo', principal });
    const again = await waitFor('a token', 15_000, () => readKept(path));
    expect(await profileStatus(again)).toBe(200);
    await agent.end();
  });

  it('removes the file when Evergrant says that the connection was revoked', async () => {
    const { path, principal, environment } = await newPlace();
    const agent = start(environment);
    await kept(path, 1);
    await rig.evergrant('connections', 'revoke', 'demo', principal, '--json');
    expect(await agent.says(/disconnected/)).toMatchObject({ level: 'error', code: 'connection-revoked' });
    expect(existsSync(path)).toBe(false);
    await agent.end();
  });

  it('may have a key of its own instead of a bearer token', async () => {
    const { path, place, principal, environment } = await newPlace();
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    writeFileSync(join(place, 'public.jwk'), JSON.stringify(await exportJWK(publicKey)));
    writeFileSync(join(place, 'private.jwk'), JSON.stringify(await exportJWK(privateKey)), { mode: 0o600 });
    const client = await rig.createClient('--principal', principal, ...scopes, '--jwk', join(place, 'public.jwk'));
    const agent = start({
      ...environment,
      EVERGRANT_TOKEN_FILE: '',
      EVERGRANT_JWK_FILE: join(place, 'private.jwk'),
      EVERGRANT_CLIENT_ID: client.client_id,
    });
    await kept(path, 1);
    await agent.end();
  });

  it('ends with 78 and one message that names all that is wrong', async () => {
    const { place, environment } = await newPlace();
    chmodSync(join(place, 'bearer'), 0o644);
    const agent = start({
      ...environment,
      EVERGRANT_URL: 'http://evergrant.example.com',
      EVERGRANT_PRINCIPAL: 'aurora',
      ERP_TOKEN_PATH: '/nonexistent/token.json',
      ERP_SOCKET: `/tmp/${'x'.repeat(120)}`,
      ERP_CHECK_EVERY: 'often',
    });
    expect(await agent.ended()).toBe(78);
    for (const name of [
      'EVERGRANT_URL (--url): must be an https',
      'EVERGRANT_PRINCIPAL',
      'others may read it',
      'ERP_TOKEN_PATH',
      'ERP_SOCKET',
      'ERP_CHECK_EVERY',
    ]) {
      expect(agent.output()).toContain(name);
    }
    expect(agent.output().match(/configuration is wrong/g)).toHaveLength(1);
  });
});
