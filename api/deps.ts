/** What the API is made of; put together in `main.ts`. */
import type { Act } from '../core/audit-entry.ts';
import type { ConnectionKey } from '../core/connection.ts';
import type { ConnectionResource } from '../core/connection-resource.ts';
import type { IdempotencyStore } from '../core/idempotency.ts';
import type { Clock, DataCentres, Log, Rng, Vault } from '../core/ports.ts';
import type { RefreshPolicy } from '../core/refresh-policy.ts';
import type { App, CodeStore, ConnectionStore, SessionStore } from '../core/stores.ts';
import type { CommandResult } from '../workflows/contract.ts';
import type { Intake } from './intake-port.ts';
import type { Scope } from './schemas/operation.ts';

export interface ApiDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly vault: Vault;
  readonly policy: RefreshPolicy;
  /** What browsers see; without a slash at its end. */
  readonly publicUrl: string;
  readonly requestTokenTtlMs: number;
  readonly apps: AppDirectory;
  readonly connections: ConnectionStore;
  readonly sessions: SessionStore;
  readonly codes: CodeStore;
  readonly idempotency: IdempotencyStore;
  /** The allow-list of where a token may be brought. */
  readonly dataCentres: Pick<DataCentres, 'match' | 'names'>;
  readonly intake: Intake;
  readonly lifecycle: LifecycleGateway;
  readonly tokens: TokenReader;
  readonly authenticator: Authenticator;
  readonly issuerKeys: { jwks(): Promise<{ readonly keys: readonly object[] }> };
  readonly health: Health;
}

/** Apps by name, read from the database and kept for a few seconds. */
export interface AppDirectory {
  maybeOne(name: string): Promise<App | null>;
}

/** The one way from the API to Temporal. Each throws `temporal-unavailable` within five seconds of silence. */
export interface LifecycleGateway {
  /**
   * Starts or joins the workflow and waits, at most 20 s, for the exchange of a completed session; null as below. `isNew`:
   * its request token makes a connection that was not there before.
   */
  connect(key: ConnectionKey, sessionId: string, facts?: { readonly isNew?: boolean }): Promise<CommandResult | null>;
  /**
   * Starts or joins the workflow of a connect whose principal is not known yet, and waits, at most 20 s, for it; null when
   * it failed or goes on: its row says what holds.
   */
  connectUnidentified(app: string, sessionId: string, dataCentre: string): Promise<string | null>;
  /** Null: the wait or the run ended meanwhile; the row says what holds. Waits at most `waitMs`. */
  ensureFresh(key: ConnectionKey, version: number, waitMs: number): Promise<CommandResult | null>;
  /** A forced refresh; null as above or when it goes on after 20 s. */
  refresh(key: ConnectionKey, command: GatewayCommand): Promise<CommandResult | null>;
  /** Tells the workflow of a command that is on file already; waits at most `waitMs` until it is carried out. */
  command(
    name: 'pause' | 'resume' | 'revoke',
    key: ConnectionKey,
    command: GatewayCommand,
    waitMs: number,
  ): Promise<CommandResult | null>;
  /** Reports a token that Concur refused; kept and sent again for a while when Temporal is away. */
  tokenRejected(
    key: ConnectionKey,
    rejection: {
      readonly version: number;
      readonly status: number | null;
      readonly actor: string;
      readonly correlationId: string | null;
    },
  ): Promise<void>;
  /** The connection as the running workflow sees it; null when there is none running. */
  status(key: ConnectionKey): Promise<ConnectionResource | null>;
}

export interface GatewayCommand {
  readonly actor: string;
  readonly reason: string | null;
  /** Of the request behind it. */
  readonly correlationId?: string | null;
}

/** Gives tokens as the body of their answer, the resource Token in JSON. */
export interface TokenReader {
  /**
   * A token that works, from memory, from the database, or after a refresh. Throws the problem of the connection's
   * state; `not-found` for an unknown one.
   */
  read(key: ConnectionKey, minTtlMs: number, reader: Act): Promise<string>;
  /** The same if memory has it, at once; null: nothing was done. */
  maybeFromMemory(key: ConnectionKey, minTtlMs: number, reader: Act): string | null;
}

/** Who calls: a client of the partner API, with what its token and its registration both allow. */
export interface Caller {
  readonly clientId: string;
  /** For the audit trail: `client:{id}`. */
  readonly actor: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly apps: readonly string[] | '*';
  /** Null: every principal of its apps. */
  readonly principals: readonly string[] | null;
}

export interface Authenticator {
  /**
   * The caller behind a bearer token that came from an address; the request counts `cost` in the limit of its client.
   * Throws `unauthenticated`, `rate-limited`, and `provider-unavailable` when its issuer can't be asked for its keys.
   */
  authenticate(bearer: string, from: { readonly address: string; readonly cost: number }): Promise<Caller>;
  /**
   * The caller if all that is asked about is in memory, and `admits` takes it: then the request counts `cost`. Null
   * otherwise: nothing was done or counted, and `authenticate` says what is to be said.
   */
  maybeKnown(bearer: string, cost: number, admits: (caller: Caller) => boolean): Caller | null;
  /** Counts a request without any bearer token. Throws `rate-limited` when too many such came from there. */
  refuse(address: string): void;
}

export interface Health {
  /** Database and migrations decide; Temporal is reported. */
  check(): Promise<{
    readonly ready: boolean;
    readonly database: string;
    readonly migrations: string;
    readonly temporal: string;
  }>;
  /** The Prometheus page, the worker's share included under `npm start`. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
}
