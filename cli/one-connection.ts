/** Connections as the verbs find and show them. */
import type { Connection, ConnectionKey } from '../core/connection.ts';
import { buildConnectionResource, type ConnectionResource } from '../core/connection-resource.ts';
import { AppError } from '../core/errors.ts';
import { upkeepOf } from '../core/refresh-policy.ts';
import { refreshPolicyOf } from '../runtime/config.ts';
import { connectionWorkflowId } from '../workflows/contract.ts';
import type { Toolbox } from './toolbox.ts';

/** @throws `not-found` */
export async function oneConnection(tools: Toolbox, key: ConnectionKey): Promise<Connection> {
  const aggregate = await tools.connections.maybeOne(key);
  return aggregate?.connection ?? unknownConnection(key);
}

export function unknownConnection(key: ConnectionKey): never {
  const details = { app: key.app, principal: key.principal };
  throw new AppError('not-found', `App ${key.app} has no connection of ${key.principal}`, { details });
}

/** As the API shows it. Throws `not-found`. */
export async function oneResource(tools: Toolbox, key: ConnectionKey): Promise<ConnectionResource> {
  const connection = await oneConnection(tools, key);
  return resourceOf(tools, connection, await listingUrlOf(tools, key.app));
}

/** Where customers connect again; throws `not-found` for an app that nobody knows. */
export async function listingUrlOf(tools: Toolbox, name: string): Promise<string | null> {
  const app = await tools.apps.maybeOne(name);
  if (app === null) throw new AppError('not-found', `There is no app ${name}`, { details: { app: name } });
  return app.landing.listingUrl;
}

export function resourceOf(tools: Toolbox, connection: Connection, listingUrl: string | null): ConnectionResource {
  const upkeep = upkeepOf(refreshPolicyOf(tools.config), connection, tools.clock.now());
  return buildConnectionResource(connection, { upkeep, listingUrl, workflowId: connectionWorkflowId(connection) });
}
