/** Reading connections: list, one, its audit trail, and the partner's own name for the customer. */
import { AppError } from '../../core/errors.ts';
import { buildEventResource } from '../../core/event-resource.ts';
import {
  actOf,
  appOf,
  authenticate,
  callerSlot,
  keyOf,
  requireApp,
  requirePrincipal,
  requireScope,
} from '../auth/authorize.ts';
import type { ApiDeps } from '../deps.ts';
import { bodyInput, queryInput } from '../input.ts';
import type { Route } from '../route.ts';
import { appParams, connectionParams, listQuery, pageQuery, patchBody, showQuery } from '../schemas/inputs.ts';
import { connectionList, connectionResource, eventList } from '../schemas/resources.ts';
import { oneApp, oneConnection, resourceOf } from './resource.ts';

const DEFAULT_LIMIT = 50;

export function createConnectionRoutes(deps: ApiDeps): readonly Route[] {
  return [listConnections(deps), showConnection(deps), patchConnection(deps), listEvents(deps)];
}

function listConnections(deps: ApiDeps): Route {
  const query = queryInput(listQuery);
  return {
    method: 'get',
    path: '/v1/apps/:app/connections',
    operation: {
      id: 'listConnections',
      summary: 'Connections of an app, ordered by principal',
      scope: 'connections:read',
      params: appParams,
      query: listQuery,
      answers: [{ status: 200, description: 'A page of connections', body: connectionList }],
    },
    steps: [
      authenticate(deps),
      requireScope('connections:read'),
      requireApp,
      query.read,
      async (ctx) => {
        const app = await oneApp(deps, appOf(ctx));
        const { principals } = callerSlot.get(ctx);
        const { state, data_center: dataCentre, customer_ref: customerRef, cursor, limit } = query.get(ctx);
        const page = await deps.connections.many({
          app: app.app,
          limit: limit ?? DEFAULT_LIMIT,
          ...(principals === null ? {} : { principals }),
          ...(state === undefined ? {} : { state }),
          ...(dataCentre === undefined ? {} : { dataCentre }),
          ...(customerRef === undefined ? {} : { customerRef }),
          ...(cursor === undefined ? {} : { cursor }),
        });
        ctx.body = {
          items: page.items.map((connection) => resourceOf(deps, app, connection)),
          next_cursor: page.nextCursor,
        };
      },
    ],
  };
}

function showConnection(deps: ApiDeps): Route {
  const query = queryInput(showQuery);
  return {
    method: 'get',
    path: '/v1/apps/:app/connections/:principal',
    operation: {
      id: 'showConnection',
      summary: 'One connection, from the database or from its running workflow',
      scope: 'connections:read',
      params: connectionParams,
      query: showQuery,
      answers: [{ status: 200, description: 'The connection', body: connectionResource }],
    },
    steps: [
      authenticate(deps),
      requireScope('connections:read'),
      requireApp,
      requirePrincipal,
      query.read,
      async (ctx) => {
        const { app, connection } = await oneConnection(deps, keyOf(ctx));
        const running = query.get(ctx).source === 'workflow' ? await deps.lifecycle.status(keyOf(ctx)) : null;
        // A connection that has ended has no workflow any more: the row is all there is.
        ctx.body = running ?? resourceOf(deps, app, connection);
      },
    ],
  };
}

function patchConnection(deps: ApiDeps): Route {
  const body = bodyInput(patchBody);
  return {
    method: 'patch',
    path: '/v1/apps/:app/connections/:principal',
    operation: {
      id: 'patchConnection',
      summary: "Sets the partner's own name for the customer",
      scope: 'connections:write',
      params: connectionParams,
      body: { schema: patchBody, isRequired: true, example: { customer_ref: 'customer-4711' } },
      answers: [{ status: 200, description: 'The connection', body: connectionResource }],
    },
    steps: [
      authenticate(deps),
      requireScope('connections:write'),
      requireApp,
      requirePrincipal,
      body.read,
      async (ctx) => {
        const app = await oneApp(deps, appOf(ctx));
        const { customer_ref: customerRef } = body.get(ctx);
        const connection = await deps.connections.setCustomerRef(keyOf(ctx), customerRef, actOf(ctx));
        if (connection === null) throw new AppError('not-found', 'There is no such connection.');
        ctx.body = resourceOf(deps, app, connection);
      },
    ],
  };
}

function listEvents(deps: ApiDeps): Route {
  const query = queryInput(pageQuery);
  return {
    method: 'get',
    path: '/v1/apps/:app/connections/:principal/events',
    operation: {
      id: 'listEvents',
      summary: 'The audit trail of a connection, newest first',
      scope: 'connections:read',
      params: connectionParams,
      query: pageQuery,
      answers: [{ status: 200, description: 'A page of events', body: eventList }],
    },
    steps: [
      authenticate(deps),
      requireScope('connections:read'),
      requireApp,
      requirePrincipal,
      query.read,
      async (ctx) => {
        await oneConnection(deps, keyOf(ctx));
        const { cursor, limit } = query.get(ctx);
        const page = await deps.connections.events(keyOf(ctx), {
          limit: limit ?? DEFAULT_LIMIT,
          ...(cursor === undefined ? {} : { cursor }),
        });
        ctx.body = { items: page.items.map(buildEventResource), next_cursor: page.nextCursor };
      },
    ],
  };
}
