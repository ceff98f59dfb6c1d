/** The Koa application: the order of its middleware is the order of this list. */
import Koa from 'koa';
import { renderProblemPage } from './connect/error-page.ts';
import type { ApiDeps } from './deps.ts';
import { acceptable } from './middleware/acceptable.ts';
import { accessLog, type RequestMeasure } from './middleware/access-log.ts';
import { clientAddress } from './middleware/client-address.ts';
import { problems } from './middleware/problems.ts';
import { requestId } from './middleware/request-id.ts';
import { requestTarget } from './middleware/request-target.ts';
import { routing } from './middleware/routing.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import type { RequestState, Route, RouteFacts, RouteGroup } from './route.ts';
import { createAssetRoutes } from './routes/assets.ts';
import { createConnectRoutes } from './routes/connect.ts';
import { createOpsRoutes } from './routes/ops.ts';
import { createPartnerRoutes } from './routes/partner.ts';

export interface AppOptions {
  /** Which groups of routes this listener serves. */
  readonly serve: readonly RouteGroup[];
  readonly trustedProxies: readonly string[];
  readonly measure: RequestMeasure;
}

export function createApp(deps: ApiDeps, options: AppOptions): Koa<RequestState, RouteFacts> {
  const { log, rng, publicUrl } = deps;
  const app = new Koa<RequestState, RouteFacts>();
  app.silent = true;
  const middleware = [
    requestId(rng),
    clientAddress(options.trustedProxies),
    accessLog({ log, measure: options.measure }),
    securityHeaders({ isHttps: publicUrl.startsWith('https:') }),
    problems({ log, renderPage: (ctx, error) => renderProblemPage(ctx, error, deps) }),
    requestTarget,
    acceptable,
    ...routing(createRoutes(deps, options.serve)),
  ];
  for (const step of middleware) app.use(step as Koa.Middleware<RequestState, RouteFacts>);
  return app;
}

/** The route table of the groups that are served. */
export function createRoutes(deps: ApiDeps, serve: readonly RouteGroup[]): readonly Route[] {
  const partner = createPartnerRoutes(deps);
  const groups: Record<RouteGroup, readonly Route[]> = {
    connect: createConnectRoutes(deps),
    partner,
    ops: createOpsRoutes(deps, partner),
  };
  const hasPages = serve.includes('connect') || serve.includes('ops');
  return [...serve.flatMap((group) => groups[group]), ...(hasPages ? createAssetRoutes() : [])];
}
