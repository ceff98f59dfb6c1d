/** What verbs work with, opened when a verb asks for it: reading ones need a database and nothing else. */
import { randomUUID } from 'node:crypto';
import { createDataCentres } from '../concur/data-centres.ts';
import type { Act } from '../core/audit-entry.ts';
import type { Clock, DataCentres, Vault } from '../core/ports.ts';
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
import type { WebhookStore } from '../core/webhooks.ts';
import { createAppStore } from '../db/app-store.ts';
import { createAppTroubleStore } from '../db/app-trouble.ts';
import { createAuditStore } from '../db/audit-store.ts';
import { createClientStore } from '../db/client-store.ts';
import { createCodeStore } from '../db/code-store.ts';
import { createConnectionStore } from '../db/connection-store.ts';
import { createBrakeStore } from '../db/crowd.ts';
import { createDataKeyStore } from '../db/data-key-store.ts';
import { assertInstallation, assertNotForeign } from '../db/installation.ts';
import { createIntakeStore } from '../db/intake-store.ts';
import { createIssuerKeyStore } from '../db/issuer-key-store.ts';
import { createKeyRotationStore, type KeyRotationStore } from '../db/key-rotation-store.ts';
import { createPool } from '../db/pool.ts';
import { createReconcileStore } from '../db/reconcile-store.ts';
import { createSealedCellStore, type SealedCellStore } from '../db/sealed-cells.ts';
import { createWebhookStore } from '../db/webhook-store.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Config } from '../runtime/settings.ts';
import { kekFingerprints } from '../vault/kek.ts';
import { createLocalIssuer, type LocalIssuer } from '../vault/local-issuer.ts';
import { createVault, type KeyedVault } from '../vault/vault.ts';
import type { IntakeClient } from './intake-client.ts';
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
  /** The allow-list of where a token may be brought. */
  readonly dataCentres: DataCentres;
  readonly keyRotation: KeyRotationStore;
  readonly sealedCells: SealedCellStore;
  readonly webhooks: WebhookStore;
  /** Throws `configuration-invalid` for a database of another mode, or of other keys than those in hand. */
  assertOwn(): Promise<void>;
  /** Throws `configuration-invalid` without the keys that belong to the database. */
  vault(): Promise<KeyedVault>;
  issuer(): Promise<LocalIssuer>;
  /** Throws `temporal-unavailable`. */
  lifecycle(): Promise<LifecycleClient>;
  /** What it accepts is on file and tried, also when Temporal is away meanwhile. */
  intake(vault: Vault): Promise<IntakeClient>;
  close(): Promise<void>;
}

/** Opened as they are needed: an import has many rows under way, everything else one or two. */
const MOST_CONNECTIONS = 8;

export function createToolbox(config: Config, user: string): Toolbox {
  const pool = createPool({
    url: config.databaseUrl,
    max: MOST_CONNECTIONS,
    log: quietLog,
    applicationName: 'evergrant cli',
  });
  const closers: (() => Promise<void>)[] = [() => pool.end()];
  const clock = systemClock;
  const connections = createConnectionStore(pool);
  const installation = { mode: config.mode, kekFingerprints: kekFingerprints(config.keks) };

  const vault = async (): Promise<KeyedVault> => {
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
    connections,
    reconcile: createReconcileStore(pool),
    clients: createClientStore(pool),
    codes: createCodeStore(pool),
    dataCentres: createDataCentres(config.dataCentres),
    keyRotation: createKeyRotationStore(pool),
    sealedCells: createSealedCellStore(pool),
    webhooks: createWebhookStore(pool),
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
    async intake(vault) {
      const { createIntakeClient } = await import('./intake-client.ts');
      const intakes = createIntakeStore(pool);
      const client = createIntakeClient({ config, clock, log: quietLog, vault, connections, intakes });
      closers.push(() => client.close());
      return client;
    },
    async close() {
      for (const close of closers.toReversed()) await close();
    },
  };
}

/** The pool's warnings would stand between a person and the answer, which names the trouble anyway. */
export const quietLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
