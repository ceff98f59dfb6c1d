/**
 * Why Temporal can't be used, for people: what was found and what to do. The SDKs tell of most of it by a text or by a
 * deadline alone, so the server is asked here once more, by the plain means of gRPC.
 */
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AppError } from '../core/errors.ts';
import type { TemporalSettings } from './temporal-settings.ts';

export interface TemporalTrouble {
  readonly found: string;
  readonly todo: string;
  /** Whether the server is there and does not let us in: then waiting does not help. */
  readonly isRefusal: boolean;
}

type Settings = Pick<TemporalSettings, 'connection' | 'namespace'> & { readonly address: string };

const ANSWER_MS = 4_000;
const DESCRIBE_NAMESPACE = '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace';
/** Statuses of gRPC. */
const NOT_FOUND = '5';
const PERMISSION_DENIED = '7';
const UNAUTHENTICATED = '16';

const away = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'timeout']);
const outOfDate = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const noTls = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'EPROTO']);
/** OpenSSL's results of verifying a chain. */
const unverified =
  /^(UNABLE_TO_\w+|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_(UNTRUSTED|REJECTED|SIGNATURE_FAILURE|CHAIN_TOO_LONG)|INVALID_(CA|PURPOSE))$/;

/** What a program that can't begin without Temporal ends with: `configuration-invalid` when it is there and refuses us. */
export async function buildTemporalError(settings: Settings, cause: unknown): Promise<AppError> {
  const { address } = settings;
  const trouble = await findTemporalTrouble(settings);
  const { found, todo, isRefusal } = trouble ?? {
    ...{ found: `the server at ${address} answers, and did not when it was asked first`, todo: 'Try again.' },
    isRefusal: false,
  };
  const code = isRefusal ? 'configuration-invalid' : 'temporal-unavailable';
  return new AppError(code, `Temporal can't be used: ${found}. ${todo}`, { cause, details: { address } });
}

/** Null when the server answers as it should, now. Takes some seconds at most. */
export async function findTemporalTrouble(settings: Settings): Promise<TemporalTrouble | null> {
  const outcome = await ask(settings);
  const { address, namespace, connection } = settings;
  const refusal = (found: string, todo: string): TemporalTrouble => ({ found, todo, isRefusal: true });
  const withKey = connection.apiKey !== undefined;
  const withCertificate = typeof connection.tls === 'object' && connection.tls?.clientCertPair !== undefined;

  if ('status' in outcome) {
    if (outcome.status === UNAUTHENTICATED) {
      return withKey
        ? refusal(
            `the server at ${address} does not take the API key`,
            'Set TEMPORAL_API_KEY to a key that has neither expired nor been disabled, and TEMPORAL_ADDRESS to the endpoint for API keys.',
          )
        : refusal(
            `the server at ${address} asks who calls`,
            'Set TEMPORAL_API_KEY, or the client certificate that it wants.',
          );
    }
    if (outcome.status === NOT_FOUND) {
      return refusal(
        `the server at ${address} has no namespace ${namespace}`,
        `Set TEMPORAL_NAMESPACE, or make it: temporal operator namespace create --namespace ${namespace}`,
      );
    }
    if (outcome.status !== PERMISSION_DENIED) return null;
    return refusal(
      `the server at ${address} lets this ${withKey ? 'API key' : 'caller'} do nothing in namespace ${namespace}`,
      'Check TEMPORAL_NAMESPACE, and give the owner of the key or certificate the right to write there.',
    );
  }

  const { code } = outcome;
  if (away.has(code)) {
    const found = `no server answers at ${address} (${code})`;
    return { found, todo: 'Set TEMPORAL_ADDRESS to a running one that can be reached from here.', isRefusal: false };
  }
  if (outOfDate.has(code)) {
    return refusal(`the certificate of ${address} is out of date (${code})`, "Renew it, or set this machine's clock.");
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return refusal(
      `the certificate of ${address} is for another name`,
      'Set TEMPORAL_ADDRESS to that name, or TEMPORAL_TLS_SERVER_NAME.',
    );
  }
  if (unverified.test(code)) {
    return refusal(
      `the certificate of ${address} is from nobody who is trusted here (${code})`,
      'Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the authority that signed it.',
    );
  }
  if (!usesTls(settings)) {
    return refusal(
      `the server at ${address} hangs up on a caller without TLS`,
      'Set TEMPORAL_TLS=true, or the API key or client certificate that it wants.',
    );
  }
  if (noTls.has(code)) {
    return refusal(
      `the server at ${address} does not speak TLS`,
      'Set TEMPORAL_ADDRESS to the one that does, or leave out TEMPORAL_TLS, TEMPORAL_TLS_* and TEMPORAL_API_KEY.',
    );
  }
  return withCertificate
    ? refusal(
        `the server at ${address} hangs up on our client certificate (${code})`,
        'Check TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH: not expired, and from an authority that is registered for the namespace.',
      )
    : refusal(
        `the server at ${address} hangs up on a caller without a client certificate (${code})`,
        'Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH, or TEMPORAL_API_KEY and the endpoint for it.',
      );
}

type Outcome = { readonly status: string } | { readonly code: string };

/** The gRPC status of a question about the namespace, or the code of what went wrong before. */
function ask(settings: Settings): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = open(settings);
    const timer = setTimeout(() => settle({ code: 'timeout' }), ANSWER_MS);
    const session = connectHttp2('http://temporal', { createConnection: () => socket });
    function settle(outcome: Outcome): void {
      clearTimeout(timer);
      resolve(outcome);
      session.destroy();
      socket.destroy();
    }
    // The socket knows why; what is built on it hears of its end, at best.
    socket.on('error', ({ code = 'closed' }: NodeJS.ErrnoException) => settle({ code }));
    socket.on('close', () => settle({ code: 'closed' }));
    session.on('error', () => undefined);
    const call = session.request({
      ':method': 'POST',
      ':path': DESCRIBE_NAMESPACE,
      ':authority': settings.address,
      'content-type': 'application/grpc',
      te: 'trailers',
      // By which Temporal Cloud tells whose call it is.
      'temporal-namespace': settings.namespace,
      ...headersOf(settings),
    });
    const judge = (headers: IncomingHttpHeaders): void => {
      const status = headers['grpc-status'];
      if (status !== undefined) settle({ status: String(status) });
    };
    call.on('error', () => undefined);
    call.on('response', judge).on('trailers', judge);
    call.end(buildRequest(settings.namespace));
    call.resume();
  });
}

/** Not compressed, length, and a message whose first field is the namespace (gRPC over HTTP/2, Protocol Buffers). */
function buildRequest(namespace: string): Buffer {
  const name = Buffer.from(namespace);
  const head = Buffer.alloc(5);
  const field = name.length < 0x80 ? [0x0a, name.length] : [0x0a, (name.length & 0x7f) | 0x80, name.length >> 7];
  head.writeUInt32BE(field.length + name.length, 1);
  return Buffer.concat([head, Buffer.from(field), name]);
}

function headersOf({ connection }: Settings): Record<string, string> {
  const { apiKey, metadata } = connection;
  const given = Object.entries(metadata ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
  return { ...Object.fromEntries(given), ...(apiKey !== undefined && { authorization: `Bearer ${String(apiKey)}` }) };
}

function usesTls({ connection: { tls } }: Settings): boolean {
  return tls !== undefined && tls !== null && tls !== false;
}

function open(settings: Settings): Socket {
  const { address, connection } = settings;
  const { hostname, port } = new URL(`tcp://${address}`);
  const host = hostname.replaceAll(/^\[|\]$/g, '');
  if (!usesTls(settings)) return connect({ host, port: Number(port) });
  const tls = typeof connection.tls === 'object' ? (connection.tls ?? {}) : {};
  const servername = tls.serverNameOverride ?? (isIP(host) === 0 ? host : undefined);
  return connectTls({
    ...{ host, port: Number(port), ALPNProtocols: ['h2'] },
    ...(servername !== undefined && { servername }),
    ...(tls.serverRootCACertificate && { ca: Buffer.from(tls.serverRootCACertificate) }),
    ...(tls.clientCertPair && {
      cert: Buffer.from(tls.clientCertPair.crt),
      key: Buffer.from(tls.clientCertPair.key),
    }),
  });
}
