/** What operators and their machines ask for: life, readiness, metrics, and the description of the API. */
import { readVersion } from '../../runtime/version.ts';
import type { ApiDeps } from '../deps.ts';
import { renderDocs } from '../docs-page.ts';
import { buildOpenApi } from '../openapi.ts';
import type { Route } from '../route.ts';

/** `described`: the routes that the API's description is made from. */
export function createOpsRoutes({ health, publicUrl }: ApiDeps, described: readonly Route[]): readonly Route[] {
  const openApi = buildOpenApi(described, { version: readVersion(), serverUrl: publicUrl });
  const docs = renderDocs(described);
  return [
    {
      method: 'get',
      path: '/healthz',
      steps: [
        (ctx) => {
          ctx.set('cache-control', 'no-store');
          ctx.body = { status: 'ok' };
        },
      ],
    },
    {
      method: 'get',
      path: '/readyz',
      steps: [
        async (ctx) => {
          const state = await health.check();
          ctx.set('cache-control', 'no-store');
          ctx.status = state.ready ? 200 : 503;
          if (!state.ready) ctx.set('retry-after', '5');
          ctx.body = state;
        },
      ],
    },
    {
      method: 'get',
      path: '/metrics',
      steps: [
        async (ctx) => {
          const { contentType, body } = await health.metrics();
          ctx.set('content-type', contentType);
          ctx.set('cache-control', 'no-store');
          ctx.body = body;
        },
      ],
    },
    {
      method: 'get',
      path: '/openapi.json',
      steps: [
        (ctx) => {
          ctx.body = openApi;
        },
      ],
    },
    {
      method: 'get',
      path: '/docs',
      steps: [
        (ctx) => {
          ctx.type = 'text/html; charset=utf-8';
          ctx.body = docs;
        },
      ],
    },
  ];
}
