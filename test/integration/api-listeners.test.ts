/** What is behind each port, by `SERVE` and `OPS_PORT`: the program as it is started, over a real database. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { docsStylesPath, stylesPath } from '../../web/assets.ts';
import { compiledProgram } from '../rig/compiled-product.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';

const EX_CONFIG = 78;
const CONNECT = ['/connect/demo', '/connect/demo/s/x', '/connect/demo/s/x/progress'];
const PARTNER = ['/v1/apps/demo/connections', '/.well-known/jwks.json'];
const OPS = ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs'];
const DRAWN = [stylesPath, docsStylesPath];
const everything = [...CONNECT, ...PARTNER, ...OPS, ...DRAWN];

let database: TestDatabase;
const children: ChildProcess[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
});
afterAll(() => database.drop());

async function start({ serve, hasOpsPort, mode = 'development' }: StartOptions) {
  const [port, opsPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [await compiledProgram('api')], {
    env: {
      PATH: process.env.PATH,
      EVERGRANT_MODE: mode,
      EVERGRANT_HOME: '/nonexistent',
      EVERGRANT_KEKS: `k1:${kek}`,
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      PORT: String(port),
      PUBLIC_URL: mode === 'production' ? 'https://connect.example.com' : `http://localhost:${port}`,
      ...(serve === undefined ? {} : { SERVE: serve }),
      ...(hasOpsPort ? { OPS_PORT: String(opsPort) } : {}),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return { child, port, opsPort, output: () => output };
}

interface StartOptions {
  readonly serve: string | undefined;
  readonly hasOpsPort: boolean;
  readonly mode?: 'development' | 'production';
}

/** One installation: a database knows the key that it was set up with. */
const kek = randomBytes(32).toString('base64url');

/** The paths that are there: they know the method that is asked for as one that they don't take. Null: nobody listens. */
async function servedAt(port: number): Promise<readonly string[] | null> {
  const served = [];
  for (const path of everything) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'PUT' }).catch(() => null);
    if (response === null) return null;
    const { status } = response;
    const isPage = path.startsWith('/connect/');
    expect([404, 405]).toContain(status);
    expect(response.headers.get('content-type')).toMatch(isPage ? /^text\/html/ : /^application\/problem\+json$/);
    await response.text();
    if (status === 405) served.push(path);
  }
  return served;
}

async function untilServing(port: number): Promise<void> {
  const url = `http://127.0.0.1:${port}/nothing`;
  const statusOf = () =>
    fetch(url).then(
      ({ status }) => status,
      () => 0,
    );
  // 503 while it starts.
  await expect.poll(statusOf, { timeout: 20_000 }).toBe(404);
}

describe('the API', () => {
  it.each([
    ['everything, on one port', undefined, false, everything, null],
    ['everything, what operators read apart', undefined, true, [...CONNECT, ...PARTNER, ...DRAWN], [...OPS, ...DRAWN]],
    ['the browser’s pages alone', 'connect', true, [...CONNECT, ...DRAWN], null],
    ['partner services alone', 'partner', false, PARTNER, null],
    ['partner services, and operators apart', 'partner,ops', true, PARTNER, [...OPS, ...DRAWN]],
    ['operators alone', 'ops', true, null, [...OPS, ...DRAWN]],
  ] as const)('serves %s, and nothing else', async (_what, serve, hasOpsPort, atPort, atOpsPort) => {
    const { port, opsPort } = await start({ serve, hasOpsPort });
    await untilServing(atPort === null ? opsPort : port);
    if (atOpsPort !== null) await untilServing(opsPort);
    expect(await servedAt(port)).toEqual(atPort && everything.filter((path) => new Set<string>(atPort).has(path)));
    expect(await servedAt(opsPort)).toEqual(
      atOpsPort && everything.filter((path) => new Set<string>(atOpsPort).has(path)),
    );
    if (atOpsPort === null) return;
    for (const path of [...OPS, ...DRAWN]) {
      const { status } = await fetch(`http://127.0.0.1:${opsPort}${path}`);
      expect([path, status]).toEqual([path, 200]);
    }
    const page = await (await fetch(`http://127.0.0.1:${opsPort}/docs`)).text();
    for (const path of DRAWN) expect(page).toContain(`href="${path}"`);
  });

  it.each([undefined, 'ops', 'partner,ops'])(
    'does not start in production without OPS_PORT where it would serve operators (SERVE=%s)',
    async (serve) => {
      const { child, output } = await start({ serve, hasOpsPort: false, mode: 'production' });
      const [code] = (await once(child, 'exit')) as [number | null];
      expect(code).toBe(EX_CONFIG);
      expect(output()).toContain('OPS_PORT: ');
      expect(output()).not.toMatch(/PUBLIC_URL: |^\s+at /m);
    },
  );
});
