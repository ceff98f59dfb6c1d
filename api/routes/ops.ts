/** What operators and their machines ask for: life, readiness, metrics, and the description of the API. */
import { z } from 'zod';
import { readVersion } from '../../runtime/version.ts';
import type { ApiDeps } from '../deps.ts';
import { renderDocs } from '../docs-page.ts';
import { buildOpenApi } from '../openapi.ts';
import type { Route } from '../route.ts';
import { lifeResource, readinessResource } from '../schemas/resources.ts';

/** `partner`: what the description of the API tells of besides these routes. */
export function createOpsRoutes(
  { health, publicUrl }: Pick<ApiDeps, 'health' | 'publicUrl'>,
  partner: readonly Route[],
): readonly Route[] {
  const ops = [showLife(), showReadiness(health), showMetrics(health)];
  const described = [...partner, ...ops];
  return [...ops, showOpenApi(described, publicUrl), showDocs(described)];
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

function showOpenApi(described: readonly Route[], serverUrl: string): Route {
  const document = buildOpenApi(described, { version: readVersion(), serverUrl });
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

function showDocs(described: readonly Route[]): Route {
  const page = renderDocs(described);
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
