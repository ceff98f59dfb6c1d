/** Access tokens for partner services, and what they tell about ones that SAP Concur refused. */
import { type ConnectionKey, isLiving } from '../../core/connection.ts';
import { actOf, authenticate, keyOf, requireApp, requirePrincipal, requireScope } from '../auth/authorize.ts';
import { TOKEN_READ_COST } from '../auth/caller-limits.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { ApiDeps } from '../deps.ts';
import { bodyInput, queryInput } from '../input.ts';
import type { Route } from '../route.ts';
import { connectionParams, rejectionBody, tokenQuery } from '../schemas/inputs.ts';
import { tokenResource } from '../schemas/resources.ts';
import { oneConnection } from './resource.ts';

/** Pattern of the route that is read most; `fast-read.ts` answers most of it. */
export const TOKEN_ROUTE = '/v1/apps/:app/connections/:principal/token';
export const TOKEN_SCOPE = 'tokens:read';

/** However many callers report it: one report of a version is enough for a while. */
const REPORT_EVERY_MS = 60_000;
const MOST_REPORTS = 50_000;

export function createTokenRoutes(deps: ApiDeps): readonly Route[] {
  return [readToken(deps), reportRejection(deps)];
}

function readToken(deps: ApiDeps): Route {
  const query = queryInput(tokenQuery);
  return {
    method: 'get',
    path: TOKEN_ROUTE,
    operation: {
      id: 'readToken',
      summary: 'An access token that works',
      description: 'A stale token is refreshed first; all who wait share one refresh.',
      scope: TOKEN_SCOPE,
      params: connectionParams,
      query: tokenQuery,
      answers: [{ status: 200, description: 'The token', body: tokenResource }],
    },
    steps: [
      authenticate(deps, TOKEN_READ_COST),
      requireScope(TOKEN_SCOPE),
      requireApp,
      requirePrincipal,
      query.read,
      async (ctx) => {
        ctx.set('cache-control', 'no-store');
        const body = await deps.tokens.read(keyOf(ctx), (query.get(ctx).min_ttl ?? 0) * 1_000, actOf(ctx));
        ctx.type = 'json';
        ctx.body = body;
      },
    ],
  };
}

function reportRejection(deps: ApiDeps): Route {
  const body = bodyInput(rejectionBody);
  const reported = new BoundedMap<string, number>(MOST_REPORTS);

  function isNew({ app, principal }: ConnectionKey, version: number): boolean {
    const id = `${app}:${principal}:${version}`;
    const nowMs = deps.clock.monotonic();
    const last = reported.get(id);
    if (last !== undefined && nowMs - last < REPORT_EVERY_MS) return false;
    reported.set(id, nowMs);
    return true;
  }

  return {
    method: 'post',
    path: '/v1/apps/:app/connections/:principal/token-rejected',
    operation: {
      id: 'reportRejection',
      summary: 'Reports a token that SAP Concur refused: finds out whether the connection still lives',
      scope: 'tokens:read',
      params: connectionParams,
      body: { schema: rejectionBody, isRequired: true, example: { version: 42, status: 401 } },
      answers: [{ status: 202, description: 'Taken; an older version changes nothing' }],
    },
    steps: [
      authenticate(deps),
      requireScope('tokens:read'),
      requireApp,
      requirePrincipal,
      body.read,
      async (ctx) => {
        const key = keyOf(ctx);
        const { version, status } = body.get(ctx);
        const { connection } = await oneConnection(deps, key);
        // An older version is dealt with, a newer one was never handed out; what has ended can't be checked any more.
        const isCurrent = version === connection.version && isLiving(connection.state);
        if (isCurrent && isNew(key, version)) {
          const { actor, correlationId } = actOf(ctx);
          await deps.lifecycle.tokenRejected(key, { version, status: status ?? null, actor, correlationId });
        }
        ctx.status = 202;
        ctx.body = {};
      },
    ],
  };
}
