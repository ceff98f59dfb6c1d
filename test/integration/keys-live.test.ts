/** Keys are rotated while a real API serves tokens and a real worker refreshes them: nobody is to notice. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { Secret } from '../../core/secret.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createPool } from '../../db/pool.ts';
import { sealedColumns } from '../../db/sealed-columns.ts';
import { compiledProgram } from '../rig/compiled-product.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';
import { makeKek } from './key-rig.ts';
import { manySealedColumns } from './sealed-scan.ts';
import { buildFullConnection, buildKey } from './store-fixtures.ts';

const PUBLIC_URL = 'http://localhost:8080';
const HOUR_MS = 3_600_000;
/** More than the API reads while a rotation lasts, so that every read asks the database. */
const COMPANIES = 160;

const next = makeKek('next');
let backend: Backend;
let pool: Pool;
let api: Awaited<ReturnType<Backend['startApi']>>;
let worker: Awaited<ReturnType<Backend['startWorker']>>;
let url: string;
let bearer: string;
const companies: { readonly key: ConnectionKey; readonly accessToken: string }[] = [];
/** A company of an app whose refresh tokens die as soon as they were used. */
let strict: ConnectionKey;
/** The environment of the installation, with both key-encryption keys, the new one first. */
let both: Readonly<Record<string, string>>;

beforeAll(async () => {
  backend = await createBackend();
  pool = createPool({ url: backend.database.url, log: silentLog });
  both = {
    ...backend.environment,
    EVERGRANT_HOME: '/nonexistent',
    EVERGRANT_KEKS: `${next.kid}:${next.key.reveal()},${backend.environment.EVERGRANT_KEKS}`,
  };
  await backend.addApp('strict', 'strict');
  worker = await backend.startWorker();
  await startApi();
  strict = (await backend.connect('us2', 'strict')).key;
  while (companies.length < COMPANIES) companies.push(...(await Promise.all(Array.from({ length: 10 }, addCompany))));
  const scopes = ['--scope', 'tokens:read', '--scope', 'connections:refresh'];
  const argv = ['clients', 'create', '--name', 'reader', ...scopes, '--app', 'demo', '--app', 'strict', '--json'];
  bearer = String((await evergrant({ ...both, PUBLIC_URL }, argv)).json().token);
}, 120_000);
afterAll(async () => {
  await pool.end();
  await backend.close();
});

async function startApi(env: Readonly<Record<string, string>> = {}): Promise<void> {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  api = await backend.startApi({ PORT: String(port), PUBLIC_URL, ...env });
}

async function addCompany(): Promise<(typeof companies)[number]> {
  const nowMs = Date.now();
  const key = buildKey('demo');
  const attemptId = `${randomUUID()}:1`;
  const connection = buildFullConnection(key, {
    state: 'active',
    reason: null,
    resumeState: null,
    lastError: null,
    accessTokenSentAtMs: nowMs,
    accessTokenExpiresAtMs: nowMs + HOUR_MS,
    nextActionAtMs: nowMs + HOUR_MS,
  });
  const accessToken = `access-${randomUUID()}`;
  const [current, sealed] = await Promise.all([
    backend.vault.seal(new Secret(`refresh-${accessToken}`), sealContexts.refreshToken(connection.id, attemptId)),
    backend.vault.seal(new Secret(accessToken), sealContexts.accessToken(connection.id, attemptId)),
  ]);
  await createConnectionStore(pool).transact(key, () => ({
    result: null,
    changes: {
      connection,
      grant: { current: { sealed: current, attemptId, refused: false }, previous: null },
      accessToken: { sealed, attemptId, tokenType: 'Bearer' },
    },
  }));
  return { key, accessToken };
}

function call(method: string, { app, principal }: ConnectionKey, verb: string): Promise<Response> {
  return fetch(`${url}/v1/apps/${app}/connections/${principal}/${verb}`, {
    method,
    headers: { authorization: `Bearer ${bearer}` },
  });
}

/** Reads one company after the other until told to stop; every answer that is not the right token. */
function readOn(): { stop(): Promise<{ readonly reads: number; readonly failed: readonly string[] }> } {
  const failed: string[] = [];
  let reads = 0;
  let isOver = false;
  const reader = async (first: number): Promise<void> => {
    for (let at = first; !isOver; at = (at + 4) % companies.length) {
      const company = companies[at];
      if (company === undefined) throw new Error('there is no such company');
      const response = await call('GET', company.key, 'token');
      const { access_token: token } = (await response.json()) as { access_token?: string };
      reads += 1;
      if (response.status !== 200 || token !== company.accessToken) failed.push(`${response.status} ${token}`);
    }
  };
  const readers = Promise.all([0, 1, 2, 3].map(reader));
  return {
    async stop() {
      isOver = true;
      await readers;
      return { reads, failed };
    },
  };
}

/** Refreshes the company whose tokens rotate strictly, again and again: a token that is written over is the end of it. */
function refreshOn(): {
  stop(): Promise<{ readonly versions: readonly number[]; readonly failed: readonly string[] }>;
} {
  const failed: string[] = [];
  const versions: number[] = [];
  let isOver = false;
  const running = (async () => {
    // On a busy machine a rotation may be over before the fourth.
    while (!isOver || (versions.length < 4 && failed.length === 0)) {
      const response = await call('POST', strict, 'refresh');
      const body = (await response.json()) as { version?: number; state?: string };
      if (response.status === 200 && body.state === 'active') versions.push(body.version ?? 0);
      else failed.push(`${response.status} ${JSON.stringify(body)}`);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await running;
      return { versions, failed };
    },
  };
}

/** The command line as a process of its own, to be killed. */
async function startCli(argv: readonly string[]): Promise<ChildProcess> {
  return spawn(process.execPath, [await compiledProgram('cli'), ...argv], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: { PATH: process.env.PATH ?? '', ...both },
    stdio: 'ignore',
  });
}

async function status(environment: Readonly<Record<string, string>> = both): Promise<Record<string, unknown>> {
  return (await evergrant(environment, ['keys', 'status', '--json'])).json();
}

describe('keys of an installation that is in use', () => {
  it('are rotated by the book, killed half way and taken up again, with no read that failed and no token lost', async () => {
    const old = { ...both, EVERGRANT_KEKS: backend.environment.EVERGRANT_KEKS };
    const sealed = await manySealedColumns(backend.database.adminUrl);
    expect(sealed).toContain('connections.current_token');
    const listed = sealedColumns.map(({ table, column }) => `${table}.${column}`);
    for (const name of sealed) expect(listed).toContain(name);

    // Too early: what runs does not have the new key yet.
    const early = await evergrant(both, ['keys', 'rotate']);
    expect(early).toMatchObject({
      code: 75,
      out: '',
      err: expect.stringContaining('must be restarted first, with next'),
    });

    // First everything is restarted with both keys.
    await Promise.all([api.stop(), worker.stop()]);
    worker = await backend.startWorker({ EVERGRANT_KEKS: both.EVERGRANT_KEKS ?? '' });
    await startApi({ EVERGRANT_KEKS: both.EVERGRANT_KEKS ?? '' });

    const reader = readOn();
    const refresher = refreshOn();

    // Then the keys are rotated. The first run is killed when half of the rows are done: the others are in use.
    const client = await pool.connect();
    const half =
      'SELECT connection_id FROM access_tokens ORDER BY connection_id LIMIT (SELECT count(*) / 2 FROM access_tokens)';
    await client.query(`BEGIN; SELECT FROM access_tokens WHERE connection_id IN (${half}) FOR UPDATE`);
    // Nobody's transaction may be idle for longer than ten seconds: this one is kept awake.
    const awake = setInterval(() => void client.query('SELECT 1').catch(() => undefined), 1_000);
    const killed = await startCli(['keys', 'rotate']);
    const leftOf = async () => {
      const shown = (await status()) as { to_reseal: number; total: number };
      return shown.to_reseal / shown.total;
    };
    await expect.poll(leftOf, { timeout: 30_000, interval: 500 }).toBeGreaterThan(0);
    await expect.poll(leftOf, { timeout: 30_000, interval: 500 }).toBeLessThan(0.3);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    clearInterval(awake);
    await client.query('COMMIT');
    client.release();
    const { to_reseal: left, advice } = (await status()) as { to_reseal: number; advice: readonly string[] };
    expect(left).toBeGreaterThanOrEqual(COMPANIES / 2 - 1);
    expect(advice[0]).toContain('A rotation is not finished');

    const again = await evergrant(both, ['keys', 'rotate', '--json']);
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(again.json()).toMatchObject({ new_data_key: false, done: true, remaining: 0, unopenable: [] });

    const refreshed = await refresher.stop();
    const { reads, failed } = await reader.stop();
    expect(failed).toEqual([]);
    expect(reads).toBeGreaterThan(100);
    expect(refreshed.failed).toEqual([]);
    expect(refreshed.versions.length).toBeGreaterThan(3);
    expect(refreshed.versions).toEqual([...refreshed.versions].sort((one, other) => one - other));

    // Last the old key goes.
    expect((await status()).advice).toEqual([expect.stringContaining('test may be removed from EVERGRANT_KEKS')]);
    const alone = { EVERGRANT_KEKS: `${next.kid}:${next.key.reveal()}` };
    await Promise.all([api.stop(), worker.stop()]);
    worker = await backend.startWorker(alone);
    await startApi(alone);
    for (const { key, accessToken } of companies.slice(0, 20)) {
      expect(await (await call('GET', key, 'token')).json()).toMatchObject({ access_token: accessToken });
    }
    expect((await call('POST', strict, 'refresh')).status).toBe(200);
    expect((await status({ ...both, ...alone })).advice).toEqual([]);

    // With the old one alone nothing starts any more, and says why in one line.
    for (const program of ['startApi', 'startWorker'] as const) {
      const refused = await backend[program]({ EVERGRANT_KEKS: old.EVERGRANT_KEKS ?? '' }).catch(String);
      expect(refused, program).toContain('ended with 78');
      expect(refused, program).toContain('EVERGRANT_KEKS: the key that this database was set up with');
    }
  }, 180_000);
});
