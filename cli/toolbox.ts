/** What verbs work with, opened when a verb asks for it: reading ones need a database and nothing else. */
import { randomUUID } from 'node:crypto';
import type { Act } from '../core/audit-entry.ts';
import type { Clock, Vault } from '../core/ports.ts';
import type { ReconcileStore } from '../core/reconcile.ts';
import type {
  AppStore,
  AppTroubleStore,
  AuditStore,
  BrakeStore,
  ClientStore,
  CodeStore,
  ConnectionStore,
} from '../core/stores.ts';
import { AppError } from '../core/errors.ts';
import { createAppStore } from '../db/app-store.ts';
import { createAppTroubleStore } from '../db/app-trouble.ts';
import { createAuditStore } from '../db/audit-store.ts';
import { createClientStore } from '../db/client-store.ts';
import { createCodeStore } from '../db/code-store.ts';
import { createConnectionStore } from '../db/connection-store.ts';
import { createBrakeStore } from '../db/crowd.ts';
import { createDataKeyStore } from '../db/data-key-store.ts';
import { assertInstallation, assertNotForeign } from '../db/installation.ts';
import { createIssuerKeyStore } from '../db/issuer-key-store.ts';
import { createPool } from '../db/pool.ts';
import { createReconcileStore } from '../db/reconcile-store.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Config } from '../runtime/settings.ts';
import { kekFingerprints } from '../vault/kek.ts';
import { createLocalIssuer, type LocalIssuer } from '../vault/local-issuer.ts';
import { createVault } from '../vault/vault.ts';
import type { LifecycleClient } from './lifecycle-client.ts';

export interface Toolbox {
  readonly config: Config;
  readonly clock: Clock;
  /** The person at the keyboard; everything that one call does has the same correlation id. */
  readonly act: Act;
  readonly audit: AuditStore;
  readonly apps: AppStore;
  readonly troubles: AppTroubleStore;
  readonly brakes: BrakeStore;
  readonly connections: ConnectionStore;
  readonly reconcile: ReconcileStore;
  readonly clients: ClientStore;
  readonly codes: CodeStore;
  /** Throws `configuration-invalid` for a database of another mode, or of other keys than those in hand. */
  assertOwn(): Promise<void>;
  /** Throws `configuration-invalid` without the keys that belong to the database. */
  vault(): Promise<Vault>;
  issuer(): Promise<LocalIssuer>;
  /** Throws `temporal-unavailable`. */
  lifecycle(): Promise<LifecycleClient>;
  close(): Promise<void>;
}

export function createToolbox(config: Config, user: string): Toolbox {
  const pool = createPool({ url: config.databaseUrl, max: 2, log: quietLog, applicationName: 'evergrant cli' });
  const closers: (() => Promise<void>)[] = [() => pool.end()];
  const clock = systemClock;
  const installation = { mode: config.mode, kekFingerprints: kekFingerprints(config.keks) };

  const vault = async (): Promise<Vault> => {
    if (config.keks.length === 0) {
      throw new AppError('configuration-invalid', 'EVERGRANT_KEKS: this verb needs the keys of the installation');
    }
    await assertInstallation(pool, installation);
    return createVault({ keks: config.keks, dataKeys: createDataKeyStore(pool) });
  };

  return {
    config,
    clock,
    act: { actor: `cli:${user}`, reason: null, correlationId: randomUUID() },
    audit: createAuditStore(pool),
    apps: createAppStore(pool),
    troubles: createAppTroubleStore(pool),
    brakes: createBrakeStore(pool),
    connections: createConnectionStore(pool),
    reconcile: createReconcileStore(pool),
    clients: createClientStore(pool),
    codes: createCodeStore(pool),
    assertOwn: () => assertNotForeign(pool, installation),
    vault,
    issuer: async () => createLocalIssuer({ keys: createIssuerKeyStore(pool), vault: await vault(), clock }),
    async lifecycle() {
      // The SDK takes half a second to load: only verbs that command a workflow wait for it.
      const { createLifecycleClient } = await import('./lifecycle-client.ts');
      const client = await createLifecycleClient(config.temporal);
      closers.push(() => client.close());
      return client;
    },
    async close() {
      for (const close of closers.toReversed()) await close();
    },
  };
}

/** The pool's warnings would stand between a person and the answer, which names the trouble anyway. */
export const quietLog = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
