/**
 * Everything is killed, frozen and cut off at random while connections are made and refreshed. Afterwards each of them
 * lives with a token that SAP Concur accepts, or has ended on evidence that SAP Concur confirms; and nowhere is a secret.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { connectionWorkflowId, refreshSignal } from '../../workflows/contract.ts';
import { allHistories, allRows, findSecrets, secretForms, textOf } from '../e2e/secret-scan.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type Backend, createBackend } from '../integration/backend.ts';
import { evergrant } from '../integration/cli-terminal.ts';
import { createDatabaseProxy, type DatabaseProxy } from '../integration/db-proxy.ts';
import { type OwnTemporal, startOwnTemporal } from '../rig/own-temporal.ts';
import { createChance } from './chance.ts';
import { findPostgres, type FrozenPostgres } from './frozen-postgres.ts';

const KILLS = Number(process.env.CHAOS_KILLS ?? 50);
/** Of every five kills one hits the API. */
const API_EVERY = 5;
const PER_APP = 12;
const ROTATIONS = ['same', 'lax', 'strict'] as const;
const HEAL_MS = 120_000;

/** Outcomes within a second, so that horizons pass within the test; every call takes a moment, so that kills hit it. */
const QUICK = { CONCUR_TIMEOUT: '1s', RETRY_SLOW_EVERY: '2s', SUSPENDED_RETRY_EVERY: '3s', LOG_LEVEL: 'debug' };

const chance = createChance();
const counts = {
  workerKills: 0,
  apiKills: 0,
  cuts: 0,
  databaseFreezes: 0,
  temporalFreezes: 0,
  reads: 0,
  reconnects: 0,
};
const outputs: (() => string)[] = [];
const keys: ConnectionKey[] = [];
const underWay: Promise<void>[] = [];

let temporal: OwnTemporal;
let backend: Backend;
let proxy: DatabaseProxy;
let postgres: FrozenPostgres;
let bearer: string;
let port: string;

beforeAll(async () => {
  temporal = await startOwnTemporal();
  backend = await createBackend({}, { temporal });
  proxy = await createDatabaseProxy(backend.environment.DATABASE_URL);
  postgres = await findPostgres(backend.database.adminUrl);
  port = String(await freePort());
  const environment = { ...backend.environment, EVERGRANT_HOME: '/nonexistent', PORT: port };
  for (const rotation of ROTATIONS) await backend.addApp(`demo-${rotation}`, rotation);
  const scopes = ['tokens:read', 'connections:read'].flatMap((scope) => ['--scope', scope]);
  const apps = ROTATIONS.flatMap((rotation) => ['--app', `demo-${rotation}`]);
  const created = await evergrant(environment, ['clients', 'create', '--name', 't', ...apps, ...scopes, '--json']);
  bearer = String(created.json().token);
}, 120_000);

afterAll(async () => {
  postgres.thaw();
  temporal.thaw();
  proxy.mend();
  await proxy.close();
  await backend.close();
}, 60_000);

const startWorker = async () => watched(await backend.startWorker({ ...QUICK, DATABASE_URL: proxy.url }));
const startApi = async () => watched(await backend.startApi({ ...QUICK, PORT: port, DATABASE_URL: proxy.url }));

function watched<P extends { readonly output: () => string }>(program: P): P {
  outputs.push(program.output);
  return program;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What happens to be under way when the next one is killed; none of it may need to succeed. */
async function stir(): Promise<void> {
  const some = Array.from({ length: 10 }, () => chance.one(keys));
  const wishes = some.map((key) => backend.handle(key).signal(refreshSignal));
  if (chance.below(3) === 0) {
    counts.reconnects += 1;
    wishes.push(backend.pressConnect(chance.one(keys)).then(() => undefined));
  }
  wishes.push(read(chance.one(keys)).then(() => undefined));
  for (const wish of wishes) underWay.push(wish.catch(() => undefined));
  await pause(50 + chance.below(400));
}

async function read(key: ConnectionKey): Promise<number> {
  const url = `http://127.0.0.1:${port}/v1/apps/${key.app}/connections/${key.principal}/token`;
  const { status } = await fetch(url, { headers: { authorization: `Bearer ${bearer}` } });
  counts.reads += 1;
  return status;
}

/** What is cut or frozen may keep a program from starting: it says so and ends, and an orchestrator tries again. */
async function startInSpiteOfAll(start: typeof startWorker): ReturnType<typeof startWorker> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === 20) throw error;
      await pause(500);
    }
  }
}

/** Kills one program again and again; each time another takes its place. */
async function killAndStart(start: typeof startWorker, times: number, onKill: () => void): Promise<void> {
  let running = await startInSpiteOfAll(start);
  for (let kill = 0; kill < times; kill += 1) {
    await stir();
    await running.kill();
    onKill();
    running = await startInSpiteOfAll(start);
  }
}

/** Between kills the ways to database and Temporal fail, and come back. */
async function cutAndFreeze(isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await pause(3_000 + chance.below(3_000));
    const ms = 300 + chance.below(1_700);
    switch (chance.below(3)) {
      case 0:
        counts.cuts += 1;
        proxy.cut();
        await pause(ms);
        proxy.mend();
        break;
      case 1:
        counts.databaseFreezes += 1;
        postgres.freeze();
        await pause(ms);
        postgres.thaw();
        break;
      default:
        counts.temporalFreezes += 1;
        temporal.freeze();
        await pause(ms);
        temporal.thaw();
    }
  }
}

/** Its access token opens the company's own page at SAP Concur. */
async function isAccepted(key: ConnectionKey): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/v1/apps/${key.app}/connections/${key.principal}/token`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${bearer}` } });
  if (response.status !== 200) return false;
  const { access_token: token, geolocation } = (await response.json()) as Record<string, string>;
  const profile = await fetch(`${geolocation}/profile/v1/me`, { headers: { authorization: `Bearer ${token}` } });
  return profile.status === 200 && ((await profile.json()) as { id: string }).id === key.principal;
}

/** Whether SAP Concur has called a refresh token of this connection bad, last of all. */
function isConfirmedDead(key: ConnectionKey): boolean {
  const calls = backend.sandbox.calls({ endpoint: 'token', grantType: 'refresh_token', principalId: key.principal });
  return calls.some(({ code }) => code === 108);
}

async function healed(key: ConnectionKey): Promise<Connection> {
  return await waitFor(`connection ${key.app} ${key.principal} to settle`, HEAL_MS, async () => {
    const connection = await backend.connection(key);
    if (connection.state === 'reauthorization-required') return connection;
    return connection.state === 'active' && (await isAccepted(key).catch(() => false)) ? connection : null;
  });
}

describe('a system whose every part is killed, frozen and cut off at random', () => {
  it('keeps every connection, or has lost it as nobody could have helped', async () => {
    backend.sandbox.fault({ kind: 'delay', ms: 500, when: 'after', match: { endpoint: 'token' }, times: 'always' });
    const first = [await startWorker(), await startApi()];
    for (const rotation of ROTATIONS) {
      const made = Array.from({ length: PER_APP }, () => backend.connect('us2', `demo-${rotation}`));
      keys.push(...(await Promise.all(made)).map(({ key }) => key));
    }
    for (const program of first) await program.kill();

    let isOver = false;
    const apiKills = Math.floor(KILLS / API_EVERY);
    const workerKills = KILLS - apiKills;
    const trouble = cutAndFreeze(() => isOver);
    await Promise.all([
      killAndStart(startWorker, Math.ceil(workerKills / 2), () => (counts.workerKills += 1)),
      killAndStart(startWorker, Math.floor(workerKills / 2), () => (counts.workerKills += 1)),
      killAndStart(startApi, apiKills, () => (counts.apiKills += 1)),
    ]).finally(async () => {
      isOver = true;
      await trouble;
      // Temporal's client tries for as long as it takes.
      await Promise.all(underWay);
    });
    expect(counts.workerKills + counts.apiKills).toBe(KILLS);

    const ends = { active: 0, rotationLost: 0 };
    for (const key of keys) {
      const connection = await healed(key);
      if (connection.state === 'active') {
        ends.active += 1;
        continue;
      }
      // Strict rotation alone can take a living token along with a process that died before its first durable write.
      expect([key.app, connection.reason]).toEqual(['demo-strict', 'rotation-lost']);
      expect(isConfirmedDead(key)).toBe(true);
      ends.rotationLost += 1;
    }
    const calls = backend.sandbox.calls({ endpoint: 'token' });
    const versions = await Promise.all(keys.map(async (key) => (await backend.connection(key)).version));
    const text = outputs.map((output) => output()).join('\n');
    const lifeboats = text.split('was saved from the lifeboat').length - 1;
    process.stdout.write(
      `chaos ${JSON.stringify({
        seed: chance.seed,
        ...counts,
        connections: keys.length,
        ...ends,
        tokenCalls: calls.length,
        tokenSetsSaved: versions.reduce((sum, version) => sum + version, 0),
        lifeboats,
      })}\n`,
    );
    expect(ends.active).toBeGreaterThanOrEqual(PER_APP * 2);
    expect(calls.length).toBeGreaterThan(KILLS);
  }, 600_000);

  it('leaves no secret in clear in any history, table or line of output', async () => {
    expect(backend.sandbox.issuedSecretsAreComplete()).toBe(true);
    const forms = secretForms(backend.sandbox.issuedSecrets().map(({ value }) => value));
    expect(forms.length).toBeGreaterThan(100);
    const histories = await allHistories(temporal.address, temporal.namespace);
    expect(
      histories.filter((text) => text.includes(connectionWorkflowId(keys[0] ?? { app: '', principal: '' }))),
    ).not.toEqual([]);
    const tables = await allRows(backend.database.ownerUrl);
    expect(tables.length).toBeGreaterThan(keys.length);
    const lines = outputs.map((output) => output());
    expect(lines.join('').length).toBeGreaterThan(10_000);

    const planted = Buffer.from(`x${backend.sandbox.issuedSecrets()[0]?.value}y`);
    expect(findSecrets([textOf({ events: [{ payloads: [{ data: planted }] }] })], forms)).toHaveLength(1);
    expect(findSecrets(histories, forms)).toEqual([]);
    expect(findSecrets(tables, forms)).toEqual([]);
    expect(findSecrets(lines, forms)).toEqual([]);
  }, 120_000);
});
