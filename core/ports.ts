/**
 * What the core needs from the world. Implementations are put together in the `main.ts` files (and, with a
 * virtual clock and an in-memory store, in the simulation); nothing else constructs them.
 */
import type { Secret } from './secret.ts';

/** Wall clock (deadlines, audit) and monotonic clock (budgets), both in milliseconds. */
export interface Clock {
  now(): number;
  monotonic(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. Never keeps the process alive by itself. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Randomness; `uuid` for ids that need no secrecy, `token` for ones that do (base64url). */
export interface Rng {
  uuid(): string;
  token(bytes: number): string;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

// ── Vault ──────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Seals secrets under a data key. `context` names where the sealed value belongs (for instance
 * `access_tokens:{connection id}:{attempt id}`); it is authenticated, not stored: a value that was moved
 * elsewhere does not open.
 */
export interface Vault {
  /** Throws unless a data key is in memory: asked before every call to Concur that yields tokens. */
  assertReady(): void;
  seal(secret: Secret, context: string): Promise<string>;
  open(sealed: string, context: string): Promise<Secret>;
  /** HMAC-SHA-256 under a key of the vault, base64url: for looking up codes that are never stored. */
  fingerprint(secret: Secret, context: string): Promise<string>;
}

// ── Concur ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The bytes of one HTTP exchange. The implementation refuses redirects and hosts outside the allow-list. */
export interface Http {
  send(request: HttpRequest, options: HttpOptions): Promise<HttpResponse>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpOptions {
  /** The socket is given up after this, in milliseconds. */
  readonly horizonMs: number;
  /** Called at the moment from which the request may have reached the other side. */
  readonly onSent?: () => void;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What `Http.send` rejects with: `sent` tells whether the request can have reached Concur. */
export interface TransportFailure {
  readonly transport: 'timeout' | 'reset' | 'refused' | 'dns' | 'tls' | 'other';
  readonly sent: boolean;
}

/** A token answer of Concur, validated: shapes as in RFC 6749 section 5.1 and Concur's docs, Authentication. */
export interface TokenAnswer {
  /** `OAuth`: a one-year token of the flow of before 2017. */
  readonly tokenType: 'Bearer' | 'OAuth';
  readonly accessToken: Secret;
  /** Null when Concur returned none (allowed on a refresh: the stored one stays). */
  readonly refreshToken: Secret | null;
  readonly idToken: Secret | null;
  readonly scope: string;
  /** Seconds from the moment the request was sent. */
  readonly expiresInSeconds: number;
  /** Absolute. Null when absent: six months from the response. */
  readonly refreshExpiresAtMs: number | null;
  /** As Concur wrote it; whether it is a known data centre is judged by `geolocation` below. */
  readonly geolocationRaw: string | null;
  /** Known data centre it names, null when absent, `'foreign'` when it is not on the allow-list. */
  readonly geolocation: DataCentre | 'foreign' | null;
}

export interface DataCentre {
  /** Key in the configured table: `us2`, `glz`. */
  readonly name: string;
  readonly baseUri: string;
}

/** Why a call brought no usable answer. */
export type ConcurFailure =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly concurCode: number | null;
      /** OAuth `error` of the body, when it is one of RFC 6749's names. */
      readonly oauthError: string | null;
      readonly retryAfterMs: number | null;
      /** Where code 16 points, judged like a token's geolocation. */
      readonly geolocation: DataCentre | 'foreign' | null;
      /**
       * Words of Concur's where it has no codes: errors of the migration (Concur's docs, Migration), and
       * `LEGACY_ERROR` for an `Error` element in an XML answer, which says no more than that.
       */
      readonly providerCode?: 'INVALIDSCOPES' | 'INVALIDAPP' | 'INVALIDTOKEN' | 'UNAUTHORIZED' | 'LEGACY_ERROR';
    }
  /** A 2xx that is no token answer: no JSON, no access token, absurd numbers. */
  | {
      readonly kind: 'malformed';
      readonly status: number;
      readonly what: string;
      /** It was in there all the same, and may be the only one alive. */
      readonly refreshToken?: Secret;
    }
  | { readonly kind: 'transport'; readonly transport: TransportFailure['transport']; readonly sent: boolean };

export interface CallTimes {
  /** When the request was sent (wall clock); `expires_at` counts from here. */
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  readonly correlationId: string | null;
  /** Data centre that gave the final answer, after code 16 was followed. */
  readonly dataCentre: DataCentre;
}

export type ConcurResult<T> = CallTimes &
  ({ readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: ConcurFailure });

export interface AppCredentials {
  readonly clientId: string;
  readonly clientSecret: Secret;
}

export interface Principal {
  readonly id: string;
  readonly type: 'company' | 'user';
  readonly name: string | null;
  readonly domain: string | null;
}

export interface TokenCallOptions {
  readonly horizonMs: number;
  readonly onSent?: () => void;
}

/** SAP Concur, one method per operation of its wire. Never throws for what Concur or the network did. */
export interface Concur extends ConcurIntake {
  exchangeRequestToken(
    input: { readonly credentials: AppCredentials; readonly principal: string; readonly requestToken: Secret },
    options: TokenCallOptions,
  ): Promise<ConcurResult<TokenAnswer>>;
  refreshTokens(
    input: { readonly credentials: AppCredentials; readonly dataCentre: string; readonly refreshToken: Secret },
    options: TokenCallOptions,
  ): Promise<ConcurResult<TokenAnswer>>;
  /**
   * Asks for an application token and drops it: whether the app's own credentials are taken at that data centre.
   * Concur's docs, Authentication, "Client credentials grant".
   */
  proveCredentials(
    input: { readonly credentials: AppCredentials; readonly dataCentre: string },
    options: TokenCallOptions,
  ): Promise<ConcurResult<null>>;
  /** Ends all tokens of the principal that the access token belongs to, for this app. */
  revokeConnection(
    input: { readonly dataCentre: string; readonly accessToken: Secret },
    options: TokenCallOptions,
  ): Promise<ConcurResult<null>>;
  fetchPrincipal(
    input: {
      readonly dataCentre: string;
      readonly accessToken: Secret;
      /** `Bearer` when left out. */
      readonly tokenType?: TokenAnswer['tokenType'];
    },
    options: TokenCallOptions,
  ): Promise<ConcurResult<Principal>>;
  /**
   * Verifies the id_token's signature (JWKS of the data centre, never of `iss`), `aud`, `exp`.
   * `invalid` is a verdict about the token; a JWKS that cannot be had is `unavailable`.
   */
  verifyIdToken(
    input: {
      readonly dataCentre: string;
      readonly idToken: Secret;
      readonly clientId: string;
      /** When it came: an answer that lay on file for an hour has not become somebody else's. */
      readonly atMs: number;
    },
    options: TokenCallOptions,
  ): Promise<
    | { readonly verdict: 'valid'; readonly subject: string; readonly principalType: 'company' | 'user' | null }
    | { readonly verdict: 'invalid' | 'unavailable'; readonly why: string }
  >;
}

/** What a migrated legacy grant has become: Concur's docs, Migration. Access tokens come by the first refresh. */
export interface MigratedGrant {
  readonly refreshToken: Secret;
  /** Absolute, null when the answer has none. */
  readonly refreshExpiresAtMs: number | null;
  readonly scope: string;
  /** Whose grant it is: `userid` or `cid` of the answer's context, lower case; null when the context names nobody. */
  readonly subject: string | null;
  readonly principalType: 'company' | 'user' | null;
}

/**
 * The ways to a grant that need no redirect of the App Center, and the flow from before 2017. Answers are shaped like
 * those of the token endpoint. A legacy token answer has the one-year token as access token (`tokenType` is `OAuth`)
 * and, as refresh token, the whole legacy grant: token and refresh value packed into one opaque secret, because a
 * refresh needs both. Never throws for what Concur or the network did.
 */
export interface ConcurIntake {
  /** A user's own login, `credtype=password`, at the data centre where the user lives; code 16 is followed. */
  exchangePassword(
    input: {
      readonly credentials: AppCredentials;
      readonly dataCentre: string;
      readonly username: string;
      readonly password: Secret;
    },
    options: TokenCallOptions,
  ): Promise<ConcurResult<TokenAnswer>>;
  /** `getaccesstoken.ashx?code=`: the redirect's code of an App Center app from before 2017. */
  exchangeLegacyCode(
    input: { readonly credentials: AppCredentials; readonly dataCentre: string; readonly code: Secret },
    options: TokenCallOptions,
  ): Promise<ConcurResult<TokenAnswer>>;
  /** `getaccesstoken.ashx?refresh_token=`, made with the token that is still alive. */
  refreshLegacyToken(
    input: { readonly credentials: AppCredentials; readonly dataCentre: string; readonly grant: Secret },
    options: TokenCallOptions,
  ): Promise<ConcurResult<TokenAnswer>>;
  /** `revoketoken.ashx?token=`: ends this one token. */
  revokeLegacyToken(
    input: { readonly dataCentre: string; readonly accessToken: Secret },
    options: TokenCallOptions,
  ): Promise<ConcurResult<null>>;
  /** An application token, then `exchangeRefreshToken/me`: a legacy refresh token becomes one of OAuth2. */
  migrateLegacyToken(
    input: {
      readonly credentials: AppCredentials;
      readonly dataCentre: string;
      readonly legacyClientId: string;
      readonly legacyRefreshToken: Secret;
      readonly principal: 'company' | 'user';
    },
    options: TokenCallOptions,
  ): Promise<ConcurResult<MigratedGrant>>;
}

/**
 * The configured data centres, and the instances of the flow of before 2017: the allow-list of every host that may see
 * a secret. No name is in both tables.
 */
export interface DataCentres {
  /** A data centre or a legacy instance. Throws `configuration-invalid` when neither table has it. */
  byName(name: string): DataCentre;
  /** Of the data centres alone. */
  names(): readonly string[];
  legacyNames(): readonly string[];
  /** Which data centre a base URI from outside names, `'foreign'` when none. */
  match(geolocation: string): DataCentre | 'foreign';
  /** The same for the `Instance_Url` of a legacy answer and the legacy instances. */
  matchLegacy(instanceUrl: string): DataCentre | 'foreign';
}
