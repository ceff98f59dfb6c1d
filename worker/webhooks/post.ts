/** One try to deliver: a POST without redirects, bounded in time, its answer's body never read. */
import { isIP } from 'node:net';
import { Agent, request } from 'undici';
import { AddressRefused, isPublicAddress, lookupPublic } from './public-address.ts';

export interface PostAnswer {
  readonly status: number;
  /** As the endpoint wrote it. */
  readonly retryAfter: string | null;
}

export interface Poster {
  /** Rejects with a stable word as its `message`: what kept it from an answer. */
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<PostAnswer>;
  close(): Promise<void>;
}

const ANSWER_MS = 15_000;

/** `allowLoopback`: development, where a partner's service runs beside Evergrant and needs no TLS. */
export function createPoster({ allowLoopback }: { readonly allowLoopback: boolean }): Poster {
  const open = new Agent({ connect: { timeout: 5_000 }, connections: 8 });
  const guarded = new Agent({ connect: { timeout: 5_000, lookup: lookupPublic }, connections: 8 });

  function agentOf(url: URL): Agent {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
    if (allowLoopback && isLoopback) return open;
    if (url.protocol !== 'https:' || (isIP(host) !== 0 && !isPublicAddress(host))) throw new AddressRefused(host);
    return guarded;
  }

  return {
    async post(url, headers, body) {
      try {
        const {
          statusCode,
          headers: received,
          body: stream,
        } = await request(url, {
          method: 'POST',
          dispatcher: agentOf(new URL(url)),
          headers: { ...headers, 'content-type': 'application/json', 'user-agent': 'Evergrant' },
          body,
          signal: AbortSignal.timeout(ANSWER_MS),
        });
        await stream.dump().catch(() => undefined);
        const retryAfter = received['retry-after'];
        return { status: statusCode, retryAfter: typeof retryAfter === 'string' ? retryAfter : null };
      } catch (error) {
        throw new Error(wordOf(error), { cause: error });
      }
    },
    // What hangs must not keep a worker that ends.
    close: async () => void (await Promise.all([open.destroy(), guarded.destroy()])),
  };
}

const words: Readonly<Record<string, string>> = {
  EVERGRANT_ADDRESS_REFUSED: 'address-refused',
  ENOTFOUND: 'name-unknown',
  EAI_AGAIN: 'name-unknown',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  ECONNRESET: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
};

function wordOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'timeout';
  const code = 'code' in error ? String(error.code) : '';
  if (/^(ERR_TLS|ERR_SSL|UNABLE_TO_|EPROTO$)|CERT/.test(code)) return 'tls';
  return words[code] ?? 'failed';
}
