/** Connections as the worker leaves them, by the ten thousand: one through the store, the rest copied from it. */
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { sealContexts } from '../core/seal-contexts.ts';
import { Secret } from '../core/secret.ts';
import type { Backend } from '../test/integration/backend.ts';
import { buildEntry, buildFullConnection } from '../test/integration/store-fixtures.ts';

const BATCH = 2_000;
const HOUR_MS = 3_600_000;
/** Bytes of chance in a token: as text some 1,000 characters, like the JWTs that Concur gives. */
const TOKEN_BYTES = 750;

/** Active connections with a fresh access token; gives their principals. */
export async function seedConnections(backend: Backend, app: string, count: number): Promise<readonly string[]> {
  const nowMs = Date.now();
  const attemptId = `${randomUUID()}:1`;
  const template = buildFullConnection(
    { app, principal: randomUUID() },
    {
      ...{ state: 'active', reason: null, resumeState: null, lastError: null, missingScopes: [], failureCount: 0 },
      ...{ suspectedSinceMs: null, expiryNoticeDays: null, pausedUntilMs: null, lastReadAtMs: null },
      ...{ stateSinceMs: nowMs, createdAtMs: nowMs, connectedAtMs: nowMs, lastRefreshedAtMs: nowMs },
      accessTokenSentAtMs: nowMs,
      accessTokenExpiresAtMs: nowMs + HOUR_MS,
      refreshTokenExpiresAtMs: nowMs + 180 * 24 * HOUR_MS,
      nextActionAtMs: nowMs + HOUR_MS,
    },
  );
  await backend.connections.transact(template, () => ({
    result: null,
    changes: {
      connection: template,
      grant: { current: { sealed: 'sealed-refresh-token', attemptId, refused: false }, previous: null },
      accessToken: { sealed: 'sealed-access-token', attemptId, tokenType: 'Bearer' as const },
      events: [buildEntry({ atMs: nowMs, stateTo: template.state, version: template.version })],
    },
  }));
  const client = new pg.Client({ connectionString: backend.database.adminUrl });
  await client.connect();
  const principals: string[] = [];
  try {
    while (principals.length < count) {
      const batch = await Promise.all(
        Array.from({ length: Math.min(BATCH, count - principals.length) }, async () => {
          const id = randomUUID();
          const token = new Secret(randomBytes(TOKEN_BYTES).toString('base64url'));
          const sealed = await backend.vault.seal(token, sealContexts.accessToken(id, attemptId));
          return { id, principal: randomUUID(), sealed };
        }),
      );
      const columns = [batch.map(({ id }) => id), batch.map(({ principal }) => principal)];
      await client.query(
        `INSERT INTO connections
         SELECT (jsonb_populate_record(t, jsonb_build_object('id', x.id, 'principal', x.principal))).*
         FROM connections t, unnest($2::text[], $3::text[]) x (id, principal) WHERE t.id = $1`,
        [template.id, ...columns],
      );
      await client.query(
        `INSERT INTO access_tokens
         SELECT (jsonb_populate_record(t, jsonb_build_object('connection_id', x.id, 'sealed', x.sealed))).*
         FROM access_tokens t, unnest($2::text[], $3::text[]) x (id, sealed) WHERE t.connection_id = $1`,
        [template.id, batch.map(({ id }) => id), batch.map(({ sealed }) => sealed)],
      );
      principals.push(...batch.map(({ principal }) => principal));
    }
    await client.query('ANALYZE connections, access_tokens');
  } finally {
    await client.end();
  }
  return principals;
}
