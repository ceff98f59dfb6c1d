/** What the activities are made of; put together in `worker/main.ts`, and with a virtual world in the simulation. */
import type { Verdict } from '../core/concur-codes.ts';
import type { Carry } from '../core/lifeboat.ts';
import type { AppCredentials, Clock, Concur, DataCentres, Log, Vault } from '../core/ports.ts';
import type { Lifecycles, ReconcileStore } from '../core/reconcile.ts';
import type { RefreshPolicy } from '../core/refresh-policy.ts';
import type { App, ConnectionStore } from '../core/stores.ts';

export interface ActivityDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Vault;
  readonly concur: Concur;
  readonly dataCentres: DataCentres;
  readonly connections: ConnectionStore;
  readonly apps: AppSource;
  readonly policy: RefreshPolicy;
  readonly heartbeat: Heartbeat;
  readonly observer: Observer;
  /** Builds the id under which deadlines are spread. */
  readonly workflowId: (key: { readonly app: string; readonly principal: string }) => string;
}

/** An app with the credentials that work now. */
export interface AppSource {
  /** Throws `not-found` for an unknown app, `configuration-invalid` for one without a secret. */
  one(app: string): Promise<{ readonly app: App; readonly credentials: AppCredentials }>;
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

/** What the reconciler is made of. */
export interface ReconcileDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: ReconcileStore;
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
