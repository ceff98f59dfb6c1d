/**
 * Why an HTTP exchange brought no answer. Carries the kind of trouble and whether the request can have reached
 * the other side; never anything of the request itself.
 */
import type { TransportFailure } from '../core/ports.ts';

export class TransportError extends Error implements TransportFailure {
  override readonly name = 'TransportError';
  readonly transport: TransportFailure['transport'];
  readonly sent: boolean;

  constructor(transport: TransportFailure['transport'], sent: boolean, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.transport = transport;
    this.sent = sent;
  }
}

/**
 * The HTTP client's error without what it hangs on it: the parser's keeps the bytes that it did not understand, and
 * those may repeat the request, the secrets in its URL included.
 */
export function bareCause(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error) || depth === 5) return undefined;
  const cause = bareCause(error.cause, depth + 1);
  const bare = new Error(error.message, cause === undefined ? undefined : { cause });
  bare.name = error.name;
  if (error.stack !== undefined) bare.stack = error.stack;
  return 'code' in error ? Object.assign(bare, { code: error.code }) : bare;
}

/** Whether a rejection of `Http.send` tells what happened on the wire; anything else is a defect. */
export function isTransportFailure(value: unknown): value is TransportFailure {
  return typeof value === 'object' && value !== null && 'transport' in value && 'sent' in value;
}

const kindByCode: ReadonlyMap<string, TransportFailure['transport']> = new Map(
  Object.entries({
    ENOTFOUND: 'dns',
    EAI_AGAIN: 'dns',
    EAI_FAIL: 'dns',
    EAI_NODATA: 'dns',
    ECONNREFUSED: 'refused',
    EHOSTUNREACH: 'refused',
    ENETUNREACH: 'refused',
    EADDRNOTAVAIL: 'refused',
    ECONNRESET: 'reset',
    ECONNABORTED: 'reset',
    EPIPE: 'reset',
    UND_ERR_SOCKET: 'reset',
    ETIMEDOUT: 'timeout',
    UND_ERR_CONNECT_TIMEOUT: 'timeout',
    UND_ERR_HEADERS_TIMEOUT: 'timeout',
    UND_ERR_BODY_TIMEOUT: 'timeout',
    EPROTO: 'tls',
    UND_ERR_PRX_TLS: 'tls',
  } as const),
);

/** OpenSSL's verdicts about a certificate have names of their own, as Node's docs, "X509 certificate error codes", list them. */
const certificateCode =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA|HOSTNAME_MISMATCH)/;

/** Sorts an error of the HTTP client by its `code`, looking through the causes that libraries wrap around it. */
export function transportKindOf(error: unknown): TransportFailure['transport'] {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth += 1) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    const kind = kindByCode.get(code);
    if (kind !== undefined) return kind;
    if (certificateCode.test(code)) return 'tls';
  }
  return 'other';
}
