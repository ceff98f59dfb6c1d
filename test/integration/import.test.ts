/**
 * An import of many refresh tokens against the real stack and a Concur that lets every token be used once: killed half
 * way and run again, no row is lost and none is done twice. `IMPORT_ROWS=10000` for the whole number.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compiledProgram } from '../rig/compiled-product.ts';
import { createBackend, type Backend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

const ROWS = Number(process.env.IMPORT_ROWS ?? 100);
/** Bad tokens among them. */
const BAD = 3;
const MINUTE_MS = 60_000;
const root = fileURLToPath(new URL('../../', import.meta.url));

let backend: Backend;
let pool: pg.Pool;
let folder: string;
let file: string;
let variables: Record<string, string>;
let principals: string[];

beforeAll(async () => {
  backend = await createBackend({ callLimit: ROWS * 6 + 1_000 });
  await backend.addApp('moved', 'strict');
  pool = new pg.Pool({ connectionString: backend.database.url, max: 2 });
  folder = await mkdtemp(join(tmpdir(), 'evergrant-import-'));
  file = join(folder, 'tokens.ndjson');
  variables = { ...backend.environment, CONCUR_RATE_PER_DATACENTER: '1000', EVERGRANT_HOME: folder };
  await backend.startWorker({ CONCUR_RATE_PER_DATACENTER: '1000' });
  const lines = Array.from({ length: ROWS }, (_, index) => buildRow(index));
  principals = lines.map(({ principal_id: principal }) => principal);
  await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}, 2 * MINUTE_MS);
afterAll(async () => {
  await pool.end();
  await backend.close();
  await rm(folder, { recursive: true, force: true });
});

/** A company whose refresh token another program has kept alive; a few have died meanwhile. */
function buildRow(index: number) {
  const { sandbox } = backend;
  const dataCentre = index % 2 === 0 ? 'us2' : 'eu2';
  const company = sandbox.addCompany({ name: `Company ${index}`, domain: `c${index}.example`, dataCentre });
  const clientId = backend.clientIdOf('moved');
  const { directory, tokens } = sandbox.model;
  const token = tokens.issueRefreshToken(directory.oneApp(clientId), directory.onePrincipal(company.id), 'openid');
  if (index < BAD) sandbox.disconnect({ clientId, principalId: company.id });
  return {
    principal_id: company.id,
    refresh_token: token.value,
    geolocation: sandbox.baseUris[dataCentre] ?? '',
    customer_ref: `customer-${index}`,
  };
}

/** The command line as a process that can be killed. */
async function startImport() {
  const args = [await compiledProgram('cli'), 'connections', 'import', 'moved', file, '--rate', '1000', '--json'];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...variables },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => void out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => void err.push(chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, ended, text: () => Buffer.concat(out).toString(), errors: () => Buffer.concat(err).toString() };
}

async function countActive(): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM connections WHERE app = 'moved' AND state = 'active'`,
  );
  return rows[0]?.count ?? 0;
}

async function untilActive(count: number): Promise<void> {
  while ((await countActive()) < count) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('an import', () => {
  it('says beforehand what it would do, and does nothing', async () => {
    const result = await evergrant(variables, ['connections', 'import', 'moved', file, '--dry-run', '--json']);
    expect([result.code, result.err]).toEqual([0, '']);
    const nothing = { invalid: 0, to_replace: 0, living: 0 };
    expect(result.json()).toEqual({ dry_run: true, lines: ROWS, to_connect: ROWS, ...nothing });
    expect(backend.sandbox.calls({ endpoint: 'token' })).toEqual([]);
  });

  it(
    `of ${ROWS} rows that is killed half way and run again loses none and does none twice`,
    async () => {
      const beganMs = performance.now();
      const first = await startImport();
      await untilActive(Math.floor(ROWS / 2));
      first.child.kill('SIGKILL');
      expect(await first.ended).toBeNull();
      expect(first.text()).toBe('');
      const atKill = await countActive();
      expect(atKill).toBeLessThan(ROWS - BAD);

      const second = await startImport();
      expect([await second.ended, second.errors()]).toEqual([
        1,
        expect.stringContaining(`${BAD} lines are not connected`),
      ]);
      const seconds = (performance.now() - beganMs) / 1_000;
      process.stdout.write(`${ROWS} rows, killed at ${atKill}: ${seconds.toFixed(1)} s\n`);
      const report = `${file}.report.ndjson`;
      const counts = { connected: ROWS - BAD, failed: BAD, pending: 0, not_tried: 0, invalid: 0 };
      expect(JSON.parse(second.text())).toEqual({ ...counts, report });

      // No row lost: each is what the file says.
      const { rows } = await pool.query<Record<string, unknown>>(
        `SELECT principal, state, version, customer_ref FROM connections WHERE app = 'moved' AND state = 'active'`,
      );
      const found = new Map(rows.map((row) => [row.principal, row]));
      for (const [index, principal] of principals.entries()) {
        if (index < BAD) expect(found.get(principal)).toBeUndefined();
        else expect(found.get(principal)).toMatchObject({ version: 1, customer_ref: `customer-${index}` });
      }
      // None done twice: one successful session, and one token call that Concur took, for each.
      const { rows: sessions } = await pool.query<{ count: number }>(
        `SELECT count(*)::integer AS count FROM connect_sessions
         WHERE app = 'moved' AND kind = 'refresh-token' AND status = 'connected'`,
      );
      expect(sessions[0]?.count).toBe(ROWS - BAD);
      const taken = backend.sandbox.calls({ endpoint: 'token', status: 200 });
      expect(taken).toHaveLength(ROWS - BAD);
      expect(new Set(taken.map(({ principalId }) => principalId)).size).toBe(ROWS - BAD);
    },
    60 * MINUTE_MS,
  );

  it('reports what became of each line, to its owner alone and without a secret', async () => {
    const path = `${file}.report.ndjson`;
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, 'utf8');
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(ROWS);
    expect(lines[0]).toEqual({
      line: 1,
      principal_id: principals[0],
      outcome: 'failed',
      code: 'reauthorization-required',
    });
    expect(lines[BAD]).toEqual({ line: BAD + 1, principal_id: principals[BAD], outcome: 'connected', code: null });
    for (const line of (await readFile(file, 'utf8')).trimEnd().split('\n').slice(0, 50)) {
      expect(text).not.toContain((JSON.parse(line) as { refresh_token: string }).refresh_token);
    }
  });

  it(
    'run once more calls Concur for the failed rows alone',
    async () => {
      const before = backend.sandbox.calls({ endpoint: 'token' }).at(-1)?.id ?? 0;
      const again = await startImport();
      expect(await again.ended).toBe(1);
      const calls = backend.sandbox.calls({ endpoint: 'token', after: before });
      expect(new Set(calls.map(({ principalId }) => principalId))).toEqual(new Set(principals.slice(0, BAD)));
    },
    5 * MINUTE_MS,
  );
});
