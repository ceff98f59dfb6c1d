import Router from '@koa/router';
import type { Context } from 'koa';
import type { CallFilter } from '../call-log.ts';
import type { SandboxControl } from '../control.ts';
import { controlOperations } from '../control-operations.ts';
import { faultKinds } from '../fault-schema.ts';
import { mask } from '../mask.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import { SandboxProblem } from '../model/problem.ts';
import { buildControlPage } from '../pages/control-page.ts';
import type { Endpoint } from '../protocol/wire.ts';
import { endpointNames } from '../protocol/wire.ts';
import { readBody } from './read-body.ts';
import { readingRoutes } from './reading-routes.ts';

/** The control surface: the commands of `control-operations.ts`, and what can be looked at. */
export function createControlRoutes(control: SandboxControl, model: ConcurModel): Router {
  const router = new Router({ prefix: '/__sandbox' });

  router.get('/', (ctx) => {
    if (ctx.accepts('html', 'json') === 'html') {
      ctx.type = 'html';
      ctx.body = buildControlPage(model);
      return;
    }
    ctx.body = {
      baseUris: model.baseUris(model.dataCentres),
      legacyBaseUris: model.baseUris(model.legacyInstances),
      routes: readingRoutes,
      commands: controlOperations.map(({ name, summary, schema }) => ({
        method: 'POST',
        path: `/__sandbox/${name}`,
        does: summary,
        body: schema(),
      })),
      faultKinds,
    };
  });

  router.get('/state', (ctx) => {
    ctx.body = buildMaskedState(control, model);
  });

  router.get('/calls', (ctx) => {
    ctx.body = { calls: control.calls(readCallFilter(ctx)) };
  });

  router.get('/issued-secrets', (ctx) => {
    ctx.body = { complete: control.issuedSecretsAreComplete(), secrets: control.issuedSecrets() };
  });

  router.get('/faults', (ctx) => {
    ctx.body = { faults: control.faults() };
  });

  router.post('/faults/:id/release', (ctx) => {
    control.removeFault(ctx.params['id'] ?? '');
    ctx.body = {};
  });

  router.delete('/faults/:id', (ctx) => {
    control.removeFault(ctx.params['id'] ?? '');
    ctx.body = {};
  });

  router.delete('/faults', (ctx) => {
    control.clearFaults();
    ctx.body = {};
  });

  for (const operation of controlOperations) {
    router.post(`/${operation.name}`, async (ctx) => {
      const result = await operation.run(control, parseJson(await readBody(ctx.req)));
      ctx.body = result ?? {};
    });
  }
  return router;
}

function parseJson(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new SandboxProblem('invalid', 'the body is no JSON');
  }
}

function readCallFilter(ctx: Context): CallFilter {
  const text = (name: string): string | undefined => {
    const value = ctx.query[name];
    return typeof value === 'string' ? value : undefined;
  };
  const number = (name: string): number | undefined => {
    const value = text(name);
    return value === undefined ? undefined : Number(value);
  };
  const endpoint = text('endpoint');
  if (endpoint !== undefined && !endpointNames.includes(endpoint as Endpoint)) {
    throw new SandboxProblem('invalid', `endpoint must be one of ${endpointNames.join(', ')}`);
  }
  return {
    endpoint: endpoint as Endpoint | undefined,
    dataCentre: text('dataCentre'),
    grantType: text('grantType'),
    clientId: text('clientId'),
    principalId: text('principalId'),
    status: number('status'),
    code: number('code'),
    after: number('after'),
  };
}

function buildMaskedState(control: SandboxControl, model: ConcurModel): object {
  const masked = <T extends { readonly value: string }>(tokens: readonly T[]): T[] =>
    tokens.map((token) => ({ ...token, value: mask(token.value) }));
  return {
    now: new Date(model.now()).toISOString(),
    baseUris: model.baseUris(model.dataCentres),
    legacyBaseUris: model.baseUris(model.legacyInstances),
    settings: model.settings,
    companies: control.companies(),
    users: control.users().map((user) => ({ ...user, password: '…' })),
    apps: control.apps().map((app) => ({ ...app, secrets: masked(app.secrets) })),
    grants: control.grants().map((grant) => ({
      ...grant,
      refreshTokens: masked(grant.refreshTokens),
      accessTokens: masked(grant.accessTokens),
      requestTokens: masked(grant.requestTokens),
      legacyTokens: masked(grant.legacyTokens),
      legacyCodes: masked(grant.legacyCodes),
    })),
    faults: control.faults(),
  };
}
