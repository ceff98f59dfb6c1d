/**
 * What stands in front of Temporal Cloud, in front of a real server here: TLS, and either a client certificate of a known
 * authority or an API key with the namespace that it is for. Calls are forwarded as they are.
 */
import {
  type ClientHttp2Session,
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Certified } from './certificates.ts';

export interface TemporalFrontOptions {
  /** `host:port` of the server behind. */
  readonly target: string;
  readonly identity: Certified;
  /** PEM: only those whom it certified get in. */
  readonly clientAuthority?: string;
  /** Only who brings it gets in, for this namespace alone. */
  readonly apiKey?: { readonly key: string; readonly namespace: string };
}

export interface TemporalFront {
  /** `localhost:port`. */
  readonly address: string;
  /** How many calls were let through. */
  readonly passed: () => number;
  close(): Promise<void>;
}

const END_STREAM = 0x1;
const UNIMPLEMENTED = 12;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

export async function startTemporalFront(options: TemporalFrontOptions): Promise<TemporalFront> {
  const { target, identity, clientAuthority } = options;
  const inner: ClientHttp2Session = connect(`http://${target}`);
  inner.on('error', () => undefined);
  const sockets = new Set<Socket>();
  let passed = 0;
  const server = createSecureServer({
    ...{ cert: identity.certificate, key: identity.key },
    ...(clientAuthority !== undefined && { ca: clientAuthority, requestCert: true, rejectUnauthorized: true }),
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
  });
  server.on('session', (session) => session.on('error', () => undefined));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const refusal = refusalOf(headers, options);
    if (refusal !== null) return refuse(stream, ...refusal);
    passed += 1;
    forward(inner, stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `localhost:${(server.address() as AddressInfo).port}`,
    passed: () => passed,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      inner.destroy();
      await closed;
    },
  };
}

function refusalOf(headers: IncomingHttpHeaders, { apiKey }: TemporalFrontOptions): readonly [number, string] | null {
  // Search attributes and the like are managed elsewhere in Temporal Cloud.
  const path = headers[':path'] ?? '';
  if (path.startsWith('/temporal.api.operatorservice.')) return [UNIMPLEMENTED, 'unknown service OperatorService'];
  if (apiKey === undefined) return null;
  if (headers.authorization !== `Bearer ${apiKey.key}`) return [UNAUTHENTICATED, 'invalid API key'];
  const namespace = headers['temporal-namespace'];
  // Calls that concern no namespace bring none.
  if (namespace === undefined || namespace === apiKey.namespace) return null;
  return [PERMISSION_DENIED, 'Request unauthorized.'];
}

function refuse(stream: ServerHttp2Stream, status: number, message: string): void {
  const headers = { ':status': 200, 'content-type': 'application/grpc' };
  stream.respond({ ...headers, 'grpc-status': String(status), 'grpc-message': message }, { endStream: true });
}

function forward(inner: ClientHttp2Session, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const call = inner.request(headers);
  let trailers: IncomingHttpHeaders = {};
  call.on('response', (answer, flags) => {
    if (stream.destroyed) return;
    if ((flags & END_STREAM) !== 0) return stream.respond(answer, { endStream: true });
    stream.respond(answer, { waitForTrailers: true });
    call.pipe(stream);
  });
  call.on('trailers', (last) => {
    trailers = last;
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  // Whoever goes takes the other along.
  call.on('error', () => stream.close(constants.NGHTTP2_CANCEL));
  stream.on('aborted', () => call.close(constants.NGHTTP2_CANCEL));
  stream.pipe(call);
}
