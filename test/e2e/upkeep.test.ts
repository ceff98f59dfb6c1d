/**
 * The main job, watched for two minutes: tokens of fifteen seconds, one connection read every second, one not at all.
 * Everything goes through `npm start` and the documented outside.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addCompany, type ConnectedCompany, connect } from './administrator.ts';
import { type Product, startProduct } from './product.ts';
import { allHistories, allRows, findSecrets, secretForms, textOf } from './secret-scan.ts';

const APP = 'demo-confirm';
const WATCH_MS = 120_000;
const TOKEN_TTL_MS = 15_000;

interface Call {
  readonly endpoint: string;
  readonly principalId: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly grantType: string | null;
}

interface TokenAnswer {
  readonly access_token: string;
  readonly expires_at: string;
  readonly expires_in: number;
  readonly geolocation: string;
  readonly version: number;
}

let product: Product;
let read: ConnectedCompany;
let unread: ConnectedCompany;

beforeAll(async () => {
  product = await startProduct({ SANDBOX_ACCESS_TOKEN_TTL: '15s', WARM_WINDOW: '20s', LOG_LEVEL: 'debug' });
  [read, unread] = await Promise.all([
    addCompany(product, 'Read Every Second'),
    addCompany(product, 'Never Read', 'eu2'),
  ]);
  await Promise.all([connect(product, APP, read), connect(product, APP, unread)]);
}, 120_000);

afterAll(async () => {
  await product?.stop();
}, 30_000);

function callsFor(company: ConnectedCompany, calls: readonly Call[]): readonly Call[] {
  return calls.filter(({ endpoint, principalId }) => endpoint === 'token' && principalId === company.id);
}

async function calls(): Promise<readonly Call[]> {
  const { calls: all } = await product.sandboxGet<{ calls: Call[] }>('/__sandbox/calls');
  return all;
}

describe('two minutes of upkeep with tokens of fifteen seconds', () => {
  const slowest = { ms: 0 };
  const versions = new Set<number>();
  let shortestLifeMs = Number.POSITIVE_INFINITY;
  let reads = 0;
  let idleBefore = 0;

  it('never hands out an expired token and never makes the reader wait for a refresh', async () => {
    const path = `/v1/apps/${APP}/connections/${read.id}/token`;
    const end = Date.now() + WATCH_MS;
    while (Date.now() < end) {
      const askedAt = Date.now();
      const response = await product.api(path);
      const token = (await response.json()) as TokenAnswer;
      slowest.ms = Math.max(slowest.ms, Date.now() - askedAt);
      expect(response.status, JSON.stringify(token)).toBe(200);
      shortestLifeMs = Math.min(shortestLifeMs, Date.parse(token.expires_at) - Date.now());
      versions.add(token.version);
      reads += 1;
      if (reads % 10 === 0) {
        const me = await fetch(`${token.geolocation}/profile/v1/me`, {
          headers: { authorization: `Bearer ${token.access_token}` },
        });
        expect(me.status).toBe(200);
        expect(await me.json()).toMatchObject({ id: read.id });
      }
      if (reads === 60) idleBefore = callsFor(unread, await calls()).length;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, askedAt + 1_000 - Date.now())));
    }
    expect(reads).toBeGreaterThan(100);
    expect(shortestLifeMs).toBeGreaterThan(0);
    // A refresh takes a call to Concur, two transactions and the workflow's turns; a read from memory takes none.
    expect(slowest.ms).toBeLessThan(1_000);
  }, 150_000);

  it('makes one token call at a time, and no more than needed', async () => {
    const seen = callsFor(read, await calls());
    const inOrder = seen.toSorted((a, b) => a.startedAt - b.startedAt);
    for (const [index, call] of inOrder.entries()) {
      const next = inOrder[index + 1];
      if (next !== undefined) expect(call.endedAt).toBeLessThan(next.startedAt);
    }
    // At two thirds of fifteen seconds, at most a twentieth early: every 9.5 to 10 s.
    expect(seen.length).toBeGreaterThanOrEqual(Math.floor(WATCH_MS / TOKEN_TTL_MS));
    expect(seen.length).toBeLessThanOrEqual(Math.ceil(WATCH_MS / 9_500) + 3);
    expect(versions.size).toBeGreaterThanOrEqual(8);
  });

  it('refreshes a connection that nobody reads no more once it is idle', async () => {
    const seen = callsFor(unread, await calls());
    // The exchange, and what was due while connecting still counted as a read.
    expect(idleBefore).toBeLessThanOrEqual(4);
    expect(seen.length).toBe(idleBefore);
  });

  it('wakes the idle connection at its first read', async () => {
    const response = await product.api(`/v1/apps/${APP}/connections/${unread.id}/token`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ token_type: 'Bearer' });
  });

  it('leaves no secret in clear in any history, table or line of output', async () => {
    const { secrets } = await product.sandboxGet<{ secrets: { kind: string; value: string }[] }>(
      '/__sandbox/issued-secrets',
    );
    expect(secrets.length).toBeGreaterThan(20);
    const forms = secretForms(secrets.map(({ value }) => value));

    const histories = await allHistories(product.running.temporalAddress);
    expect(histories.length).toBeGreaterThanOrEqual(2);
    const tables = await allRows(product.running.environment.MIGRATION_DATABASE_URL ?? '');
    expect(tables.length).toBeGreaterThan(10);
    const output = await product.output();
    expect(output.length).toBeGreaterThan(100);

    // The scanner can find: a secret planted in a history is reported.
    const planted = Buffer.from(`x${secrets[0]?.value}y`);
    expect(findSecrets([textOf({ events: [{ payloads: [{ data: planted }] }] })], forms)).toHaveLength(1);
    expect(findSecrets(histories, forms)).toEqual([]);
    expect(findSecrets(tables, forms)).toEqual([]);
    expect(findSecrets(output, forms)).toEqual([]);
  }, 60_000);
});
