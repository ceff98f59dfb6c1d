/**
 * A partner service's way to Evergrant: access tokens that work, cached; rejected ones reported; the connections of an
 * app; and the two calls by which a landing page lets its administrator in. It knows the HTTP API and nothing else.
 */
import type {
  AccessToken,
  Connection,
  ConnectionFilter,
  ConnectionPage,
  SignInReturn,
  VerificationCode,
  VerificationCodeRequest,
} from './api-types.ts';
import { type Auth, createBearer } from './bearer.ts';
import { isPassing } from './evergrant-error.ts';
import { createRejections } from './rejections.ts';
import { createRequester, type Fetch } from './requester.ts';
import { createTokenCache } from './token-cache.ts';

export type ClientOptions = Auth & {
  /** Such as `https://evergrant.example.com`. */
  readonly baseUrl: string;
  readonly app: string;
  /** A token is not used for longer than to its expiry less this. Evergrant itself hands out none with less than 120 s. */
  readonly marginSeconds?: number;
  /** Of one try. */
  readonly timeoutMs?: number;
  /** How long a call is tried again; 0 for one try. */
  readonly patienceMs?: number;
  readonly fetch?: Fetch;
  /** Ends all that is under way. */
  readonly signal?: AbortSignal;
};

/** Every method throws {@link EvergrantError}; principals are UUIDs of companies or users at SAP Concur. */
export interface EvergrantClient {
  /** From memory as long as it lasts. `minTtlSeconds` (0 to 1800): it must live so much longer, where that can be had. */
  accessToken(principal: string, options?: { readonly minTtlSeconds?: number }): Promise<AccessToken>;
  /** Asks Evergrant, whatever is in memory. */
  readToken(principal: string, options?: { readonly minTtlSeconds?: number }): Promise<AccessToken>;
  /**
   * A call to Concur with a token. Answered with 401 or 403 it is made once more with a newer token; without a
   * newer one the first answer is the answer. Throws when the connection has come to an end.
   */
  withToken(principal: string, call: (token: AccessToken) => Promise<Response>): Promise<Response>;
  /** Concur refused this version: reports it and waits for a newer one; null where there is none soon. */
  replaceRejected(principal: string, version: number, status?: number): Promise<AccessToken | null>;
  /** A forced refresh; Concur wishes none while a token works. */
  refresh(principal: string): Promise<Connection>;
  connection(principal: string): Promise<Connection>;
  /** All connections, page after page as they are asked for. */
  connections(filter?: ConnectionFilter): AsyncGenerator<Connection, void, undefined>;
  createVerificationCode(request?: VerificationCodeRequest): Promise<VerificationCode>;
  /** The user who came with `?session=ref` has signed in as this customer: send the browser to `return_url`. */
  completeSignIn(ref: string, customerRef: string): Promise<SignInReturn>;
}

const PAGE_LIMIT = 200;

export function createEvergrantClient(options: ClientOptions): EvergrantClient {
  const { baseUrl, app, marginSeconds = 60, timeoutMs = 25_000, patienceMs = 30_000, signal } = options;
  const request = createRequester({
    baseUrl,
    bearer: createBearer(options, app),
    fetch: options.fetch ?? fetch,
    timeoutMs,
    patienceMs,
    signal,
  });
  const appPath = `/v1/apps/${encodeURIComponent(app)}`;
  const pathOf = (principal: string) => `${appPath}/connections/${encodeURIComponent(principal)}`;

  const cache = createTokenCache({
    read: (principal, min_ttl) => request({ method: 'GET', path: `${pathOf(principal)}/token`, query: { min_ttl } }),
    marginMs: marginSeconds * 1_000,
  });
  const rejections = createRejections({
    async report(principal, version, status) {
      const body = { version, ...(status === undefined ? {} : { status }) };
      await request({ method: 'POST', path: `${pathOf(principal)}/token-rejected`, body });
    },
    cache,
    patienceMs: 15_000,
    signal,
  });
  // A UUID may be written in any case, and is one connection.
  const keyOf = (principal: string) => principal.toLowerCase();

  /** Concur's own answer says more than that Evergrant is away as well. */
  async function maybeReplace(key: string, version: number, status: number): Promise<AccessToken | null> {
    try {
      return await rejections.replace(key, version, status);
    } catch (error) {
      if (isPassing(error)) return null;
      throw error;
    }
  }

  return {
    accessToken: (principal, { minTtlSeconds } = {}) => cache.get(keyOf(principal), minTtlSeconds),
    readToken: (principal, { minTtlSeconds } = {}) => cache.ask(keyOf(principal), minTtlSeconds),
    async withToken(principal, call) {
      const key = keyOf(principal);
      const token = await cache.get(key);
      const response = await call(token);
      if (!isRejection(response)) return response;
      const newer = await maybeReplace(key, token.version, response.status);
      if (newer === null) return response;
      await response.body?.cancel();
      const second = await call(newer);
      if (isRejection(second)) rejections.acquit(key, newer.version);
      return second;
    },
    replaceRejected: (principal, version, status) => rejections.replace(keyOf(principal), version, status),
    refresh: (principal) => request({ method: 'POST', path: `${pathOf(principal)}/refresh` }),
    connection: (principal) => request({ method: 'GET', path: pathOf(principal) }),
    async *connections(filter = {}) {
      let cursor: string | undefined;
      do {
        const query = { ...filter, cursor, limit: PAGE_LIMIT };
        const page: ConnectionPage = await request({ method: 'GET', path: `${appPath}/connections`, query });
        yield* page.items;
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
    },
    createVerificationCode: (body = {}) =>
      request({ method: 'POST', path: `${appPath}/verification-codes`, body, isOnce: true }),
    completeSignIn: (ref, customer_ref) =>
      request({
        method: 'POST',
        path: `/v1/connect-sessions/${encodeURIComponent(ref)}/complete`,
        body: { customer_ref },
      }),
  };
}

function isRejection({ status }: Response): boolean {
  return status === 401 || status === 403;
}
