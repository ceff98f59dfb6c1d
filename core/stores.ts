/**
 * Ports of the stores: one interface per aggregate, one method per transaction. `db/` implements them on PostgreSQL,
 * the simulation in memory; one conformance suite holds both to the same behaviour. Longer than 300 lines: the whole
 * record at a glance, in types without behaviour that refer to one another.
 */
import type { Aggregate, Decision } from './aggregate.ts';
import type { AppTrouble } from './aggregate.ts';
import type { Act, AuditEntry, InstallationEvent } from './audit-entry.ts';
import type { CrowdQuestion } from './crowd.ts';
import type { Connection, ConnectionKey, ConnectionState } from './connection.ts';
import type { IntakeKind } from './intake-kind.ts';
import type { Decision as UnidentifiedDecision, UnidentifiedConnect, UnidentifiedSight } from './unidentified.ts';

/**
 * Connections with their grants, attempts and pending connects. Every change goes through `transact`: the row
 * is locked, `decide` (pure, from `core/`) is given what is on file, and what it decides is written in the same
 * transaction, audit rows and NOTIFY included.
 */
export interface ConnectionStore {
  /**
   * Null result of `decide`'s aggregate.connection means that no row exists yet. With `crowd` the other connections
   * of the app in that data centre are in sight; whoever asks for the same waits until this one is over. With
   * `sessionId` that session is in sight even when it has settled, or belongs to another connection.
   */
  transact<T>(
    key: ConnectionKey,
    decide: (aggregate: Aggregate) => Decision<T>,
    options?: { readonly crowd?: CrowdQuestion; readonly sessionId?: string },
  ): Promise<T>;
  /** Read without a lock. */
  maybeOne(key: ConnectionKey): Promise<Aggregate | null>;
  many(filter: ConnectionFilter): Promise<Page<Connection>>;
  /** The sealed access token with what is needed to judge it; null when the connection is unknown. */
  maybeAccessToken(key: ConnectionKey): Promise<StoredAccessToken | null>;
  /** Batched; keeps the latest. */
  touchRead(reads: readonly (ConnectionKey & { readonly atMs: number })[]): Promise<void>;
  setCustomerRef(key: ConnectionKey, customerRef: string | null, act: Act): Promise<Connection | null>;
  events(key: ConnectionKey, page: { readonly cursor?: string; readonly limit: number }): Promise<Page<StoredEvent>>;
}

export interface ConnectionFilter {
  readonly app: string;
  /** Narrowing by the caller's token; undefined: all. */
  readonly principals?: readonly string[];
  readonly state?: ConnectionState;
  readonly dataCentre?: string;
  readonly customerRef?: string;
  readonly cursor?: string;
  /** 1 to 200. */
  readonly limit: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** What has to be known of a connection to hand out its access token, or to say why there is none. */
export interface TokenHolder
  extends Pick<
    Connection,
    | 'id'
    | 'app'
    | 'principal'
    | 'state'
    | 'version'
    | 'geolocation'
    | 'scope'
    | 'accessTokenSentAtMs'
    | 'accessTokenExpiresAtMs'
    | 'nextActionAtMs'
  > {
  readonly lastError: Pick<NonNullable<Connection['lastError']>, 'code'> | null;
}

export interface StoredAccessToken {
  readonly connection: TokenHolder;
  /** Null when there is none on file (never made, expired and swept, revoked). */
  readonly token: {
    readonly sealed: string;
    readonly attemptId: string;
    readonly tokenType: 'Bearer' | 'OAuth';
  } | null;
}

export interface StoredEvent extends AuditEntry {
  readonly id: string;
}

// ── The trail of the installation ──────────────────────────────────────────────────────────────────────────

/**
 * Acts that belong to no single connection, which every store writes in the transaction of the change itself, and who
 * read which token.
 */
export interface AuditStore {
  /** What happened to an app and all that is its own, newest first. `limit`: 1 to 200. */
  manyOfApp(app: string, limit: number): Promise<readonly StoredInstallationEvent[]>;
  /** Puts the first read of a version by a client on the connection's trail; what is on record already is passed over. */
  recordReads(reads: readonly TokenRead[]): Promise<void>;
}

export interface StoredInstallationEvent extends InstallationEvent {
  readonly id: string;
}

/** A client was handed the access token of this version. */
export interface TokenRead extends ConnectionKey, Omit<Act, 'reason'> {
  readonly version: number;
  readonly atMs: number;
}

// ── Connect sessions ───────────────────────────────────────────────────────────────────────────────────────

export type LandingMode = 'sign-in' | 'verification-code' | 'confirm';

/** A visit of an administrator's browser, from Concur's redirect to the confirmation page. */
export interface BrowserSession {
  readonly id: string;
  readonly app: string;
  /** Lower case; the redirect's `id`. Null where only Concur's answer will tell: the flow of before 2017. */
  readonly principal: string | null;
  /** What is to be exchanged. */
  readonly kind: IntakeKind;
  /** Where; null: where that kind is exchanged by default. */
  readonly dataCentre: string | null;
  /** SHA-256 of the cookie's secret, base64url. */
  readonly cookieHash: string;
  readonly csrf: string;
  /** Its name for the partner's site in landing mode `sign-in`: no secret, it starts nothing. */
  readonly ref: string;
  /** The way back from there, null when there is none. */
  readonly ticket: SignInTicket | null;
  /** Keyed fingerprint, so that the same token in the same or another browser is recognised without being stored. */
  readonly requestTokenFingerprint: string;
  readonly userId: string | null;
  /** `open`: waits for the landing page; `lost`: another browser completed the same request token first. */
  readonly status: 'open' | 'completed' | 'connected' | 'failed' | 'lost';
  /** Error code shown to the administrator when failed. */
  readonly failure: string | null;
  readonly codeTries: number;
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
  /** End of the request token's life. */
  readonly expiresAtMs: number;
}

/** With it, and with its cookie, a browser comes back from the partner's site. Only its number is on file. */
export interface SignInTicket {
  readonly id: string;
  /** As whom the partner knows the user who signed in. */
  readonly customerRef: string;
  readonly expiresAtMs: number;
  /** Whether the session's own browser has brought it. */
  readonly isPresented: boolean;
}

export interface NewBrowserSession
  extends Pick<
    BrowserSession,
    | 'id'
    | 'app'
    | 'principal'
    | 'kind'
    | 'dataCentre'
    | 'cookieHash'
    | 'csrf'
    | 'ref'
    | 'requestTokenFingerprint'
    | 'userId'
    | 'createdAtMs'
    | 'expiresAtMs'
  > {
  /** Sealed under `connect_sessions:{id}:request_token`. */
  readonly requestToken: string;
  /** Keyed fingerprint of the visitor's address, for the limits on wrong codes. */
  readonly addressFingerprint: string;
}

export type CompleteResult<T> =
  /** `result` is null while nobody knows whose connection it will be: then nothing was decided. */
  | { readonly outcome: 'completed'; readonly result: T | null }
  /** Not open any more: already completed by this browser (its progress page goes on) or over. */
  | { readonly outcome: 'already'; readonly session: BrowserSession }
  | { readonly outcome: 'lost' }
  | { readonly outcome: 'expired' }
  | { readonly outcome: 'code-rejected'; readonly triesLeft: number }
  /** None, or not the newest; or a right one that is too old. */
  | { readonly outcome: 'ticket-rejected' | 'ticket-expired' }
  | { readonly outcome: 'rate-limited'; readonly retryAfterMs: number };

export interface SessionStore {
  open(session: NewBrowserSession): Promise<void>;
  maybeOne(app: string, id: string): Promise<BrowserSession | null>;
  maybeOneByRef(ref: string): Promise<BrowserSession | null>;
  /** Every browser's session that began with the same request token, newest first. */
  manyByRequestToken(app: string, requestTokenFingerprint: string): Promise<readonly BrowserSession[]>;
  touch(id: string, atMs: number): Promise<void>;
  /** The partner knows who signed in: a ticket in the place of the one before. False: the session is over. */
  issueTicket(
    ticket: SessionTicketKey & { readonly customerRef: string; readonly expiresAtMs: number },
    act: Act,
  ): Promise<boolean>;
  /** The session's own browser has brought that ticket. False: it is not the newest any more, or too old. */
  presentTicket(ticket: SessionTicketKey): Promise<boolean>;
  /** Another browser has brought that ticket: it is void, unless the session's own brought it before. */
  dropTicket(ticket: SessionTicketKey, act: Act): Promise<boolean>;
  /**
   * Completes the landing page: session, verification code or ticket (where the mode asks for one) and connection in
   * one transaction. A wrong, used or expired code is counted against session, address and app.
   */
  complete<T>(
    input: {
      readonly app: string;
      readonly id: string;
      readonly nowMs: number;
      /** Keyed fingerprint of the typed code; in mode `verification-code` alone. */
      readonly codeFingerprint?: string;
      /** Number of the ticket that was brought; in mode `sign-in` alone. */
      readonly ticketId?: string;
      readonly addressFingerprint: string;
      /** Id of the browser's request, for the audit trail. */
      readonly correlationId?: string;
    },
    /** Not asked while nobody knows whose connection it will be. */
    decide: (aggregate: Aggregate, key: ConnectionKey) => Decision<T>,
  ): Promise<CompleteResult<T>>;
}

export interface SessionTicketKey {
  readonly app: string;
  /** Of the session. */
  readonly id: string;
  readonly ticketId: string;
  readonly nowMs: number;
}

/** Connects whose principal nobody knows yet; one transaction each, the row locked. */
export interface IntakeStore {
  /** Puts one on file and on record, complete; keeps the one that is there under the same id. */
  open(intake: UnidentifiedConnect, act: Act): Promise<void>;
  /** Also one that has found its principal, or came with it; null while its landing page is open. */
  maybeOne(app: string, id: string): Promise<UnidentifiedConnect | null>;
  /** An ending goes on record in the same transaction. Throws `not-found` as `maybeOne` gives null. */
  transact<T>(app: string, id: string, decide: (sight: UnidentifiedSight) => UnidentifiedDecision<T>): Promise<T>;
  /** Those whose next try was due by then, longest overdue first. */
  manyOverdue(query: { readonly dueByMs: number; readonly limit: number }): Promise<readonly UnidentifiedConnect[]>;
}

export interface CodeStore {
  create(code: {
    readonly app: string;
    readonly fingerprint: string;
    readonly label: string | null;
    readonly customerRef: string | null;
    readonly principal: string | null;
    readonly createdBy: string;
    /** Id of the request that asked for it, for the audit trail. */
    readonly correlationId?: string | null;
    readonly createdAtMs: number;
    readonly expiresAtMs: number;
  }): Promise<{ readonly id: string }>;
  many(app: string): Promise<readonly StoredCode[]>;
  revoke(app: string, id: string, atMs: number, act: Act): Promise<boolean>;
}

export interface StoredCode {
  readonly id: string;
  readonly label: string | null;
  readonly customerRef: string | null;
  readonly principal: string | null;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly usedAtMs: number | null;
  readonly revokedAtMs: number | null;
}

// ── Apps ───────────────────────────────────────────────────────────────────────────────────────────────────

/** One entry of the apps file without its secret. */
export interface App {
  readonly app: string;
  readonly clientId: string;
  readonly flow: 'quick-connect' | 'app-center-legacy';
  readonly principal: 'company' | 'user';
  readonly environment: 'production' | 'implementation';
  readonly landing: Landing;
  readonly webhooks: readonly { readonly url: string; readonly events: readonly string[] }[];
  readonly requiredScopes: readonly string[];
  readonly legacyClientId: string | null;
  readonly allowUnverified: boolean;
  readonly allowPasswordLogin: boolean;
}

/** Texts, links and colours of an app's landing page. */
export interface Landing {
  readonly mode: LandingMode;
  readonly brand: string;
  readonly color: string;
  readonly logoUrl: string | null;
  readonly logoAlt: string;
  readonly signInUrl: string | null;
  readonly signUpUrl: string | null;
  readonly contactUrl: string | null;
  readonly supportUrl: string;
  readonly privacyUrl: string;
  readonly termsUrl: string | null;
  readonly manageUrl: string | null;
  readonly listingUrl: string | null;
  readonly nextSteps: readonly string[];
}

export interface AppSecretFacts {
  readonly id: string;
  readonly createdAtMs: number;
  /** Noted when another than the one before it worked, not at every call. */
  readonly lastWorkedAtMs: number | null;
  readonly retiredAtMs: number | null;
}

export interface SealedAppSecret extends AppSecretFacts {
  /** Sealed under `app_secrets:{id}:client_secret`. */
  readonly sealed: string;
}

export interface AppStore {
  many(): Promise<readonly App[]>;
  maybeOne(app: string): Promise<App | null>;
  /** Secrets not retired, newest first. */
  secrets(app: string): Promise<readonly SealedAppSecret[]>;
  /** All secrets, the retired ones too, newest first. */
  manySecrets(app: string): Promise<readonly AppSecretFacts[]>;
  /** Concur took this secret; keeps the latest. */
  noteSecretWorked(app: string, id: string, atMs: number): Promise<void>;
  /** False when there is no such secret, or it is retired already. */
  retireSecret(app: string, id: string, atMs: number, act: Act): Promise<boolean>;
  /** Adds or changes, as the apps file says; refuses (`conflict`) a changed client id. Never removes. */
  apply(app: App): Promise<'added' | 'changed' | 'unchanged'>;
  /**
   * With `revive` one that was retired is back in use, as if it had been added now. Without `act` it is the apps file
   * that brings it.
   */
  addSecret(
    app: string,
    secret: {
      readonly id: string;
      readonly sealed: string;
      readonly fingerprint: string;
      readonly createdAtMs: number;
    },
    options?: { readonly revive?: boolean; readonly act?: Act },
  ): Promise<'added' | 'known' | 'revived'>;
}

/** The brake of an app in one data centre: on unless it was released after it tripped. */
export interface Brake {
  readonly dataCentre: string;
  readonly trippedAtMs: number;
  readonly releasedAtMs: number | null;
}

export interface BrakeStore {
  many(app: string): Promise<readonly Brake[]>;
  /** Takes the brake off in every data centre of the app where it is on; which those are. */
  release(app: string, atMs: number, act: Act): Promise<readonly string[]>;
}

/** Trouble with the apps' own credentials, and the connections that wait for its end or for the brake's release. */
export interface AppTroubleStore {
  /** By data centre; what has been seen once only, too. */
  many(app: string): Promise<readonly AppTrouble[]>;
  /** The credentials are proven: connections may call again. */
  clear(app: string, dataCentre: string): Promise<void>;
  /** Where connections wait, and how many. */
  countWaiting(app: string): Promise<readonly Waiting[]>;
  /** Connections that have waited since then at the latest, by principal. `limit`: 1 to 200. */
  manyWaiting(
    query: Omit<Waiting, 'count'> & {
      readonly app: string;
      readonly sinceByMs: number;
      readonly cursor?: string;
      readonly limit: number;
    },
  ): Promise<Page<ConnectionKey>>;
}

/** Connections of an app in a data centre that wait for its `credentials`, or for the `brake` to be released. */
export interface Waiting {
  readonly dataCentre: string;
  readonly waitsFor: 'credentials' | 'brake';
  readonly count: number;
}

// ── Clients of the partner API ─────────────────────────────────────────────────────────────────────────────

export interface ApiClient {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly apps: readonly string[] | '*';
  /** Lower-case UUIDs; null: every principal of its apps. */
  readonly principals: readonly string[] | null;
  /** Public JWK of a client that signs its own JWTs. */
  readonly jwk: Readonly<Record<string, unknown>> | null;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

export interface ClientStore {
  create(client: ApiClient, act: Act): Promise<void>;
  maybeOne(id: string): Promise<ApiClient | null>;
  many(): Promise<readonly ApiClient[]>;
  revoke(id: string, atMs: number, act: Act): Promise<boolean>;
}

/** Signing keys of the built-in issuer: the private JWK is sealed under `issuer_keys:{kid}:private_jwk`. */
export interface IssuerKeyStore {
  many(): Promise<
    readonly {
      readonly kid: string;
      readonly publicJwk: Readonly<Record<string, unknown>>;
      readonly sealedPrivateJwk: string;
    }[]
  >;
  /** Keeps the first when two processes start at once. */
  add(key: {
    readonly kid: string;
    readonly publicJwk: Readonly<Record<string, unknown>>;
    readonly sealedPrivateJwk: string;
  }): Promise<void>;
}

/** A data key, wrapped by a key-encryption key of the environment. */
export interface StoredDataKey {
  readonly kid: string;
  /** `seal` keys are rotated; the one `fingerprint` key stays, so that what it made can be found again. */
  readonly purpose: 'seal' | 'fingerprint';
  readonly kekKid: string;
  readonly wrapped: string;
  /** One per purpose: new values are sealed under it. */
  readonly current: boolean;
}

export interface DataKeyStore {
  many(): Promise<readonly StoredDataKey[]>;
  /** Adds a first current key of its purpose; keeps the one that is there when two processes start at once. */
  addFirst(key: Omit<StoredDataKey, 'current'>): Promise<void>;
}

// ── Notices ────────────────────────────────────────────────────────────────────────────────────────────────

/** What LISTEN brings: a connection whose tokens or state changed, or a client that was changed. */
export type Notice =
  | { readonly kind: 'connection'; readonly app: string; readonly principal: string; readonly version: number }
  | { readonly kind: 'client'; readonly id: string };

/** A listener that knows whether it can be trusted: see design of the token cache. */
export interface Notices {
  subscribe(onNotice: (notice: Notice) => void, onGap: () => void): () => void;
  /** True while a round trip through the write pool has been heard recently. */
  isProven(): boolean;
  close(): Promise<void>;
}
