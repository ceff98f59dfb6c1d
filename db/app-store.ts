import { isDeepStrictEqual } from 'node:util';
import type { Pool } from 'pg';
import { AppError } from '../core/errors.ts';
import type { App, AppSecretFacts, AppStore } from '../core/stores.ts';
import { APPS_FILE, writeAudit } from './audit-store.ts';
import { buildUpsert, type Columns, msOf, timeOf } from './columns.ts';
import { lockKey, query, transact } from './query.ts';

interface AppRow {
  readonly app: string;
  readonly client_id: string;
  readonly flow: App['flow'];
  readonly principal: App['principal'];
  readonly environment: App['environment'];
  readonly landing: App['landing'];
  readonly webhooks: App['webhooks'];
  readonly required_scopes: string[];
  readonly legacy_client_id: string | null;
  readonly allow_unverified: boolean;
  readonly allow_password_login: boolean;
}

/** {@link AppStore} on PostgreSQL. `apply` throws `conflict` for an app whose client id has changed. */
export function createAppStore(pool: Pool): AppStore {
  return {
    async many() {
      const { rows } = await query<AppRow>(pool, 'SELECT * FROM apps ORDER BY app');
      return rows.map(buildApp);
    },

    async maybeOne(app) {
      const { rows } = await query<AppRow>(pool, 'SELECT * FROM apps WHERE app = $1', [app]);
      return rows[0] === undefined ? null : buildApp(rows[0]);
    },

    async secrets(app) {
      const { rows } = await query<SecretRow & { readonly sealed: string }>(
        pool,
        `SELECT ${secretFacts}, sealed FROM app_secrets WHERE app = $1 AND retired_at IS NULL
         ORDER BY created_at DESC, id DESC`,
        [app],
      );
      return rows.map((row) => ({ ...buildSecretFacts(row), sealed: row.sealed }));
    },

    async manySecrets(app) {
      const { rows } = await query<SecretRow>(
        pool,
        `SELECT ${secretFacts} FROM app_secrets WHERE app = $1 ORDER BY created_at DESC, id DESC`,
        [app],
      );
      return rows.map(buildSecretFacts);
    },

    async noteSecretWorked(app, id, atMs) {
      await query(
        pool,
        'UPDATE app_secrets SET last_worked_at = greatest(last_worked_at, $3) WHERE app = $1 AND id = $2',
        [app, id, timeOf(atMs)],
      );
    },

    retireSecret: (app, id, atMs, act) =>
      transact(pool, {}, async (send) => {
        const [changed] = await send({
          text: 'UPDATE app_secrets SET retired_at = $3 WHERE app = $1 AND id = $2 AND retired_at IS NULL',
          values: [app, id, timeOf(atMs)],
        });
        const result = changed?.rowCount === 1;
        const event = { type: 'app.secret-retired', app, subject: id, atMs };
        return { result, writes: result ? [writeAudit(act, event)] : [] };
      }),

    apply: (app) =>
      transact(pool, { locks: [lockKey('app', app.app)] }, async (send) => {
        const [found] = await send({ text: 'SELECT * FROM apps WHERE app = $1', values: [app.app] });
        const row: AppRow | undefined = found?.rows[0];
        if (row !== undefined && row.client_id !== app.clientId) {
          throw new AppError('conflict', `The client id of app ${app.app} has changed`, { details: { app: app.app } });
        }
        const before = row === undefined ? null : buildApp(row);
        if (before !== null && isDeepStrictEqual(before, app)) return { result: 'unchanged', writes: [] };
        const result = before === null ? 'added' : 'changed';
        const event = { type: `app.${result}`, app: app.app, subject: app.app, atMs: Date.now() };
        return { result, writes: [writeApp(app), writeAudit(APPS_FILE, { ...event, facts: changesOf(before, app) })] };
      }),

    addSecret: (app, { id, sealed, fingerprint, createdAtMs }, { revive = false, act = APPS_FILE } = {}) =>
      transact(pool, {}, async (send) => {
        const [stored] = await send({
          text: `INSERT INTO app_secrets AS s (id, app, sealed, fingerprint, created_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (app, fingerprint) DO UPDATE SET retired_at = NULL, created_at = excluded.created_at
            WHERE $6 AND s.retired_at IS NOT NULL RETURNING s.id`,
          values: [id, app, sealed, fingerprint, timeOf(createdAtMs), revive],
        });
        const kept: string | undefined = stored?.rows[0]?.id;
        if (kept === undefined) return { result: 'known', writes: [] };
        const result = kept === id ? 'added' : 'revived';
        const event = { type: `app.secret-${result}`, app, subject: kept, atMs: createdAtMs };
        return { result, writes: [writeAudit(act, event)] };
      }),
  };
}

interface SecretRow {
  readonly id: string;
  readonly created_at: Date;
  readonly last_worked_at: Date | null;
  readonly retired_at: Date | null;
}

const secretFacts = 'id, created_at, last_worked_at, retired_at';

function buildSecretFacts(row: SecretRow): AppSecretFacts {
  return {
    id: row.id,
    createdAtMs: msOf(row.created_at),
    lastWorkedAtMs: msOf(row.last_worked_at),
    retiredAtMs: msOf(row.retired_at),
  };
}

const appColumns: Columns<App> = {
  app: ({ app }) => app,
  client_id: ({ clientId }) => clientId,
  flow: ({ flow }) => flow,
  principal: ({ principal }) => principal,
  environment: ({ environment }) => environment,
  landing: ({ landing }) => JSON.stringify(landing),
  webhooks: ({ webhooks }) => JSON.stringify(webhooks),
  required_scopes: ({ requiredScopes }) => requiredScopes,
  legacy_client_id: ({ legacyClientId }) => legacyClientId,
  allow_unverified: ({ allowUnverified }) => allowUnverified,
  allow_password_login: ({ allowPasswordLogin }) => allowPasswordLogin,
  updated_at: () => new Date(),
};

/** Names of what has changed; the new values are in the app's row, and of the landing page only that it changed. */
function changesOf(before: App | null, app: App): Readonly<Record<string, unknown>> {
  if (before === null) return { clientId: app.clientId, flow: app.flow, landing: app.landing.mode };
  const names = Object.keys(app) as (keyof App)[];
  return { changed: names.filter((name) => !isDeepStrictEqual(before[name], app[name])) };
}

function writeApp(app: App) {
  return buildUpsert('apps', appColumns, app, { key: 'app' });
}

function buildApp(row: AppRow): App {
  return {
    app: row.app,
    clientId: row.client_id,
    flow: row.flow,
    principal: row.principal,
    environment: row.environment,
    landing: row.landing,
    webhooks: row.webhooks,
    requiredScopes: row.required_scopes,
    legacyClientId: row.legacy_client_id,
    allowUnverified: row.allow_unverified,
    allowPasswordLogin: row.allow_password_login,
  };
}
