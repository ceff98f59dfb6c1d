/** Connects without a landing page, carried out by the same parts as the API's. */
import { Client, Connection } from '@temporalio/client';
import { createIntake } from '../api/intake.ts';
import type { Intake } from '../api/intake-port.ts';
import { createLifecycleGateway } from '../api/lifecycle-gateway.ts';
import type { Clock, Log, Vault } from '../core/ports.ts';
import type { ConnectionStore, IntakeStore } from '../core/stores.ts';
import { refreshPolicyOf } from '../runtime/config.ts';
import { systemRng } from '../runtime/rng.ts';
import type { Config } from '../runtime/settings.ts';

const CONNECT_MS = 3_000;

export interface IntakeClient extends Intake {
  close(): Promise<void>;
}

export function createIntakeClient(deps: {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Vault;
  readonly connections: ConnectionStore;
  readonly intakes: IntakeStore;
}): IntakeClient {
  const { config, clock, log, vault, connections, intakes } = deps;
  const { address, namespace, taskQueue } = config.temporal;
  // Lazy: what was asked for is on file before Temporal hears of it, and holds without it.
  const connection = Connection.lazy({ ...config.temporal.connection, address, connectTimeout: CONNECT_MS });
  const client = new Client({ connection, namespace });
  const lifecycle = createLifecycleGateway({ client, taskQueue, clock, log });
  const intake = createIntake({
    clock,
    rng: systemRng,
    vault,
    policy: refreshPolicyOf(config),
    requestTokenTtlMs: config.requestTokenTtlMs,
    connections,
    intakes,
    lifecycle,
  });
  return {
    connect: (request) => intake.connect(request),
    look: (app, sessionId) => intake.look(app, sessionId),
    async close() {
      lifecycle.close();
      await connection.close();
    },
  };
}
