/** HTTP listeners with limits for slow and idle callers, and an orderly end. */
import { createServer, type RequestListener, STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../core/errors.ts';
import { buildRefusal } from './refusal.ts';

export interface Listener {
  readonly port: number;
  /** Answers what is under way, then ends. */
  close(): Promise<void>;
}

const HEADERS_MS = 10_000;
/** Longer than the longest wait of a route. */
const REQUEST_MS = 60_000;
const KEEP_ALIVE_MS = 65_000;
const DRAIN_MS = 5_000;

/** @throws `configuration-invalid` when the address is taken. `variable` names the one to change. */
export async function listen(
  handler: RequestListener,
  { host, port, variable }: { readonly host: string; readonly port: number; readonly variable: string },
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
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      await closed;
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
