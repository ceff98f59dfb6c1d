/** Events to partners, from the transaction to an endpoint that checks them with the public `standardwebhooks` package. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAppStore } from '../../db/app-store.ts';
import { createPool } from '../../db/pool.ts';
import { isPublicAddress } from '../../worker/webhooks/public-address.ts';
import { createPoster } from '../../worker/webhooks/post.ts';
import { buildApp } from '../simulation/builders.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

const silent = (): void => {};
const log = { debug: silent, info: silent, warn: silent, error: silent };

interface Received {
  readonly headers: Record<string, string>;
  readonly body: string;
}

let backend: Backend;
let pool: ReturnType<typeof createPool>;
let endpoint: Server;
let url: string;
let received: Received[] = [];
/** What the endpoint answers, oldest first; 204 when there is nothing left. */
let answers: number[] = [];

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

beforeAll(async () => {
  backend = await createBackend();
  pool = createPool({ url: backend.database.url, log });
  endpoint = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      received.push({ headers: request.headers as Record<string, string>, body });
      response.writeHead(answers.shift() ?? 204).end();
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/hook`;
  await backend.startWorker();
}, 60_000);

afterAll(async () => {
  endpoint.closeAllConnections();
  await new Promise((resolve) => endpoint.close(resolve));
  await pool.end();
  await backend.close();
});

beforeEach(async () => {
  received = [];
  answers = [];
  const { clientId } = backend.concurApp;
  const events = ['connection.connected', 'connection.revoked', 'connection.suspended'];
  await createAppStore(pool).apply(buildApp({ app: 'demo', clientId, webhooks: [{ url, events }] }));
});

afterEach(async () => {
  await pool.query('DELETE FROM outbox');
  await pool.query('DELETE FROM disabled_webhooks');
});

const cli = (...argv: string[]) => evergrant({ ...backend.environment, EVERGRANT_HOME: '/nonexistent' }, argv);

async function rotateSecret(): Promise<string> {
  const { out } = await cli('webhooks', 'rotate-secret', 'demo', '--json');
  return (JSON.parse(out) as { readonly secret: string }).secret;
}

async function nextMessages(count: number): Promise<readonly Received[]> {
  await vi.waitFor(() => expect(received).toHaveLength(count), { timeout: 15_000, interval: 50 });
  return received;
}

describe('a message', () => {
  it('tells of a connection as it is then, signed so that the public package takes it', async () => {
    const secret = await rotateSecret();
    const { key } = await backend.connect();
    const [message] = await nextMessages(1);
    const told = new Webhook(secret).verify(message?.body ?? '', message?.headers ?? {});
    expect(told).toMatchObject({
      type: 'connection.connected',
      data: { app: 'demo', principal_id: key.principal, state: 'active', version: 1, upkeep: 'warm' },
    });
    expect(() => new Webhook(secret).verify(`${message?.body} `, message?.headers ?? {})).toThrow();
  });

  it('is signed with both secrets while they are exchanged', async () => {
    const before = await rotateSecret();
    const after = await rotateSecret();
    await backend.connect();
    const [message] = await nextMessages(1);
    for (const secret of [before, after]) {
      expect(new Webhook(secret).verify(message?.body ?? '', message?.headers ?? {})).toBeDefined();
    }
  });

  it('is tried again under the same id when the endpoint fails, and is not sent again after that', async () => {
    await rotateSecret();
    answers = [500];
    await backend.connect();
    const [first, second] = await nextMessages(2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    await vi.waitFor(async () => {
      const { out } = await cli('webhooks', 'list', 'demo', '--json');
      expect(JSON.parse(out)).toMatchObject({ items: [{ url, pending: 0, failed: 0 }] });
    });
  }, 30_000);

  it('is not made for an event that nobody wants to hear of', async () => {
    const { key } = await backend.connect();
    await nextMessages(1);
    await backend.handle(key).executeUpdate('refresh', { args: [{}] });
    await backend.handle(key).executeUpdate('pause', { args: [{}] });
    const { rows } = await pool.query('SELECT type FROM outbox');
    expect(rows).toEqual([{ type: 'connection.connected' }]);
  });
});

describe('an endpoint that answers 410', () => {
  it('gets nothing more, until somebody has it sent again', async () => {
    await rotateSecret();
    answers = [410];
    await backend.connect();
    await nextMessages(1);
    await vi.waitFor(async () => {
      const { out } = await cli('webhooks', 'list', 'demo', '--json');
      expect(JSON.parse(out)).toMatchObject({ items: [{ failed: 1, disabled_at: expect.any(String) }] });
    });
    await backend.connect();
    expect((await pool.query('SELECT 1 FROM outbox')).rowCount).toBe(1);
    const tested = await cli('webhooks', 'test', 'demo', '--json');
    expect(JSON.parse(tested.out)).toMatchObject({ items: [{ url, status: 'off', error: 'gone' }] });
    expect(tested).toMatchObject({ code: 1, err: expect.stringContaining('evergrant webhooks replay demo --failed') });
    const replayed = await cli('webhooks', 'replay', 'demo', '--failed', '--json');
    expect(JSON.parse(replayed.out)).toEqual({ app: 'demo', deliveries: 1 });
    await nextMessages(2);
  }, 30_000);
});

describe('the command line', () => {
  it('tests every endpoint and says what came of it', async () => {
    const secret = await rotateSecret();
    const { code, out } = await cli('webhooks', 'test', 'demo', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ items: [{ url, status: 'delivered', http_status: 204 }] });
    const [message] = received;
    expect(new Webhook(secret).verify(message?.body ?? '', message?.headers ?? {})).toMatchObject({
      type: 'webhook.test',
    });
    answers = [500];
    const failed = await cli('webhooks', 'test', 'demo');
    expect(failed.code).toBe(1);
    expect(failed.out).toContain('refused-by-endpoint');
  });

  it('wants to be told what to send again', async () => {
    expect((await cli('webhooks', 'replay', 'demo')).code).toBe(2);
    expect((await cli('webhooks', 'list', 'nobody')).code).toBe(1);
    await createAppStore(pool).apply(buildApp({ app: 'demo', clientId: backend.concurApp.clientId, webhooks: [] }));
    const nowhere = await cli('webhooks', 'test', 'demo');
    expect(nowhere).toMatchObject({ code: 1, err: expect.stringContaining('App demo has no endpoints') });
  });
});

describe('an address inside a network', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '169.254.169.254',
    '192.168.1.1',
    '::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '2002:a00:1::',
    'fe80::1',
  ])('%s is not of the public internet', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(['8.8.8.8', '2606:4700:4700::1111'])('%s is', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it('is never called in production, whether it is written as a number or hides behind a name', async () => {
    const poster = createPoster({ allowLoopback: false });
    for (const target of [
      'https://2130706433/',
      'https://[::ffff:a9fe:a9fe]/',
      'https://127.0.0.1/',
      'https://[::1]/',
      'https://localhost/',
      'http://example.com/',
    ]) {
      await expect(poster.post(target, {}, '{}')).rejects.toThrow('address-refused');
    }
    await poster.close();
    // In development only what is this machine: no name that looks like it.
    const beside = createPoster({ allowLoopback: true });
    await expect(beside.post('http://127.example.com/', {}, '{}')).rejects.toThrow('address-refused');
    await beside.close();
  });
});
