/**
 * The bytes of the exchanges with SAP Concur, on undici.
 *
 * Guarantees: nothing leaves for a host that is not on the allow-list; redirects are handed back, never followed; a
 * request is written at most once, never repeated on another socket; a failure says whether the request can have
 * reached the other side, and says yes when in doubt.
 */
import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { AppError } from '../core/errors.ts';
import type { Http, HttpOptions, HttpRequest, HttpResponse } from '../core/ports.ts';
import { bareCause, TransportError, transportKindOf } from './transport-error.ts';

export interface HttpSettings {
  /** Scheme, host and port of every host that may be called: `originsOf(dataCentres)`. */
  readonly allowedOrigins: readonly string[];
  /** Proxy for https calls (`HTTPS_PROXY`); http, which is for the sandbox alone, goes directly. */
  readonly httpsProxy?: string | undefined;
  /** Hosts that are called directly (`NO_PROXY`). */
  readonly noProxy?: string | undefined;
  /** Sockets per origin; calls beyond wait for one. */
  readonly connectionsPerOrigin?: number;
  readonly connectTimeoutMs?: number;
  /** Largest answer in bytes. */
  readonly maxBodyBytes?: number;
}

export interface ClosableHttp extends Http {
  /** Waits for what is in flight, then closes the sockets. */
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 1024 * 1024;

/**
 * @throws (from `send`) `TransportError` for what the network did; `internal` for a host that is not allowed, as
 * only a defect can lead there.
 */
export function createHttp(settings: HttpSettings): ClosableHttp {
  const allowed = new Set(settings.allowedOrigins);
  const maxBodyBytes = settings.maxBodyBytes ?? MAX_BODY_BYTES;
  const dispatcher = new EnvHttpProxyAgent({
    // Empty strings keep undici from reading the environment on its own.
    httpProxy: '',
    httpsProxy: settings.httpsProxy ?? '',
    noProxy: settings.noProxy ?? '',
    connections: settings.connectionsPerOrigin ?? 100,
    pipelining: 1,
    connect: { timeout: settings.connectTimeoutMs ?? 10_000 },
    // An idle socket is given up before the other side is likely to do so: a token call that is written while the
    // server closes would be uncertain.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 30_000,
    keepAliveTimeoutThreshold: 2_000,
    // The horizon of the call is the only clock.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  const inFlight = new Set<Promise<unknown>>();
  return {
    async send(request, options) {
      const url = parseAllowed(request.url, allowed);
      const running = exchange(dispatcher, url, request, options, maxBodyBytes);
      inFlight.add(running);
      return await running.finally(() => inFlight.delete(running));
    },
    async close() {
      await Promise.allSettled(inFlight);
      // Not `close`: that would also wait for the sockets that a call given up was waiting for.
      await dispatcher.destroy();
    },
  };
}

function parseAllowed(value: string, allowed: ReadonlySet<string>): URL {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url !== null && allowed.has(url.origin) && url.username === '' && url.password === '') return url;
  throw new AppError('internal', 'A request was about to leave for a host that is not on the allow-list.', {
    details: { origin: url?.origin ?? null },
  });
}

function exchange(
  dispatcher: Dispatcher,
  url: URL,
  request: HttpRequest,
  options: HttpOptions,
  maxBodyBytes: number,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    let sent = false;
    let settled = false;
    let controller: Dispatcher.DispatchController | null = null;
    let head: { status: number; headers: Record<string, string> } | null = null;
    let size = 0;
    const chunks: Buffer[] = [];

    const settle = (finish: () => void) => {
      if (settled) return;
      settled = true;
      clearTimeout(horizon);
      finish();
    };
    /** Also closes the socket, so that a late answer can't be taken for the answer to another request. */
    const giveUp = (error: TransportError) => {
      settle(() => reject(error));
      controller?.abort(error);
    };
    const horizon = setTimeout(
      () => giveUp(new TransportError('timeout', sent, 'No answer came within the horizon of the call.')),
      options.horizonMs,
    );

    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: request.headers,
        // Bytes, so that undici states their length and adds no content type of its own.
        body: request.body === undefined ? null : Buffer.from(request.body, 'utf8'),
        idempotent: false,
      },
      {
        onRequestStart(started) {
          controller = started;
          // Given up while it waited for a socket, or about to be written a second time.
          if (settled || sent) {
            started.abort(new TransportError('reset', sent, 'The request is not written again.'));
            return;
          }
          // First: a caller whose budget is used up by now may throw, and nothing has left.
          options.onSent?.();
          sent = true;
        },
        onResponseStart(_controller, status, headers) {
          // Interim answers (1xx) are followed by the one that counts.
          if (status >= 200) head = { status, headers: flatten(headers) };
        },
        onResponseData(_controller, chunk) {
          size += chunk.byteLength;
          if (size <= maxBodyBytes) chunks.push(chunk);
          else giveUp(new TransportError('other', sent, `The answer is larger than ${maxBodyBytes} bytes.`));
        },
        onResponseEnd() {
          settle(() => {
            if (head === null) reject(new TransportError('other', sent, 'The answer has no head.'));
            else resolve({ ...head, body: new TextDecoder().decode(Buffer.concat(chunks)) });
          });
        },
        onResponseError(_controller, error) {
          const kind = transportKindOf(error);
          settle(() =>
            reject(new TransportError(kind, sent, `The call failed on the wire (${kind}).`, bareCause(error))),
          );
        },
      },
    );
  });
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}
