/** From the completed landing page to an active connection, against the least that Temporal can do of it. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { freePort, LOOPBACK } from '../dev/stack/ports.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import type { Benchmark, Effort, Findings } from './benchmark.ts';
import { countCpu, type CpuShares, perPiece } from './cpu-shares.ts';
import { inLanes } from './in-lanes.ts';
import { interleave } from './interleave.ts';
import type { Place } from './place.ts';
import { startRivalWorker } from './rival-worker.ts';
import { connectSignal } from './rivals/workflows.ts';
import { ratios, spreadOf } from './statistics.ts';

/** Administrators, or callers of the rival, at the same time. */
const LANES = 20;
const DONE_MS = 120_000;

export const connect: Benchmark = {
  name: 'connect',
  about:
    'The last page of a connect is sent by many administrators at once: until all connections are active, with a sandbox ' +
    'that answers at once; against signal-with-start and one empty activity.',
  run,
};

async function run(effort: Effort, place: Place): Promise<Findings> {
  return await measure(effort, place, await place.openBackend());
}

async function measure({ isQuick, say }: Effort, place: Place, backend: Backend): Promise<Findings> {
  const { rounds, count } = isQuick ? { rounds: 2, count: 60 } : { rounds: 5, count: 300 };
  const port = await freePort();
  const env = { PORT: String(port), PUBLIC_URL: `http://localhost:${port}`, TRUSTED_PROXIES: LOOPBACK };
  const [api, worker] = await Promise.all([
    backend.startApi({ ...env, NODE_ENV: 'production' }),
    backend.startWorker({ CONCUR_RATE_PER_DATACENTER: '10000', NODE_ENV: 'production' }),
  ]);
  const rival = await startRivalWorker(place);
  const database = new pg.Pool({ connectionString: backend.database.adminUrl, max: 1 });
  database.on('error', () => undefined);
  try {
    const evergrant = async (): Promise<Round> => {
      const pages = await inLanes(LANES, Array.from({ length: count }), () => openLanding(backend, port));
      const before = await countActive(database);
      const used = countCpu(place, { api: api.pid, worker: worker.pid });
      const startedAtMs = performance.now();
      await inLanes(LANES, pages, complete);
      await waitFor('all connections to be active', DONE_MS, async () =>
        (await countActive(database)) >= before + count ? true : null,
      );
      const rate = (count * 1_000) / (performance.now() - startedAtMs);
      return { rate, cpu: perPiece(used(), count) };
    };
    const bare = async (): Promise<Round> => {
      const before = await rival.calls();
      const used = countCpu(place, { worker: rival.pid });
      const startedAtMs = performance.now();
      await inLanes(LANES, Array.from({ length: count }), async () => {
        await place.client.workflow.signalWithStart('connectOnce', {
          workflowId: `connect-once-${randomUUID()}`,
          taskQueue: 'rival',
          signal: connectSignal,
          signalArgs: [],
        });
      });
      await waitFor('all activities', DONE_MS, async () => ((await rival.calls()) >= before + count ? true : null));
      const rate = (count * 1_000) / (performance.now() - startedAtMs);
      return { rate, cpu: perPiece(used(), count) };
    };
    say('warming up');
    await evergrant();
    await bare();
    say(`${rounds} rounds of ${count} each`);
    const measured = await interleave(rounds, { evergrant, bare });
    const ours = (measured.evergrant ?? []).map(({ rate }) => rate);
    const theirs = (measured.bare ?? []).map(({ rate }) => rate);
    const cpuOf = (name: string): number[] => (measured[name] ?? []).map(({ cpu }) => cpu.sum ?? Number.NaN);
    return {
      claims: [
        {
          what: 'Evergrant / bare signal-with-start and empty activity, connects/s',
          measured: spreadOf(ratios(ours, theirs)),
          target: { sense: '>=', value: 0.5 },
        },
        {
          what: 'bare / Evergrant, CPU time of all processes for a connect',
          measured: spreadOf(ratios(cpuOf('bare'), cpuOf('evergrant'))),
          target: null,
        },
        { what: 'Evergrant, CPU ms of a connect', measured: spreadOf(cpuOf('evergrant')), target: null },
        { what: 'Evergrant, connects/s', measured: spreadOf(ours), target: null },
        { what: 'bare signal-with-start and empty activity, connects/s', measured: spreadOf(theirs), target: null },
      ],
      raw: { rounds: measured, connectsPerRound: count, lanes: LANES },
      notes: [
        `${LANES} at a time, from the POST of the landing page over HTTP until the row says active: session, exchange at the ` +
          'sandbox, identity, company, tokens sealed and saved, audit. Temporal keeps its data in memory, PostgreSQL on the disk.',
      ],
    };
  } finally {
    await database.end();
  }
}

interface Round {
  /** Connects per second. */
  readonly rate: number;
  /** CPU milliseconds of a connect. */
  readonly cpu: CpuShares;
}

interface LandingPage {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly csrf: string;
}

/** What a browser does from the redirect of the App Center to the page, each from an address of its own. */
async function openLanding(backend: Backend, port: number): Promise<LandingPage> {
  const company = backend.sandbox.addCompany({ name: 'Aurora', domain: `${randomUUID()}.example`, dataCentre: 'us2' });
  backend.sandbox.addUser({ companyId: company.id, webServicesAdmin: true });
  const pressed = backend.sandbox.pressConnect({ clientId: backend.concurApp.clientId, principalId: company.id });
  const base = `http://localhost:${port}`;
  const forwarded = { 'x-forwarded-for': `10.${byte()}.${byte()}.${byte()}` };
  const redirect = await fetch(`${base}/connect/demo${new URL(pressed.url).search}`, {
    redirect: 'manual',
    headers: forwarded,
  });
  const cookie = redirect.headers.getSetCookie().map((line) => line.split(';')[0]);
  const url = new URL(redirect.headers.get('location') ?? '', base).href;
  const headers = { ...forwarded, cookie: cookie.join('; '), origin: base };
  const page = await (await fetch(url, { headers })).text();
  const csrf = /name="csrf" value="([^"]*)"/.exec(page)?.[1];
  if (csrf === undefined) throw new Error(`there is no form at ${url} (${redirect.status}):\n${page.slice(0, 500)}`);
  return { url, headers, csrf };
}

async function complete({ url, headers, csrf }: LandingPage): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers,
    body: new URLSearchParams({ csrf }),
  });
  await response.arrayBuffer();
  if (response.status !== 303) throw new Error(`the landing page answered ${response.status}`);
}

async function countActive(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ count: string }>(`SELECT count(*) FROM connections WHERE state = 'active'`);
  return Number(rows[0]?.count);
}

function byte(): number {
  return Math.floor(Math.random() * 256);
}
