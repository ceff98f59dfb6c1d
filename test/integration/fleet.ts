/** Connections that were made long ago: rows and grants without a call, and their workflows. */
import { randomUUID } from 'node:crypto';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { Secret } from '../../core/secret.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { connectionWorkflowId, lifecycleTaskQueue, workflowTypes } from '../../workflows/contract.ts';
import { buildConnection } from '../simulation/builders.ts';
import type { Backend } from './backend.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Active connections of companies in one data centre; their access tokens have run out. */
export async function seedConnections(
  { sandbox, concurApp, vault, connections }: Backend,
  count: number,
  changes: Partial<Connection> & { readonly dataCentre: string },
): Promise<ConnectionKey[]> {
  const app = sandbox.model.directory.oneApp(concurApp.clientId);
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const { dataCentre } = changes;
      const company = sandbox.addCompany({ name: 'Aurora', domain: `${randomUUID()}.example`, dataCentre });
      sandbox.addUser({ companyId: company.id, webServicesAdmin: true });
      const principal = { type: 'company', id: company.id, company } as const;
      const refreshToken = sandbox.model.tokens.issueRefreshToken(app, principal, 'openid company.read');
      const key = { app: 'demo', principal: company.id };
      const id = randomUUID();
      const attemptId = `seeded:${id}`;
      const agoMs = Date.now() - 2 * HOUR_MS;
      const connection = buildConnection({
        ...key,
        id,
        geolocation: sandbox.baseUris[dataCentre] ?? '',
        stateSinceMs: agoMs,
        createdAtMs: agoMs,
        connectedAtMs: agoMs,
        lastReadAtMs: agoMs + HOUR_MS,
        accessTokenSentAtMs: agoMs,
        accessTokenExpiresAtMs: agoMs + HOUR_MS,
        refreshTokenExpiresAtMs: agoMs + 180 * DAY_MS,
        nextActionAtMs: agoMs + HOUR_MS,
        ...changes,
      });
      const sealed = await vault.seal(new Secret(refreshToken.value), sealContexts.refreshToken(id, attemptId));
      const current = { sealed, attemptId, refused: false };
      await connections.transact(key, () => ({
        result: null,
        changes: { connection, grant: { current, previous: null } },
      }));
      return key;
    }),
  );
}

/** As Temporal has them after an outage of the workers: all are due, and none has been looked at. */
export async function startWorkflows({ client }: Backend, keys: readonly ConnectionKey[]): Promise<void> {
  await Promise.all(
    keys.map((key) =>
      client.workflow.start(workflowTypes.connectionLifecycle, {
        workflowId: connectionWorkflowId(key),
        taskQueue: lifecycleTaskQueue('evergrant'),
        args: [key],
      }),
    ),
  );
}
