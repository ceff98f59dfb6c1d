/** What operators and their machines ask for: life, readiness, metrics, and the description of the API. */
import { z } from 'zod';
import { readVersion } from '../../runtime/version.ts';
import type { ApiDeps } from '../deps.ts';
import { renderDocs } from '../docs-page.ts';
import { buildOpenApi, patternOf } from '../openapi.ts';
import type { Route } from '../route.ts';
import { lifeResource, readinessResource } from '../schemas/resources.ts';

/** `partner`: what the description of the API tells of besides these routes. */
export function createOpsRoutes(
  { health, publicUrl }: Pick<ApiDeps, 'health' | 'publicUrl'>,
  partner: readonly Route[],
): readonly Route[] {
  const ops = [showLife(), showReadiness(health), showMetrics(health)];
  const document = buildOpenApi([...partner, ...ops], { version: readVersion(), serverUrl: publicUrl });
  const docs = renderDocs(document, [
    {
      title: 'For partner services',
      text: 'Each call brings a bearer token, and its scope. A refusal is a problem (RFC 9457) with a code.',
      baseUrl: publicUrl,
      paths: pathsOf(partner),
    },
    {
      title: 'For operators',
      text: 'On the port of the API, or on OPS_PORT where that is set. Open to everybody who can reach it.',
      // A shell puts the port in.
      baseUrl: 'http://localhost:${OPS_PORT:-8080}',
      paths: pathsOf(ops),
    },
  ]);
  return [...ops, showOpenApi(document), showDocs(docs)];
}

function pathsOf(routes: readonly Route[]): ReadonlySet<string> {
  return new Set(routes.map(({ path }) => patternOf(path)));
}

function showLife(): Route {
  return {
    method: 'get',
    path: '/healthz',
    operation: {
      id: 'showLife',
      summary: 'Whether the process lives',
      answers: [{ status: 200, description: 'It does', body: lifeResource }],
    },
    steps: [
      (ctx) => {
        ctx.set('cache-control', 'no-store');
        ctx.body = { status: 'ok' };
      },
    ],
  };
}

function showReadiness(health: ApiDeps['health']): Route {
  return {
    method: 'get',
    path: '/readyz',
    operation: {
      id: 'showReadiness',
      summary: 'Whether the process can do its work',
      description: 'Database and migrations decide. Temporal is reported: fresh tokens are served without it.',
      answers: [
        { status: 200, description: 'Ready', body: readinessResource },
        { status: 503, description: 'Not ready', body: readinessResource },
      ],
    },
    steps: [
      async (ctx) => {
        const state = await health.check();
        ctx.set('cache-control', 'no-store');
        ctx.status = state.ready ? 200 : 503;
        if (!state.ready) ctx.set('retry-after', '5');
        ctx.body = state;
      },
    ],
  };
}

function showMetrics(health: ApiDeps['health']): Route {
  return {
    method: 'get',
    path: '/metrics',
    operation: {
      id: 'showMetrics',
      summary: 'Metrics for Prometheus',
      answers: [{ status: 200, description: 'The page', body: z.string(), mediaType: 'text/plain' }],
    },
    steps: [
      async (ctx) => {
        const { contentType, body } = await health.metrics();
        ctx.set('content-type', contentType);
        ctx.set('cache-control', 'no-store');
        ctx.body = body;
      },
    ],
  };
}

function showOpenApi(document: Readonly<Record<string, unknown>>): Route {
  return {
    method: 'get',
    path: '/openapi.json',
    steps: [
      (ctx) => {
        ctx.body = document;
      },
    ],
  };
}

function showDocs(page: string): Route {
  return {
    method: 'get',
    path: '/docs',
    steps: [
      (ctx) => {
        ctx.type = 'text/html; charset=utf-8';
        ctx.body = page;
      },
    ],
  };
}
