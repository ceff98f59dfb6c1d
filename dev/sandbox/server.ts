/**
 * The sandbox over HTTP: Concur's endpoints, the control surface, and the pages that play the App Center. The
 * middleware below is the whole order. Concur's older `/net2/oauth2` endpoints get a route file of their own in `http/`.
 */
import Koa from 'koa';
import type { Rng } from '../../core/ports.ts';
import type { SandboxControl } from './control.ts';
import { answerErrors } from './http/answer-errors.ts';
import { createConcurRoutes } from './http/concur-routes.ts';
import type { ConcurRoutesDeps } from './http/concur-routes.ts';
import { createControlRoutes } from './http/control-routes.ts';
import { setCorrelationId } from './http/correlation.ts';
import { refuseForeignPages } from './http/refuse-foreign-pages.ts';
import { createPageRoutes } from './pages/page-routes.ts';
import type { PartnerConfig } from './pages/partner-backend.ts';

export interface SandboxAppDeps extends ConcurRoutesDeps {
  readonly control: SandboxControl;
  readonly rng: Rng;
  /** What the partner's site needs; null where nobody plays it. */
  readonly partner: PartnerConfig | null;
  log(error: unknown): void;
}

export function createSandboxApp(deps: SandboxAppDeps): Koa {
  const concur = createConcurRoutes(deps);
  const control = createControlRoutes(deps.control, deps.model);
  const pages = createPageRoutes(deps.control, deps.model, deps.rng, deps.partner);

  const app = new Koa();
  // A caller that hangs up is everyday life here, and is in the call log.
  app.silent = true;
  app.use(setCorrelationId(deps.rng));
  app.use(answerErrors(deps.log));
  app.use(concur.routes());
  app.use(concur.allowedMethods());
  app.use(refuseForeignPages);
  app.use(async (_ctx, next) => {
    await next();
    await deps.persist();
  });
  app.use(control.routes());
  app.use(control.allowedMethods());
  app.use(pages.routes());
  app.use(pages.allowedMethods());
  return app;
}
