/** HTTP as bytes: requests that no client would send, one a connection, and the answer as it came. */
import { connect } from 'node:net';

export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array | null;
  /** How the end of the body is told; `none`: not at all, or by the headers that are given. */
  readonly framing: 'length' | 'chunked' | 'none';
}

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of several of one name the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

const PATIENCE_MS = 20_000;

/** Throws when the connection ends, or nothing more comes, before there is a whole answer. */
export async function sendRaw(url: string, request: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    return await new Promise((resolve, reject) => {
      let received = Buffer.alloc(0);
      const fail = (why: string): void =>
        reject(new Error(`${why} after ${JSON.stringify(received.toString('latin1'))}`));
      socket.setTimeout(PATIENCE_MS, () => fail('silence'));
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const answer = maybeAnswer(received, request.method);
        if (answer !== null) resolve(answer);
      });
      // A server that has said all it wants may reset the connection: what it said has come before.
      socket.on('error', () => undefined);
      socket.on('close', () => fail('the end'));
      socket.write(serialize(request));
    });
  } finally {
    socket.destroy();
  }
}

function serialize({ method, target, headers, body, framing }: RawRequest): Buffer {
  const framed: [string, string][] = [];
  if (body !== null && framing === 'length') framed.push(['Content-Length', String(body.length)]);
  if (body !== null && framing === 'chunked') framed.push(['Transfer-Encoding', 'chunked']);
  const lines = [...headers, ...framed].map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  if (body === null) return head;
  return Buffer.concat([head, framing === 'chunked' ? chunk(body) : body]);
}

function chunk(body: Uint8Array): Buffer {
  const end = Buffer.from('0\r\n\r\n');
  if (body.length === 0) return end;
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n'), end]);
}

/** Null while something of it is missing. */
function maybeAnswer(received: Buffer, method: string): RawAnswer | null {
  const all = received.toString('latin1').replace(/^(?:HTTP\/1\.1 1\d\d .*?\r\n\r\n)+/s, '');
  const end = all.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [statusLine = '', ...lines] = all.slice(0, end).split('\r\n');
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  const isBare = method === 'HEAD' || status === 204 || status === 304;
  const length = isBare ? 0 : Number(headers.get('content-length') ?? Number.NaN);
  const body = all.slice(end + 4);
  // An answer of unknown length never ends here: none of ours is.
  if (!(body.length >= length)) return null;
  return { status, headers, body: Buffer.from(body.slice(0, length), 'latin1').toString('utf8') };
}
