/**
 * The HTTP client against raw sockets: what it writes, what it never writes, and what it says when the wire fails.
 * Longer than 300 lines: each way in which a wire fails has its case.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ClosableHttp, createHttp, type HttpSettings } from '../../concur/http.ts';
import type { HttpRequest } from '../../core/ports.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface RawServer {
  readonly port: number;
  readonly origin: string;
  /** Everything that arrived, a string per connection. */
  readonly received: string[];
  readonly sockets: Socket[];
}

/** `onRequest` is called for each complete request with the number of requests so far on that connection. */
async function listen(onRequest: (socket: Socket, count: number) => void): Promise<RawServer> {
  const received: string[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    const index = received.push('') - 1;
    sockets.push(socket);
    let count = 0;
    let buffer = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received[index] += chunk.toString('latin1');
      buffer += chunk.toString('latin1');
      for (let end = endOfRequest(buffer); end > 0; end = endOfRequest(buffer)) {
        buffer = buffer.slice(end);
        count += 1;
        onRequest(socket, count);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { port, origin: `http://127.0.0.1:${port}`, received, sockets };
}

function endOfRequest(text: string): number {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return 0;
  const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
  return text.length >= head + 4 + length ? head + 4 + length : 0;
}

function respond(body: string, head = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${head}\r\n${body}`;
}

function open(origin: string, more: Partial<HttpSettings> = {}): ClosableHttp {
  const http = createHttp({ allowedOrigins: [origin], ...more });
  cleanups.push(() => http.close());
  return http;
}

function post(origin: string): HttpRequest {
  return {
    method: 'POST',
    url: `${origin}/us2/oauth2/v0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=refresh_token&refresh_token=s%C3%A9cret',
  };
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => 'no failure',
    (error: unknown) => error,
  );
}

/** The client hands a connection back a moment after the answer. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('a request', () => {
  it('is written with its length, the content type as given, and nothing that Concur refuses', async () => {
    const server = await listen((socket) => socket.write(respond('{}')));
    await open(server.origin).send(post(server.origin), { horizonMs: 5_000 });
    const [head = '', body] = (server.received[0] ?? '').split('\r\n\r\n');
    expect(head.split('\r\n')[0]).toBe('POST /us2/oauth2/v0/token HTTP/1.1');
    expect(head.toLowerCase()).toContain('\r\ncontent-type: application/x-www-form-urlencoded\r\n');
    expect(head.toLowerCase()).toContain(`\r\ncontent-length: ${body?.length}`);
    expect(head.toLowerCase()).not.toMatch(/charset|transfer-encoding|expect:/);
    expect(body).toBe('grant_type=refresh_token&refresh_token=s%C3%A9cret');
  });

  it('reuses an idle connection', async () => {
    const server = await listen((socket) => socket.write(respond('{}')));
    const http = open(server.origin);
    await http.send(post(server.origin), { horizonMs: 5_000 });
    await nextTurn();
    await http.send(post(server.origin), { horizonMs: 5_000 });
    expect(server.received).toHaveLength(1);
  });

  it('opens no more connections than allowed, and the others wait', async () => {
    const server = await listen((socket) => void setTimeout(() => socket.write(respond('{}')), 20));
    const http = open(server.origin, { connectionsPerOrigin: 2 });
    await Promise.all(Array.from({ length: 8 }, () => http.send(post(server.origin), { horizonMs: 5_000 })));
    expect(server.received).toHaveLength(2);
  });

  it('to a host that is not on the allow-list never leaves', async () => {
    const server = await listen((socket) => socket.write(respond('{}')));
    const http = open('http://127.0.0.1:1');
    const onSent = vi.fn();
    for (const url of [
      `${server.origin}/us2`,
      'https://127.0.0.1:1/',
      `http://user:pass@127.0.0.1:1/`,
      'http://127.0.0.1:1@evil.example/',
      'not a url',
    ]) {
      const failure = await failureOf(http.send({ ...post(server.origin), url }, { horizonMs: 1_000, onSent }));
      expect(failure).toMatchObject({ name: 'AppError', code: 'internal' });
    }
    expect(onSent).not.toHaveBeenCalled();
    expect(server.received).toHaveLength(0);
  });

  it('tells when it leaves, once', async () => {
    const server = await listen((socket) => socket.write(respond('{}')));
    const onSent = vi.fn();
    await open(server.origin).send(post(server.origin), { horizonMs: 5_000, onSent });
    expect(onSent).toHaveBeenCalledTimes(1);
  });

  it('does not leave when the caller, asked at the last moment, has changed its mind', async () => {
    const server = await listen((socket) => socket.write(respond('{}')));
    const onSent = () => {
      throw new Error('the budget is used up');
    };
    const failure = await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 5_000, onSent }));
    expect(failure).toMatchObject({ transport: 'other', sent: false });
    expect(server.received.join('')).toBe('');
  });
});

describe('an answer', () => {
  it('comes with lower-case header names and text in UTF-8', async () => {
    const server = await listen((socket) =>
      socket.write(respond('{"name":"Müller"}', 'Concur-CorrelationId: abc\r\n')),
    );
    const response = await open(server.origin).send(post(server.origin), { horizonMs: 5_000 });
    expect(response.headers['concur-correlationid']).toBe('abc');
    expect(JSON.parse(response.body)).toEqual({ name: 'Müller' });
  });

  it('that redirects is handed back, and nobody goes there', async () => {
    const elsewhere = await listen((socket) => socket.write(respond('{}')));
    const server = await listen((socket) =>
      socket.write(`HTTP/1.1 307 Temporary Redirect\r\nLocation: ${elsewhere.origin}/\r\nContent-Length: 0\r\n\r\n`),
    );
    const http = open(server.origin, { allowedOrigins: [server.origin, elsewhere.origin] });
    expect(await http.send(post(server.origin), { horizonMs: 5_000 })).toMatchObject({ status: 307 });
    expect(elsewhere.received).toHaveLength(0);
  });

  it('after an interim one is the one that counts', async () => {
    const server = await listen((socket) => socket.write(`HTTP/1.1 103 Early Hints\r\n\r\n${respond('{"a":1}')}`));
    const response = await open(server.origin).send(post(server.origin), { horizonMs: 5_000 });
    expect(response).toMatchObject({ status: 200, body: '{"a":1}' });
  });

  it('that is too large is given up, and its connection with it', async () => {
    const server = await listen((socket) => socket.write(respond('x'.repeat(3_000))));
    const http = open(server.origin, { maxBodyBytes: 1_000 });
    expect(await failureOf(http.send(post(server.origin), { horizonMs: 5_000 }))).toMatchObject({
      name: 'TransportError',
      transport: 'other',
      sent: true,
    });
    await vi.waitFor(() => expect(server.sockets[0]?.destroyed || server.sockets[0]?.readableEnded).toBe(true));
  });

  it('that is large but allowed arrives whole', async () => {
    const body = 'x'.repeat(1_000_000);
    const server = await listen((socket) => socket.write(respond(body)));
    const response = await open(server.origin).send(post(server.origin), { horizonMs: 5_000 });
    expect(response.body.length).toBe(1_000_000);
  });
});

describe('a failure', () => {
  it('before sending says so: connection refused', async () => {
    const server = await listen(() => undefined);
    const { origin } = server;
    await cleanups.pop()?.();
    const onSent = vi.fn();
    expect(await failureOf(open(origin).send(post(origin), { horizonMs: 5_000, onSent }))).toMatchObject({
      transport: 'refused',
      sent: false,
    });
    expect(onSent).not.toHaveBeenCalled();
  });

  it('before sending says so: a name that does not resolve', async () => {
    const origin = 'http://no-such-host.invalid';
    expect(await failureOf(open(origin).send(post(origin), { horizonMs: 20_000 }))).toMatchObject({
      transport: 'dns',
      sent: false,
    });
  });

  it('before sending says so: TLS with somebody who does not speak it', async () => {
    const server = await listen(() => undefined);
    server.sockets.length = 0;
    const origin = `https://127.0.0.1:${server.port}`;
    const failing = open(origin).send(post(origin), { horizonMs: 5_000 });
    await vi.waitFor(() => expect(server.sockets).toHaveLength(1));
    server.sockets[0]?.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    expect(await failureOf(failing)).toMatchObject({ transport: 'tls', sent: false });
  });

  it('before sending says so: no connection within the horizon, as all are taken', async () => {
    const server = await listen(() => undefined);
    const http = open(server.origin, { connectionsPerOrigin: 1 });
    const first = failureOf(http.send(post(server.origin), { horizonMs: 600 }));
    await vi.waitFor(() => expect(server.received[0]).toContain('grant_type'));
    const onSent = vi.fn();
    expect(await failureOf(http.send(post(server.origin), { horizonMs: 100, onSent }))).toMatchObject({
      transport: 'timeout',
      sent: false,
    });
    expect(await first).toMatchObject({ transport: 'timeout', sent: true });
    // The second is not written later either, when a connection is free again.
    await pause(100);
    expect(onSent).not.toHaveBeenCalled();
    expect(server.received.join('').match(/POST/g)).toHaveLength(1);
  });

  it('after sending says so: silence until the horizon, then the connection is closed', async () => {
    const server = await listen(() => undefined);
    const failure = await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 150 }));
    expect(failure).toMatchObject({ transport: 'timeout', sent: true });
    await vi.waitFor(() => expect(server.sockets[0]?.readableEnded || server.sockets[0]?.destroyed).toBe(true));
  });

  it('after sending says so: reset', async () => {
    const server = await listen((socket) => socket.resetAndDestroy());
    expect(await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 5_000 }))).toMatchObject({
      transport: 'reset',
      sent: true,
    });
  });

  it('after sending says so: closed without an answer', async () => {
    const server = await listen((socket) => socket.end());
    expect(await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 5_000 }))).toMatchObject({
      transport: 'reset',
      sent: true,
    });
  });

  it('after sending says so: the answer breaks off within its body', async () => {
    const server = await listen((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"access_'));
    expect(await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 5_000 }))).toMatchObject({
      sent: true,
    });
  });

  it('after sending says so: an answer that is no HTTP', async () => {
    const server = await listen((socket) => socket.end('hello\r\n\r\n'));
    expect(await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 5_000 }))).toMatchObject({
      transport: 'other',
      sent: true,
    });
  });

  it('never shows the request', async () => {
    const server = await listen((socket) => socket.resetAndDestroy());
    const failure = await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 5_000 }));
    const { inspect } = await import('node:util');
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('s%C3%A9cret');
  });
});

describe('a request on a connection that the other side gives up', () => {
  it('is written once: the second on the same connection is lost and not repeated', async () => {
    const server = await listen((socket, count) => {
      if (count === 1) socket.write(respond('{}'));
      else socket.resetAndDestroy();
    });
    const http = open(server.origin);
    await http.send(post(server.origin), { horizonMs: 5_000 });
    await nextTurn();
    const failure = await failureOf(http.send(post(server.origin), { horizonMs: 5_000 }));
    expect(failure).toMatchObject({ transport: 'reset', sent: true });
    await pause(50);
    expect(server.received.join('').match(/POST/g)).toHaveLength(2);
    expect(server.received).toHaveLength(1);
  });

  it('is written once even when the answer to it has begun', async () => {
    const server = await listen((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'));
    await failureOf(open(server.origin).send(post(server.origin), { horizonMs: 5_000 }));
    await pause(50);
    expect(server.received.join('').match(/POST/g)).toHaveLength(1);
  });

  it('goes to a fresh connection when the old one was closed while idle', async () => {
    const server = await listen((socket, count) => {
      socket.write(respond(JSON.stringify({ count })));
      socket.end();
    });
    const http = open(server.origin);
    for (let i = 0; i < 3; i += 1) {
      expect((await http.send(post(server.origin), { horizonMs: 5_000 })).status).toBe(200);
      await vi.waitFor(() => expect(server.sockets.at(-1)?.destroyed).toBe(true));
    }
    expect(server.received.join('').match(/POST/g)).toHaveLength(3);
  });

  it('is not answered by what the other side said before it was asked', async () => {
    const server = await listen((socket, count) => {
      // Two answers to the first request: the second one must not be taken for the answer to the next request.
      if (count === 1) socket.write(respond('{"n":1}') + respond('{"n":"stale"}'));
      else socket.write(respond(`{"n":${count}}`));
    });
    const http = open(server.origin);
    await http.send(post(server.origin), { horizonMs: 5_000 });
    await pause(20);
    const second = await http.send(post(server.origin), { horizonMs: 5_000 });
    expect(second.body).not.toContain('stale');
  });
});

describe('a proxy', () => {
  const target = 'https://us2.api.concursolutions.com';

  it('is asked for a tunnel to https hosts, and its refusal is a failure before sending', async () => {
    const proxy = await listen((socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
    const http = open(target, { httpsProxy: proxy.origin });
    expect(await failureOf(http.send(post(target), { horizonMs: 5_000 }))).toMatchObject({ sent: false });
    expect(proxy.received[0]).toMatch(/^CONNECT us2\.api\.concursolutions\.com:443 HTTP\/1\.1\r\n/);
    expect(proxy.received[0]).not.toContain('refresh_token');
  });

  it('is left out for http, and for the hosts of NO_PROXY', async () => {
    const proxy = await listen((socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
    const server = await listen((socket) => socket.write(respond('{}')));
    await open(server.origin, { httpsProxy: proxy.origin }).send(post(server.origin), { horizonMs: 5_000 });
    const direct = `https://127.0.0.1:${server.port}`;
    const http = open(direct, { httpsProxy: proxy.origin, noProxy: '127.0.0.1' });
    expect(await failureOf(http.send(post(direct), { horizonMs: 300 }))).toMatchObject({ sent: false });
    expect(proxy.received).toHaveLength(0);
  });
});
