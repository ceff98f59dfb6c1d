/** What the activities are made of; put together in `worker/main.ts`, and with a virtual world in the simulation. */
import type { Verdict } from '../core/concur-codes.ts';
import type { ConnectionKey } from '../core/connection.ts';
import type { Carry } from '../core/lifeboat.ts';
import type { AppCredentials, Clock, Concur, DataCentres, Log, Rng, Vault } from '../core/ports.ts';
import type { Lifecycles, ReconcileStore } from '../core/reconcile.ts';
import type { RefreshPolicy } from '../core/refresh-policy.ts';
import type { App, AppTroubleStore, BrakeStore, ConnectionStore, IntakeStore } from '../core/stores.ts';

export interface ActivityDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Vault;
  readonly concur: Concur;
  readonly dataCentres: DataCentres;
  readonly connections: ConnectionStore;
  readonly apps: AppSource;
  readonly guardian: AppGuardian;
  readonly policy: RefreshPolicy;
  readonly heartbeat: Heartbeat;
  readonly observer: Observer;
  /** Builds the id under which deadlines are spread. */
  readonly workflowId: (key: { readonly app: string; readonly principal: string }) => string;
}

/** What connects are made of whose principal nobody knows yet. */
export interface UnidentifiedDeps {
  readonly intakes: IntakeStore;
  readonly rng: Pick<Rng, 'uuid'>;
  readonly connects: Connects;
}

/** Brings a connect that is on file to the workflow of its connection. */
export interface Connects {
  /** Starts or joins it; returns when it has been tried, or goes on. Throws `temporal-unavailable`. */
  connect(key: ConnectionKey, sessionId: string): Promise<void>;
}

/** One of an app's client secrets that is in use. */
export interface StoredCredentials extends AppCredentials {
  readonly secretId: string;
}

/** Apps with their credentials. */
export interface AppSource {
  /**
   * The app, and its credentials in the order to try: the one that worked last, unless a newer one has appeared since,
   * then the newest first; none when all are retired. `fresh`: not what is remembered from some seconds ago.
   * Throws `not-found` for an unknown app.
   */
  one(
    app: string,
    options?: { readonly fresh: boolean },
  ): Promise<{ readonly app: App; readonly credentials: readonly StoredCredentials[] }>;
  /** Concur took this secret: it goes first from now on. What is written for that is written beside; never throws. */
  worked(app: string, secretId: string): void;
}

/** Whoever finds out when blocked credentials work again. */
export interface AppGuardian {
  /**
   * The app is blocked: because of what was learnt just now (`tripped`), or still. Never throws; without Temporal it is
   * called again by whoever finds the app blocked next.
   */
  wake(app: string, found: 'tripped' | 'blocked'): Promise<void>;
}

/** Tells the server that an activity is alive while it works, and takes along what the activity wants to have safe. */
export interface Heartbeat {
  whileBeating<T>(work: (carry: Carry) => Promise<T>): Promise<T>;
}

/** What is counted. No label holds the id of a company. */
export interface Observer {
  refreshed(facts: {
    readonly app: string;
    readonly dataCentre: string;
    readonly outcome: Verdict['outcome'] | 'ok';
    readonly durationMs: number;
    /** How long after its deadline it began; null when there was none. */
    readonly latenessMs: number | null;
  }): void;
  connected(facts: { readonly app: string; readonly outcome: string }): void;
  uncertain(): void;
  saveFailed(): void;
}

/** What the guardian of an app is made of. */
export interface GuardDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly concur: Pick<Concur, 'proveCredentials'>;
  readonly apps: AppSource;
  readonly troubles: AppTroubleStore;
  readonly brakes: BrakeStore;
  readonly signals: ConnectionSignals;
  readonly progress: Progress;
  readonly policy: RefreshPolicy;
  /** Connections are told at the pace at which they may call. */
  readonly ratePerDataCentre: number;
}

/** Signals to the workflows of connections, which are started where they do not run. */
export interface ConnectionSignals {
  /** Throws `temporal-unavailable` when the server does not answer. */
  appRestored(key: ConnectionKey, asked: { readonly actor: string; readonly reason: string }): Promise<void>;
}

/** What the reconciler is made of. */
export interface ReconcileDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: ReconcileStore;
  readonly intakes: Pick<IntakeStore, 'manyOverdue'>;
  readonly lifecycles: Lifecycles;
  readonly progress: Progress;
  /** A workflow had to be started. */
  readonly onStarted: () => void;
}

/** Keeps with Temporal how far an activity has come in a long list, so that its next try goes on where it was. */
export interface Progress {
  whileBeating<T>(
    work: (course: {
      /** What an earlier try of this activity noted last; null on the first. */
      readonly notedBefore: string | null;
      note(cursor: string): void;
      /** Aborted when the activity is cancelled or its worker shuts down. */
      readonly signal: AbortSignal;
    }) => Promise<T>,
  ): Promise<T>;
}
