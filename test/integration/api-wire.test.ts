/** What is no proper HTTP, and callers who hang up: each has a tidy answer or none, and none is a failure of ours. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listen } from '../../api/listen.ts';
import { starting } from '../../api/starting.ts';
import { createPartnerRig, type PartnerRig } from './partner-rig.ts';

let rig: PartnerRig;
let token: string;
beforeAll(async () => {
  rig = await createPartnerRig();
  token = (await rig.mint()).token;
});
afterAll(async () => {
  await rig.close();
});
beforeEach(() => rig.script.reset());

interface RawReply {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends bytes as they are, and reads until the server hangs up. */
async function send(url: string, text: string): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let all = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    all += chunk;
  });
  socket.write(text);
  await once(socket, 'close');
  const [head = '', ...rest] = all.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body: rest.join('\r\n\r\n') };
}

describe('what is no proper HTTP', () => {
  it.each([
    ['a target that is no address', 'GET http://[::bad/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    [
      'a target that is no address, of a page',
      'GET http://[::bad/connect/demo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ],
    ['a request without a host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['a control character in the target', 'GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a tunnel to somewhere', 'CONNECT concur.example:443 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a word that is no request', 'garbage\r\n\r\n'],
    ['headers without end', `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(20_000)}\r\n\r\n`],
  ])('is told so like every other mistake: %s', async (_what, text) => {
    const { status, head, body } = await send(rig.url, text);
    expect(status).toBe(400);
    const [, id] = /^x-request-id: (\S+)$/im.exec(head) ?? [];
    expect(head).toMatch(/^content-type: application\/problem\+json/im);
    expect(JSON.parse(body)).toMatchObject({ code: 'bad-request', status: 400, request_id: id });
  });

  it('has a tidy answer also for chunks that are none', async () => {
    const { status, head } = await send(
      rig.url,
      `POST /v1/apps/demo/verification-codes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
        'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
    );
    expect([status, /^x-request-id: /im.test(head)]).toEqual([400, true]);
  });

  it('is answered as if it had not asked when it expects what nobody knows', async () => {
    const text = 'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n';
    const { status, head } = await send(rig.url, text);
    expect([status, /^x-request-id: /im.test(head)]).toEqual([200, true]);
  });
});

describe('a caller who hangs up in the middle of a body', () => {
  it('is no failure on our side', async () => {
    const { hostname, port } = new URL(rig.url);
    const { path } = await rig.addConnection();
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST ${path}/pause HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    );
    const line = /route="\/v1\/apps\/:app\/connections\/:principal\/pause",method="POST",status="(\d+)"/;
    await once(socket, 'ready');
    await sleep(100);
    socket.destroy();
    await expect.poll(async () => line.exec((await rig.call('GET', '/metrics')).text)?.[1]).toBe('400');
  });
});

describe('a Connect URI', () => {
  it('may be on file at SAP Concur with a slash at its end', async () => {
    const query = 'id=0a1b2c3d-0000-4000-8000-00000000000a&requestToken=abc&userId=u1';
    const response = await fetch(`${rig.url}/connect/demo/?${query}`, { redirect: 'manual' });
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toMatch(/^\/connect\/demo\/s\/[\w-]+$/);
  });
});

describe('a path', () => {
  // A proxy that keeps /v1/ or /connect/ to some callers compares letters.
  it.each(['/V1/apps/demo/connections', '/v1/Apps/demo/connections', '/CONNECT/demo', '/HealthZ'])(
    'is none of ours in other letters: %s',
    async (path) => {
      expect((await fetch(`${rig.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(404);
    },
  );
});

describe('a page', () => {
  it.each(['constructor', '__proto__', 'constructor-x, de;q=0.1', ';;;,q=,*'])(
    'is drawn whatever language is asked for: %s',
    async (language) => {
      const response = await fetch(`${rig.url}/connect/demo`, { headers: { 'accept-language': language } });
      expect([response.status, response.headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8']);
    },
  );
});

describe('a process that is not ready yet', () => {
  it('says that it lives, and asks everybody else to wait', async () => {
    const listener = await listen(starting, { host: '127.0.0.1', port: 0, variable: 'PORT' });
    try {
      const url = `http://127.0.0.1:${listener.port}`;
      const alive = await fetch(`${url}/healthz?from=probe`);
      expect([alive.status, await alive.json()]).toEqual([200, { status: 'ok' }]);
      expect(alive.headers.has('retry-after')).toBe(false);
      expect(alive.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);

      const ready = await fetch(`${url}/readyz`);
      expect([ready.status, await ready.json()]).toEqual([
        503,
        { ready: false, database: 'unknown', migrations: 'unknown', temporal: 'unknown' },
      ]);
      expect(ready.headers.get('retry-after')).toMatch(/^\d+$/);

      const other = await fetch(`${url}/v1/apps/demo/connections`, { headers: { 'x-request-id': 'mine' } });
      expect([other.status, other.headers.get('content-type')]).toEqual([503, 'application/problem+json']);
      expect(other.headers.get('retry-after')).toMatch(/^\d+$/);
      expect([await other.json(), other.headers.get('x-request-id')]).toEqual([
        expect.objectContaining({ code: 'database-unavailable', status: 503, request_id: 'mine' }),
        'mine',
      ]);
    } finally {
      await listener.close();
    }
  });
});
