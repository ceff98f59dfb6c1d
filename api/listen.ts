/** HTTP listeners with limits for slow and idle callers, and an orderly end. */
import { createServer, type RequestListener, STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../core/errors.ts';
import { buildRefusal } from './refusal.ts';

export interface Listener {
  readonly port: number;
  /** Takes nothing new, answers what is under way, then ends: after `drainMs` (5 s) at the latest. */
  close(drainMs?: number): Promise<void>;
}

const HEADERS_MS = 10_000;
/** Longer than the longest wait of a route. */
const REQUEST_MS = 60_000;
const KEEP_ALIVE_MS = 65_000;
/** How often connections are looked for whose last request has been answered meanwhile. */
const LOOK_MS = 100;
const DRAIN_MS = 5_000;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Names the variable to change when the address is taken. */
  readonly variable: string;
  /** Whether the process is on its way out: then callers are told to take another connection for their next request. */
  readonly isEnding?: () => boolean;
}

/** @throws `configuration-invalid` when the address is taken. */
export async function listen(
  handler: RequestListener,
  { host, port, variable, isEnding = () => false }: ListenOptions,
): Promise<Listener> {
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The application tells of it, with a problem like any other.
      requireHostHeader: false,
    },
    handler,
  );
  server.prependListener('request', (_request, response) => {
    if (isEnding()) response.setHeader('connection', 'close');
  });
  // Expectations that nobody knows may be passed over (RFC 9110 section 10.1.1).
  server.on('checkExpectation', handler);
  refuseMalformed(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new AppError(
          'configuration-invalid',
          `${variable}: cannot listen on ${host}:${port} (${error.code}). Set another one.`,
          {
            cause: error,
          },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(drainMs = DRAIN_MS) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const looks = setInterval(() => server.closeIdleConnections(), LOOK_MS);
      const timer = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearInterval(looks);
      clearTimeout(timer);
    },
  };
}

/** What is no HTTP, or does not come to an end in time, never reaches the application; it is told so all the same. */
function refuseMalformed(server: Server): void {
  const answering = new WeakMap<Duplex, ServerResponse>();
  const note: RequestListener = (request, response) => void answering.set(request.socket, response);
  server.on('request', note).on('checkExpectation', note);
  server.on('clientError', (_error: Error, socket: Duplex) => {
    // Half an answer must not be mixed up with another one.
    const current = answering.get(socket);
    const isUnderWay = current !== undefined && current.headersSent && !current.writableFinished;
    if (!socket.writable || isUnderWay) {
      socket.destroy();
      return;
    }
    refuse(socket, 'This is no well-formed request.');
  });
  // Node would hang up without a word.
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => undefined);
    refuse(socket, 'Nobody is put through to anywhere.');
  });
}

/** The last words on a connection. */
function refuse(socket: Duplex, message: string): void {
  const { status, headers, body } = buildRefusal(new AppError('bad-request', message));
  const lines = Object.entries({
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`, () => socket.destroy());
}
