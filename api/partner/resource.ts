/** Connections as the API shows them. */
import { AppError } from '../../core/errors.ts';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import { buildConnectionResource, type ConnectionResource } from '../../core/connection-resource.ts';
import { upkeepOf } from '../../core/refresh-policy.ts';
import type { App } from '../../core/stores.ts';
import { connectionWorkflowId } from '../../workflows/contract.ts';
import type { ApiDeps } from '../deps.ts';

export type ResourceDeps = Pick<ApiDeps, 'apps' | 'clock' | 'policy' | 'connections'>;

export function resourceOf(
  { clock, policy }: Pick<ApiDeps, 'clock' | 'policy'>,
  app: App,
  connection: Connection,
): ConnectionResource {
  return buildConnectionResource(connection, {
    upkeep: upkeepOf(policy, connection, clock.now()),
    listingUrl: app.landing.listingUrl,
    workflowId: connectionWorkflowId(connection),
  });
}

/** @throws `not-found` for an app that nobody knows. */
export async function oneApp({ apps }: Pick<ApiDeps, 'apps'>, name: string): Promise<App> {
  const app = await apps.maybeOne(name);
  if (app === null) throw new AppError('not-found', 'There is no such app.');
  return app;
}

/** @throws `not-found` for a connection that nobody knows. */
export async function oneConnection(
  deps: ResourceDeps,
  key: ConnectionKey,
): Promise<{ readonly app: App; readonly connection: Connection }> {
  const [app, aggregate] = await Promise.all([oneApp(deps, key.app), deps.connections.maybeOne(key)]);
  if (aggregate?.connection == null) throw new AppError('not-found', 'There is no such connection.');
  return { app, connection: aggregate.connection };
}
