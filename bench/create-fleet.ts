/** Connections that live already, by the thousand: grants, rows and workflows, as a partner has them on any day. */
import { randomUUID } from 'node:crypto';
import type { ConnectionKey } from '../core/connection.ts';
import { aheadMs, defaultRefreshPolicy, warmAtMs } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import { Secret } from '../core/secret.ts';
import type { Backend } from '../test/integration/backend.ts';
import { buildEntry, buildFullConnection } from '../test/integration/store-fixtures.ts';
import { connectionWorkflowId, lifecycleTaskQueue, workflowTypes } from '../workflows/contract.ts';
import { inLanes } from './in-lanes.ts';

const DAY_MS = 86_400_000;
const DATA_CENTRE = 'us2';
/** More than the pool of the store holds. */
const LANES = 20;

/**
 * Warm connections in the middle of their lives: each has a grant at the sandbox and a token of `lifeMs`, as old as
 * chance will have it, so that their refreshes are spread over time. Through the store, one transaction each.
 */
export async function seedFleet(
  { sandbox, concurApp, vault, connections }: Backend,
  { count, lifeMs }: { readonly count: number; readonly lifeMs: number },
): Promise<readonly ConnectionKey[]> {
  const { directory, tokens } = sandbox.model;
  const app = directory.oneApp(concurApp.clientId);
  const intervalMs = lifeMs - aheadMs(defaultRefreshPolicy, lifeMs);
  return await inLanes(LANES, Array.from({ length: count }), async () => {
    const company = sandbox.addCompany({ name: 'Aurora', domain: `${randomUUID()}.example`, dataCentre: DATA_CENTRE });
    const principal = { type: 'company', id: company.id, company } as const;
    const refreshToken = tokens.issueRefreshToken(app, principal, app.scopes.join(' '));
    const accessToken = tokens.issueAccessToken(app, principal, app.scopes.join(' '), DATA_CENTRE);
    const key: ConnectionKey = { app: 'demo', principal: company.id };
    const nowMs = Date.now();
    const sentAtMs = Math.round(nowMs - Math.random() * intervalMs * (1 - defaultRefreshPolicy.jitter));
    const made = buildFullConnection(key, {
      ...{ state: 'active', reason: null, resumeState: null, lastError: null, missingScopes: [], failureCount: 0 },
      ...{ suspectedSinceMs: null, expiryNoticeDays: null, pausedUntilMs: null, dataCentre: DATA_CENTRE },
      ...{ stateSinceMs: sentAtMs, createdAtMs: sentAtMs, connectedAtMs: sentAtMs, lastRefreshedAtMs: sentAtMs },
      geolocation: sandbox.baseUris[DATA_CENTRE] ?? '',
      accessTokenSentAtMs: sentAtMs,
      accessTokenExpiresAtMs: sentAtMs + lifeMs,
      refreshTokenExpiresAtMs: sentAtMs + 180 * DAY_MS,
      lastReadAtMs: nowMs,
    });
    const connection = { ...made, nextActionAtMs: warmAtMs(defaultRefreshPolicy, made, connectionWorkflowId(key)) };
    const { id } = connection;
    const attemptId = `${randomUUID()}:1`;
    const [sealedRefresh, sealedAccess] = await Promise.all([
      vault.seal(new Secret(refreshToken.value), sealContexts.refreshToken(id, attemptId)),
      vault.seal(new Secret(accessToken.value), sealContexts.accessToken(id, attemptId)),
    ]);
    await connections.transact(key, () => ({
      result: null,
      changes: {
        connection,
        grant: { current: { sealed: sealedRefresh, attemptId, refused: false }, previous: null },
        accessToken: { sealed: sealedAccess, attemptId, tokenType: 'Bearer' as const },
        events: [buildEntry({ atMs: sentAtMs, stateTo: connection.state, version: connection.version })],
      },
    }));
    return key;
  });
}

/** Starts their workflows; whether a worker is there to run them or not. */
export async function startWorkflows({ client }: Backend, keys: readonly ConnectionKey[]): Promise<void> {
  await inLanes(LANES, keys, async (key) => {
    await client.workflow.start(workflowTypes.connectionLifecycle, {
      workflowId: connectionWorkflowId(key),
      taskQueue: lifecycleTaskQueue('evergrant'),
      args: [key],
    });
  });
}
