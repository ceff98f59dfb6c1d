import type Router from '@koa/router';
import type { Context } from 'koa';
import { SandboxProblem } from '../model/problem.ts';
import { disabledCodes, formerHomeKinds } from '../model/types.ts';
import type { App, Company, DisabledCode } from '../model/types.ts';
import { buildCompanyPage } from './company-page.ts';
import { goBack, readForm, takeFlash } from './page-flow.ts';
import type { PageDeps } from './page-flow.ts';

/** A company's page and the commands on it. */
export function registerCompanyRoutes(router: Router, deps: PageDeps): void {
  const { control, model, flashes } = deps;

  const company = (ctx: Context & { params: Record<string, string> }): Company =>
    model.directory.oneCompany(ctx.params['id'] ?? '');
  const app = (ctx: Context & { params: Record<string, string> }): App =>
    model.directory.oneApp(ctx.params['clientId'] ?? '');
  const done = (ctx: Context, path: string, text: string): void => goBack(ctx, flashes, path, { text });

  router.post('/companies', async (ctx) => {
    const form = await readForm(ctx);
    const name = form.get('name')?.trim();
    if (!name) throw new SandboxProblem('invalid', 'a company needs a name');
    const added = control.addCompany({ name, dataCentre: form.get('dataCentre') ?? undefined });
    control.addUser({ companyId: added.id, displayName: 'Alex Admin', webServicesAdmin: true });
    control.addUser({ companyId: added.id, displayName: 'Chris Colleague' });
    done(ctx, pageOf(added), `${added.name} is there.`);
  });

  router.get('/companies/:id', (ctx) => {
    const as = ctx.query['as'];
    ctx.body = buildCompanyPage(control, model, company(ctx), {
      as: typeof as === 'string' ? as : undefined,
      flash: takeFlash(ctx, flashes),
    });
  });

  router.post('/companies/:id/apps/:clientId/connect', async (ctx) => {
    const form = await readForm(ctx);
    const { url } = control.pressConnect({
      clientId: app(ctx).clientId,
      principalId: form.get('principalId') || company(ctx).id,
      userId: form.get('userId') || undefined,
      deny: form.get('deny') === 'true',
    });
    ctx.status = 303;
    ctx.redirect(url);
  });

  router.post('/companies/:id/apps/:clientId/disconnect', async (ctx) => {
    const form = await readForm(ctx);
    const ended = control.disconnect({
      clientId: app(ctx).clientId,
      principalId: form.get('principalId') || company(ctx).id,
    });
    done(
      ctx,
      pageOf(company(ctx), form),
      `${app(ctx).name} is disconnected: ${ended} refresh token(s) ended. Nobody told the partner.`,
    );
  });

  router.post('/companies/:id/apps/:clientId/:verb', async (ctx) => {
    const verb = readVerb(ctx.params['verb']);
    control[verb]({ clientId: app(ctx).clientId, companyId: company(ctx).id });
    done(ctx, pageOf(company(ctx), await readForm(ctx)), `${app(ctx).name} is ${verb}d at ${company(ctx).name}.`);
  });

  router.post('/companies/:id/request-token', async (ctx) => {
    const form = await readForm(ctx);
    const token = control.requestToken({
      clientId: form.get('clientId') ?? '',
      principalId: form.get('principalId') || company(ctx).id,
    });
    goBack(ctx, flashes, pageOf(company(ctx)), {
      text: 'A request token, shown this once. Give both values to the partner.',
      values: [
        ['UUID', token.principalId],
        ['request token', token.value],
      ],
    });
  });

  router.post('/companies/:id/expire', async (ctx) => {
    const form = await readForm(ctx);
    const which = (['refresh', 'legacy'] as const).find((kind) => kind === form.get('which')) ?? 'access';
    control.expire({ clientId: form.get('clientId') ?? '', principalId: form.get('principalId') ?? '', which });
    done(ctx, pageOf(company(ctx)), `The ${which === 'legacy' ? 'one-year' : which} tokens have run out.`);
  });

  router.post('/companies/:id/move', async (ctx) => {
    const form = await readForm(ctx);
    const formerHome = formerHomeKinds.find((kind) => kind === form.get('formerHome'));
    control.move({ companyId: company(ctx).id, dataCentre: form.get('dataCentre') ?? '', formerHome });
    done(ctx, pageOf(company(ctx)), `${company(ctx).name} lives in ${company(ctx).dataCentre.toUpperCase()} now.`);
  });

  router.post('/companies/:id/maintenance', async (ctx) => {
    const on = (await readForm(ctx)).get('on') === 'true';
    control.setMaintenance(company(ctx).id, on);
    done(ctx, pageOf(company(ctx)), on ? 'Maintenance has begun.' : 'Maintenance is over.');
  });

  router.post('/companies/:id/users/:userId/:verb', async (ctx) => {
    const verb = readVerb(ctx.params['verb']);
    const user = model.directory.oneUser(ctx.params['userId'] ?? '');
    control[verb]({ userId: user.id, code: readCode((await readForm(ctx)).get('code')) });
    done(ctx, pageOf(company(ctx)), `${user.displayName} is ${verb}d.`);
  });

  router.post('/companies/:id/:verb', async (ctx) => {
    const verb = readVerb(ctx.params['verb']);
    control[verb]({ companyId: company(ctx).id, code: readCode((await readForm(ctx)).get('code')) });
    done(ctx, pageOf(company(ctx)), `${company(ctx).name} is ${verb}d.`);
  });
}

/** The company's page, seen by the same person as before. */
function pageOf(company: Company, form?: URLSearchParams): string {
  const viewer = form?.get('userId');
  return viewer ? `/companies/${company.id}?as=${encodeURIComponent(viewer)}` : `/companies/${company.id}`;
}

function readVerb(verb: string | undefined): 'disable' | 'enable' {
  if (verb === 'disable' || verb === 'enable') return verb;
  throw new SandboxProblem('not-found', 'there is no such command');
}

function readCode(text: string | null): DisabledCode | undefined {
  return disabledCodes.find((code) => String(code) === text);
}
