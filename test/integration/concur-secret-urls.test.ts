/**
 * The one place where SAP Concur wants secrets in a URL: whatever goes wrong with such a call, over whatever way, the
 * URL is in no error, no log line and no result.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createConcur } from '../../concur/concur.ts';
import { createDataCentres, originsOf } from '../../concur/data-centres.ts';
import { createHttp, type HttpSettings } from '../../concur/http.ts';
import { packLegacyGrant } from '../../concur/legacy-grant.ts';
import { buildLegacyCodeRequest } from '../../concur/legacy-token.ts';
import type { Log } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import { systemClock } from '../../runtime/clock.ts';
import { buildErrorFields } from '../../runtime/error-fields.ts';

const secrets = ['c0de-in-the-url', 'cl1ent-secret-in-the-url', 't0ken-in-the-url', 'refre5h-in-the-url'] as const;
const [code, clientSecret, token, refreshToken] = secrets.map((value) => new Secret(value)) as [
  Secret,
  Secret,
  Secret,
  Secret,
];
const credentials = { clientId: 'consumer-key', clientSecret };

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Answers every connection's first bytes with what `answer` does. */
async function listen(answer: (socket: Socket, request: string) => void): Promise<{ port: number; seen: string[] }> {
  const sockets: Socket[] = [];
  const seen: string[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', (chunk) => {
      seen.push(chunk.toString('latin1'));
      answer(socket, chunk.toString('latin1'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

/** Every call with a secret in its URL, to `baseUri`: all that comes of it, and what was logged. */
async function callAll(baseUri: string, settings: Partial<HttpSettings> = {}) {
  const dataCentres = createDataCentres({ glz: 'https://glz.example' }, { www: baseUri });
  const http = createHttp({ allowedOrigins: originsOf(dataCentres), ...settings });
  cleanups.push(() => http.close());
  const written: string[] = [];
  const record = (fields: object, message: string) => void written.push(inspect({ ...fields, message }, { depth: 10 }));
  const log: Log = { debug: record, info: record, warn: record, error: record };
  const concur = createConcur({ http, dataCentres, clock: systemClock, log });
  const options = { horizonMs: 400 };
  const grant = packLegacyGrant({ token, refreshToken });
  const results = await Promise.all([
    concur.exchangeLegacyCode({ credentials, dataCentre: 'www', code }, options),
    concur.refreshLegacyToken({ credentials, dataCentre: 'www', grant }, options),
    concur.revokeLegacyToken({ dataCentre: 'www', accessToken: token }, options),
  ]);
  const error: unknown = await http.send(buildLegacyCodeRequest({ baseUri, credentials, code }), options).then(
    () => 'answered',
    (failure: unknown) => failure,
  );
  const said = [
    ...written,
    ...[results, error, buildErrorFields(error)].map((one) => inspect(one, { depth: 20, showHidden: true })),
    String(error),
    JSON.stringify([results, error]),
  ].join('\n');
  return { results, said, written };
}

function expectSilence({ results, said, written }: Awaited<ReturnType<typeof callAll>>, kind: string): void {
  expect(results.map((result) => (result.ok ? 'ok' : result.failure.kind))).toEqual([kind, kind, kind]);
  expect(written).toHaveLength(3);
  for (const secret of secrets) {
    expect(said).not.toContain(secret);
    expect(said).not.toContain(Buffer.from(secret).toString('base64url'));
  }
  expect(said).not.toMatch(/\.ashx/);
}

describe('a URL with secrets in it', () => {
  it('is really sent', async () => {
    const server = await listen((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    await callAll(`http://127.0.0.1:${server.port}`);
    const sent = server.seen.join('\n');
    for (const secret of secrets) expect(sent).toContain(secret);
    expect(sent).toMatch(/^POST \/net2\/oauth2\/revoketoken\.ashx\?token=[^]*content-length: 0\r\n/im);
  });

  it('is not told when nobody listens', async () => {
    const { port } = await listen(() => undefined);
    await cleanups.pop()?.();
    expectSilence(await callAll(`http://127.0.0.1:${port}`), 'transport');
  });

  it('is not told when the name does not resolve', async () => {
    expectSilence(await callAll('http://no-such-host.invalid'), 'transport');
  });

  it.each([
    ['resets', (socket: Socket) => void socket.resetAndDestroy()],
    ['hangs up', (socket: Socket) => void socket.end()],
    ['keeps silent', () => undefined],
    ['answers something that is no HTTP, the request itself', (socket: Socket, text: string) => void socket.end(text)],
    ['breaks off', (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<Access_Token>')],
  ])('is not told when the other side %s', async (_what, answer) => {
    const { port } = await listen(answer);
    expectSilence(await callAll(`http://127.0.0.1:${port}`), 'transport');
  });

  it.each([
    ['an error page that repeats it', 500, (text: string) => `<html><body>${text}</body></html>`],
    [
      'an error that repeats it',
      400,
      (text: string) => `<Error><Message>${text.replace(/[<>&]/g, ' ')}</Message></Error>`,
    ],
    [
      'JSON that repeats it',
      400,
      (text: string) => JSON.stringify({ error: text, error_description: text, geolocation: text }),
    ],
    ['a redirect that repeats it', 302, (text: string) => text],
  ])('is not told of %s', async (_what, status, build) => {
    const { port } = await listen((socket, text) => {
      const body = build(text);
      const head = `HTTP/1.1 ${status} X\r\nLocation: /${text.split(' ')[1] ?? ''}\r\nconcur-correlationid: ${text.split(' ')[1] ?? ''}`;
      socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
    const all = await callAll(`http://127.0.0.1:${port}`);
    // The answer itself is the caller's to read.
    expectSilence({ ...all, said: [...all.written, inspect(all.results, { depth: 20 })].join('\n') }, 'answer');
  });

  it('is not told when the answer is too large', async () => {
    const { port } = await listen((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n${'x'.repeat(5_000)}`),
    );
    expectSilence(await callAll(`http://127.0.0.1:${port}`, { maxBodyBytes: 1_000 }), 'transport');
  });

  it('is not told when there is no TLS', async () => {
    const { port } = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expectSilence(await callAll(`https://127.0.0.1:${port}`), 'transport');
  });

  it.each([
    ['refuses', 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'],
    ['wants a password', 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'],
    ['opens the tunnel and breaks it', 'HTTP/1.1 200 Connection established\r\n\r\nnot TLS'],
    ['hangs up', ''],
  ])('is not told, and not shown to the proxy, when the proxy %s', async (_what, answer) => {
    const proxy = await listen((socket) => void socket.end(answer));
    const all = await callAll('https://www.concursolutions.com', { httpsProxy: `http://127.0.0.1:${proxy.port}` });
    expectSilence(all, 'transport');
    expect(proxy.seen[0]).toMatch(/^CONNECT www\.concursolutions\.com:443 HTTP\/1\.1\r\n/);
    for (const secret of secrets) expect(proxy.seen.join('\n')).not.toContain(secret);
  });

  it('does not reach a host that is not on the allow-list, nor the error that says so', async () => {
    const http = createHttp({ allowedOrigins: ['https://www.concursolutions.com'] });
    cleanups.push(() => http.close());
    const request = buildLegacyCodeRequest({ baseUri: 'https://evil.example', credentials, code });
    const error: unknown = await http.send(request, { horizonMs: 100 }).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'internal' });
    const said = inspect(error, { depth: 20, showHidden: true }) + inspect(buildErrorFields(error), { depth: 20 });
    for (const secret of secrets) expect(said).not.toContain(secret);
  });
});
