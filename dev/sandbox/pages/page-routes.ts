/** The pages that play the App Center and Web Services administration. Every command ends in a redirect (303). */
import Router from '@koa/router';
import type { Context } from 'koa';
import type { Rng } from '../../../core/ports.ts';
import type { SandboxControl } from '../control.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import { SandboxProblem } from '../model/problem.ts';
import { rotations } from '../model/types.ts';
import { buildAppsPage } from './apps-page.ts';
import { buildCallsPage } from './calls-page.ts';
import { buildCompaniesPage } from './companies-page.ts';
import { registerCompanyRoutes } from './company-routes.ts';
import { buildFaultsPage, faultPresets } from './faults-page.ts';
import { Flashes } from './flashes.ts';
import { html } from './html.ts';
import { icon, renderPage } from './layout.ts';
import { goBack, readForm, takeFlash } from './page-flow.ts';
import type { PageDeps } from './page-flow.ts';
import type { PartnerConfig } from './partner-backend.ts';
import { registerPartnerRoutes } from './partner-routes.ts';
import { script, stylesheet } from './style.ts';

export function createPageRoutes(
  control: SandboxControl,
  model: ConcurModel,
  rng: Rng,
  partner: PartnerConfig | null,
): Router {
  const flashes = new Flashes(rng);
  const deps = { control, model, flashes };
  const router = new Router();
  router.use(answerWithPages);
  registerAssets(router);

  router.get('/', (ctx) => {
    ctx.body = buildCompaniesPage(control, model, takeFlash(ctx, flashes));
  });
  registerCompanyRoutes(router, deps);
  registerAppRoutes(router, deps);
  registerFaultRoutes(router, deps);
  registerPartnerRoutes(router, partner);
  router.get('/calls', (ctx) => {
    ctx.body = buildCallsPage(control);
  });
  return router;
}

async function answerWithPages(ctx: Context, next: () => Promise<unknown>): Promise<void> {
  ctx.set(
    'content-security-policy',
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  );
  ctx.set('x-content-type-options', 'nosniff');
  ctx.set('referrer-policy', 'same-origin');
  ctx.set('cache-control', 'no-store');
  ctx.type = 'html';
  try {
    await next();
  } catch (error) {
    if (!(error instanceof SandboxProblem)) throw error;
    ctx.status = error.kind === 'not-found' ? 404 : error.kind === 'forbidden' ? 403 : 400;
    ctx.body = renderPage({
      title: 'This did not work',
      section: '/',
      flash: { text: error.message, bad: true },
      content: html`<h1>This did not work</h1><p class="lead"><a href="/">Back to the companies</a></p>`,
    });
  }
}

function registerAssets(router: Router): void {
  router.get('/assets/sandbox.css', (ctx) => {
    ctx.type = 'css';
    ctx.body = stylesheet;
  });
  router.get('/assets/sandbox.js', (ctx) => {
    ctx.type = 'js';
    ctx.body = script;
  });
  router.get('/assets/icon.svg', (ctx) => {
    ctx.type = 'svg';
    ctx.body = icon;
  });
}

function registerAppRoutes(router: Router, { control, model, flashes }: PageDeps): void {
  router.get('/apps', (ctx) => {
    ctx.body = buildAppsPage(control, takeFlash(ctx, flashes));
  });
  router.post('/apps/:clientId/secret', async (ctx) => {
    const app = model.directory.oneApp(ctx.params['clientId'] ?? '');
    const old = (await readForm(ctx)).get('old') === 'overlaps' ? 'overlaps' : 'dies';
    const secret = control.newSecret({ clientId: app.clientId, old });
    goBack(ctx, flashes, '/apps', {
      text: old === 'dies' ? `${app.name} has a new secret; the old one is dead.` : `${app.name} has one more secret.`,
      values: [['client secret', secret]],
    });
  });
  router.post('/apps/:clientId/:verb', (ctx) => {
    const app = model.directory.oneApp(ctx.params['clientId'] ?? '');
    const verb = ctx.params['verb'];
    if (verb !== 'disable' && verb !== 'enable') throw new SandboxProblem('not-found', 'there is no such command');
    control[verb]({ clientId: app.clientId });
    goBack(ctx, flashes, '/apps', { text: `${app.name} is ${verb}d.` });
  });
  router.post('/apps/:clientId/rotation', async (ctx) => {
    const app = model.directory.oneApp(ctx.params['clientId'] ?? '');
    const wanted = (await readForm(ctx)).get('rotation');
    const rotation = rotations.find((kind) => kind === wanted) ?? null;
    control.setRotation(app.clientId, rotation);
    goBack(ctx, flashes, '/apps', {
      text: `Refresh tokens of ${app.name} rotate ${rotation ?? 'as the sandbox does'}.`,
    });
  });
}

function registerFaultRoutes(router: Router, { control, model, flashes }: PageDeps): void {
  router.get('/faults', (ctx) => {
    ctx.body = buildFaultsPage(control, model, takeFlash(ctx, flashes));
  });
  router.post('/faults', async (ctx) => {
    const form = await readForm(ctx);
    const preset = faultPresets[form.get('preset') ?? ''];
    if (preset === undefined) throw new SandboxProblem('invalid', 'there is no such fault');
    const times = form.get('times') ?? 'always';
    const match = Object.fromEntries(
      ['endpoint', 'dataCentre', 'principalId'].flatMap((name) => {
        const value = form.get(name);
        return value ? [[name, value]] : [];
      }),
    );
    control.fault({ ...preset.fault, match, times: times === 'always' ? 'always' : Number(times) });
    goBack(ctx, flashes, '/faults', { text: `Switched on: ${preset.label}.` });
  });
  router.post('/faults/off', (ctx) => {
    control.clearFaults();
    goBack(ctx, flashes, '/faults', { text: 'All faults are off.' });
  });
  router.post('/faults/:id/off', (ctx) => {
    control.removeFault(ctx.params['id'] ?? '');
    goBack(ctx, flashes, '/faults', { text: 'The fault is off.' });
  });
}
