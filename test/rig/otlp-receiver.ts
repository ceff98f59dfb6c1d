/**
 * A receiver of OTLP over HTTP, as a collector is one: it takes what comes and keeps the bytes, and what they say by
 * opentelemetry-proto's `trace.proto`. Of the message's fields only those that tests look at are read.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty where it begins a trace. */
  readonly parentSpanId: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** Trace and span that it is linked to. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly events: number;
  readonly isError: boolean;
}

export interface OtlpReceiver {
  readonly url: string;
  /** Of every request, as it came. */
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: Buffer }[];
  spans(): readonly ReceivedSpan[];
  close(): Promise<void>;
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const requests: { path: string; headers: IncomingHttpHeaders; body: Buffer }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      requests.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans: () => requests.flatMap(({ body }) => parseExport(body)),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `ExportTraceServiceRequest`. */
function parseExport(body: Buffer): ReceivedSpan[] {
  return many(body, 1).flatMap((resourceSpans) => {
    const resource = attributesOf(one(resourceSpans, 1), 1);
    const service = String(resource['service.name'] ?? '');
    return many(resourceSpans, 2).flatMap((scoped) => many(scoped, 2).map((span) => parseSpan(span, service)));
  });
}

function parseSpan(span: Buffer, service: string): ReceivedSpan {
  const id = (field: number): string => one(span, field).toString('hex');
  return {
    service,
    name: one(span, 5).toString(),
    traceId: id(1),
    spanId: id(2),
    parentSpanId: id(4),
    kind: Number(number(span, 6)),
    startNs: number(span, 7),
    endNs: number(span, 8),
    attributes: attributesOf(span, 9),
    links: many(span, 13).map((link) => ({
      traceId: one(link, 1).toString('hex'),
      spanId: one(link, 2).toString('hex'),
    })),
    events: many(span, 11).length,
    isError: number(one(span, 15), 3) === 2n,
  };
}

/** `KeyValue` with a text or an integer. */
function attributesOf(message: Buffer, field: number): Record<string, string | number> {
  const entries = many(message, field).map((pair): [string, string | number] => {
    const value = one(pair, 2);
    const [text] = many(value, 1);
    return [one(pair, 1).toString(), text === undefined ? Number(number(value, 3)) : text.toString()];
  });
  return Object.fromEntries(entries);
}

function many(message: Buffer, field: number): Buffer[] {
  return fieldsOf(message).flatMap((entry) =>
    entry.field === field && Buffer.isBuffer(entry.value) ? [entry.value] : [],
  );
}

function one(message: Buffer, field: number): Buffer {
  return many(message, field)[0] ?? Buffer.alloc(0);
}

function number(message: Buffer, field: number): bigint {
  const found = fieldsOf(message).find((entry) => entry.field === field)?.value;
  return typeof found === 'bigint' ? found : 0n;
}

/** Protocol Buffers' encoding: wire types 0 (varint), 1 (64 bits), 2 (bytes) and 5 (32 bits). */
function fieldsOf(message: Buffer): { readonly field: number; readonly value: Buffer | bigint }[] {
  const fields: { field: number; value: Buffer | bigint }[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at);
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    const field = tag >>> 3;
    switch (tag & 7) {
      case 0:
        fields.push({ field, value: varint() });
        break;
      case 1:
        fields.push({ field, value: message.readBigUInt64LE(at) });
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        fields.push({ field, value: message.subarray(at, at + length) });
        at += length;
        break;
      }
      case 5:
        fields.push({ field, value: BigInt(message.readUInt32LE(at)) });
        at += 4;
        break;
      default:
        throw new Error(`no such wire type: ${tag & 7}`);
    }
  }
  return fields;
}
