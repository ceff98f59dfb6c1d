/** A partner's read of a token, against what an HTTP server can do at all, and against asking the workflow. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { NOTICE_CHANNEL } from '../db/notice-channel.ts';
import type { Backend } from '../test/integration/backend.ts';
import type { Benchmark, Claim, Effort, Findings } from './benchmark.ts';
import { interleave } from './interleave.ts';
import type { LoadResult, Target } from './load/orders.ts';
import { startLoad } from './load/start-load.ts';
import type { Place } from './place.ts';
import { seedConnections } from './seed-connections.ts';
import { cpuMsOf } from './process-cost.ts';
import { ratios, spreadOf } from './statistics.ts';
import { freePort, LOOPBACK } from '../dev/stack/ports.ts';

const APP = 'demo';
const CONNECTIONS = 50;
/** Read from memory. */
const KNOWN = 500;
/** Workflows that are asked: all of them in their worker's cache, which is the best that can happen to a query. */
const ASKED = 200;

export const tokenRead: Benchmark = {
  name: 'token-read',
  about:
    'GET .../token of the built API, JWT checked and reads audited, from memory and from the database; against bare ' +
    'Koa with a static body of the same size, and against a Temporal query per read.',
  run,
};

async function run(effort: Effort, place: Place): Promise<Findings> {
  return await measure(effort, place, await place.openBackend());
}

async function measure({ isQuick, say }: Effort, place: Place, backend: Backend): Promise<Findings> {
  // Callers: one client alone would meet its limit in time, at 10,000 a second.
  const { rounds, ms, rows, clients } = isQuick
    ? { rounds: 3, ms: 1_000, rows: 10_000, clients: 2 }
    : { rounds: 9, ms: 4_000, rows: 50_000, clients: 4 };
  say(`putting ${rows} connections on file`);
  const principals = await seedConnections(backend, APP, rows);
  const paths = principals.map((id) => `/v1/apps/${APP}/connections/${id}/token`);

  say('starting the API and its rivals');
  const port = await freePort();
  const env = { PORT: String(port), PUBLIC_URL: `http://localhost:${port}`, NODE_ENV: 'production' };
  const [api, asking] = await Promise.all([backend.startApi(env), startQueryRival(place)]);
  const tokens = Array.from({ length: clients }, (_, index) => createClient(place, backend, env, index));
  const body = await readOne(port, paths[0] ?? '', tokens[0] ?? '');
  const bare = await place.start('rivals/bare-koa.ts', { BODY: body, NODE_ENV: 'production' });
  const asked = { ...asking, paths: await holdTokens(place, JSON.parse(body)) };

  const product = { host: LOOPBACK, port, tokens };
  const generator = await startLoad({
    memory: { ...product, paths: paths.slice(0, KNOWN) },
    database: { ...product, paths: paths.slice(KNOWN) },
    bare: { ...product, ...addressOf(bare.url), paths: paths.slice(0, KNOWN) },
    query: { ...product, ...asked },
  });
  try {
    const pids: Readonly<Record<string, number>> = { bare: bare.part.pid, memory: api.pid, database: api.pid };
    const load = async (target: string, forMs: number): Promise<Measured> => {
      if (target === 'memory') await untilTrusted(port, paths[0] ?? '', tokens[0] ?? '');
      if (target === 'database') await renew(backend, principals.slice(KNOWN), port, tokens[0] ?? '');
      const pid = pids[target] ?? 0;
      const cpuBeforeMs = cpuMsOf(pid);
      const result = await generator.load({ target, connections: CONNECTIONS, ms: forMs });
      const failures = JSON.stringify(result.failures);
      if (failures !== '{}') throw new Error(`${target}: answers other than 200: ${failures}`);
      return { ...result, cpuMs: cpuMsOf(pid) - cpuBeforeMs };
    };
    say('warming up');
    for (const target of ['memory', 'database', 'bare', 'query']) await load(target, isQuick ? 750 : 3_000);
    const before = await readSources(port);
    say(`${rounds} rounds of ${ms} ms each`);
    const results = await interleave(rounds, {
      bare: () => load('bare', ms),
      memory: () => load('memory', ms),
      database: () => load('database', ms),
      query: () => load('query', ms),
    });
    const after = await readSources(port);
    return judge(results, {
      body,
      clients,
      sources: { memory: after.memory - before.memory, database: after.database - before.database },
    });
  } finally {
    await generator.close();
  }
}

/** With what the server's process needed for it: nothing else that runs on the machine changes that much. */
type Measured = LoadResult & { readonly cpuMs: number };

function judge(
  results: Readonly<Record<string, readonly Measured[]>>,
  {
    body,
    clients,
    sources,
  }: { readonly body: string; readonly clients: number; readonly sources: Readonly<Record<string, number>> },
): Findings {
  const column = (name: string, value: (result: Measured) => number) => (results[name] ?? []).map(value);
  const rate = (name: string) => column(name, ({ requestsPerSecond }) => requestsPerSecond);
  const perCpu = (name: string) => column(name, ({ requests, cpuMs }) => (requests * 1_000) / cpuMs);
  const p99 = (name: string) => column(name, ({ p99Ms }) => p99Ms);
  const sum = (name: string) => column(name, ({ requests }) => requests).reduce((all, one) => all + one, 0);
  const compare = (what: string, values: readonly number[], sense: '>=' | '<=', value: number): Claim => ({
    what,
    measured: spreadOf(values),
    target: { sense, value },
  });
  const show = (what: string, values: readonly number[]): Claim => ({ what, measured: spreadOf(values), target: null });
  for (const source of ['memory', 'database']) {
    const share = (sources[source] ?? 0) / sum(source);
    if (share < 0.9) throw new Error(`only ${Math.round(share * 100)} % of these reads came from ${source}`);
  }
  return {
    claims: [
      compare('from memory / bare Koa, requests/s', ratios(rate('memory'), rate('bare')), '>=', 0.7),
      compare('from the database / bare Koa, requests/s', ratios(rate('database'), rate('bare')), '>=', 0.35),
      compare(`from memory / bare Koa, p99 at ${CONNECTIONS} connections`, ratios(p99('memory'), p99('bare')), '<=', 3),
      show(`from the database / bare Koa, p99 at ${CONNECTIONS} connections`, ratios(p99('database'), p99('bare'))),
      compare('from memory / query per read, requests/s', ratios(rate('memory'), rate('query')), '>=', 20),
      show('from memory / bare Koa, requests per CPU second of the process', ratios(perCpu('memory'), perCpu('bare'))),
      show('from the database / bare Koa, the same', ratios(perCpu('database'), perCpu('bare'))),
      show('bare Koa, requests/s', rate('bare')),
      show('from memory, requests/s', rate('memory')),
      show('from the database, requests/s', rate('database')),
      show('query per read, requests/s', rate('query')),
      show('bare Koa, p99 in ms', p99('bare')),
      show('from memory, p99 in ms', p99('memory')),
      show('from the database, p99 in ms', p99('database')),
      show('query per read, p99 in ms', p99('query')),
    ],
    raw: { rounds: results, bodyBytes: body.length, readsBySource: sources },
    notes: [
      `${CONNECTIONS} connections, ${clients} clients, a body of ${body.length} bytes. From memory: ${KNOWN} connections. From the ` +
        'database: every read of a connection that was renewed a moment ago and is not in memory, the first of its version, with its row in ' +
        `the audit. Query per read: ${ASKED} workflows, all in their worker's cache.`,
    ],
  };
}

function createClient(place: Place, backend: Backend, env: Readonly<Record<string, string>>, index: number): string {
  const args = ['clients', 'create', '--json', '--name', `bench ${index}`, '--scope', 'tokens:read', '--app', APP];
  return (JSON.parse(place.evergrant(backend, args, env)) as { readonly token: string }).token;
}

/**
 * New versions of these connections, as after a refresh of each: memory lets go of them, and everybody's next read of one is the
 * first of that version.
 */
async function renew(backend: Backend, principals: readonly string[], port: number, token: string): Promise<void> {
  const client = new pg.Client({ connectionString: backend.database.adminUrl });
  await client.connect();
  try {
    await client.query(
      `WITH renewed AS (
         UPDATE connections SET version = version + 1 WHERE app = $1 AND principal = ANY ($2::text[])
         RETURNING app, principal, version
       )
       SELECT count(pg_notify($3, jsonb_build_object(
         'kind', 'connection', 'app', app, 'principal', principal, 'version', version)::text)) FROM renewed`,
      [APP, principals, NOTICE_CHANNEL],
    );
    const last = principals.at(-1) ?? '';
    const { rows } = await client.query<{ readonly version: number }>(
      'SELECT version FROM connections WHERE app = $1 AND principal = $2',
      [APP, last],
    );
    for (let version = -1; version !== rows[0]?.version; ) {
      await pause(20);
      const body = await readOne(port, `/v1/apps/${APP}/connections/${last}/token`, token);
      ({ version } = JSON.parse(body) as { readonly version: number });
    }
  } finally {
    await client.end();
  }
}

/** Memory is not read from until the way of the notices is proven, which on a busy machine may take a moment. */
async function untilTrusted(port: number, path: string, token: string): Promise<void> {
  for (let isTrusted = false; !isTrusted; ) {
    const { memory } = await readSources(port);
    await readOne(port, path, token);
    isTrusted = (await readSources(port)).memory > memory;
    if (!isTrusted) await pause(50);
  }
}

async function readOne(port: number, path: string, token: string): Promise<string> {
  const response = await fetch(`http://${LOOPBACK}:${port}${path}`, { headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`the read of a token answered ${response.status}: ${text}`);
  return text;
}

/** Reads so far, by where they came from, as the API's own metrics count them. */
async function readSources(port: number): Promise<{ readonly memory: number; readonly database: number }> {
  const text = await (await fetch(`http://${LOOPBACK}:${port}/metrics`)).text();
  const count = (source: string): number =>
    [...text.matchAll(/^evergrant_token_reads_total\{(.*)\} (\d+)$/gm)]
      .filter(([, labels]) => labels?.includes(`source="${source}"`))
      .reduce((sum, [, , value]) => sum + Number(value), 0);
  return { memory: count('memory'), database: count('database') };
}

async function startQueryRival(place: Place): Promise<Pick<Target, 'host' | 'port'>> {
  const env = { TEMPORAL_ADDRESS: place.temporalAddress, NODE_ENV: 'production' };
  const [, { url }] = await Promise.all([
    place.start('rivals/worker.ts', env),
    place.start('rivals/query-server.ts', env),
  ]);
  return addressOf(url);
}

/** Starts the workflows that are asked; their paths. */
async function holdTokens(place: Place, body: unknown): Promise<readonly string[]> {
  const ids = Array.from({ length: ASKED }, (_, index) => `token-holder-${index}`);
  await Promise.all(
    ids.map((workflowId) =>
      place.client.workflow.start('tokenHolder', { workflowId, taskQueue: 'rival', args: [body] }),
    ),
  );
  return ids.map((id) => `/v1/apps/${APP}/connections/${id}/token`);
}

function addressOf(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
