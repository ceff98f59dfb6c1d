/** The Koa application: the order of its middleware is the order of this list. In front of it, what is read most. */
import type { RequestListener } from 'node:http';
import Koa from 'koa';
import { renderProblemPage } from './connect/error-page.ts';
import type { ApiDeps } from './deps.ts';
import { acceptable } from './middleware/acceptable.ts';
import { createFastRead } from './fast-read.ts';
import { accessLog } from './middleware/access-log.ts';
import { clientAddress } from './middleware/client-address.ts';
import { problems } from './middleware/problems.ts';
import { requestId } from './middleware/request-id.ts';
import { requestTarget } from './middleware/request-target.ts';
import { routing } from './middleware/routing.ts';
import { buildSecurityHeaders, securityHeaders } from './middleware/security-headers.ts';
import { createRequestRecord, type RequestMeasure } from './request-record.ts';
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

/** Answers every request of a listener. */
export function createHandler(deps: ApiDeps, options: AppOptions): RequestListener {
  const { log, rng, publicUrl } = deps;
  const record = createRequestRecord({ log, measure: options.measure });
  const headers = buildSecurityHeaders({ isHttps: publicUrl.startsWith('https:') });
  const app = new Koa<RequestState, RouteFacts>();
  app.silent = true;
  const middleware = [
    requestId(rng),
    clientAddress(options.trustedProxies),
    accessLog(record),
    securityHeaders(headers),
    problems({ log, renderPage: (ctx, error) => renderProblemPage(ctx, error, deps) }),
    requestTarget,
    acceptable,
    ...routing(createRoutes(deps, options.serve)),
  ];
  for (const step of middleware) app.use(step as Koa.Middleware<RequestState, RouteFacts>);
  const handle = app.callback();
  if (!options.serve.includes('partner')) return (request, response) => void handle(request, response);
  const readFast = createFastRead(deps, { record, headers });
  return (request, response) => {
    if (!readFast(request, response)) void handle(request, response);
  };
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
