/**
 * Concur on the wire: the endpoints below each data centre's base URI, with the faults that are on played around them
 * and every call in the log. What an endpoint answers is decided in `protocol/`.
 */
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { CallLog, OpenCall } from '../call-log.ts';
import { performCall } from '../fault-effects.ts';
import type { Delivery } from '../fault-effects.ts';
import type { FaultRegistry } from '../fault-registry.ts';
import type { ConcurModel } from '../model/concur-model.ts';
import type { ConcurService } from '../protocol/concur-service.ts';
import type { IdTokenSigner } from '../protocol/id-token.ts';
import { endpointNames, endpoints } from '../protocol/wire.ts';
import type { Endpoint, WireRequest, WireResponse } from '../protocol/wire.ts';
import { readBody } from './read-body.ts';

export interface ConcurRoutesDeps {
  readonly model: ConcurModel;
  readonly service: ConcurService;
  readonly signer: IdTokenSigner;
  readonly faults: FaultRegistry;
  readonly callLog: CallLog;
  /** Makes what Concur has done durable, before the caller hears of it. */
  persist(): Promise<void>;
  /** Aborted when the sandbox closes. */
  readonly closing: AbortSignal;
}

export function createConcurRoutes(deps: ConcurRoutesDeps): Router {
  const router = new Router();
  const { dataCentres, legacyInstances } = deps.model;
  for (const endpoint of endpointNames) {
    const { method, path, at } = endpoints[endpoint];
    const hosts = {
      'data-centres': dataCentres,
      'legacy-instances': legacyInstances,
      both: [...dataCentres, ...legacyInstances],
    };
    for (const host of hosts[at]) {
      router.register(`/${host}${path}`, [method], serveEndpoint(deps, host, endpoint));
    }
  }
  return router;
}

function serveEndpoint(deps: ConcurRoutesDeps, dataCentre: string, endpoint: Endpoint): Middleware {
  return async (ctx) => {
    const request = await readWireRequest(ctx, dataCentre);
    const subject = deps.service.identify(endpoint, request);
    const plan = deps.faults.take({ endpoint, dataCentre, ...subject });
    const correlationId = String(ctx.state['correlationId']);
    const call = deps.callLog.begin({ ...subject, endpoint, dataCentre, correlationId, faults: plan.kinds });
    const caller = new AbortController();
    ctx.res.once('close', () => {
      caller.abort();
      deps.callLog.end(call, { outcome: 'abandoned' });
    });
    const signal = AbortSignal.any([caller.signal, deps.closing]);
    try {
      const delivery = await performCall({ ...deps, signal }, plan, async () => {
        const response = await deps.service.answer(endpoint, request);
        call.processed = true;
        await deps.persist();
        return response;
      });
      deliver(ctx, deps.callLog, call, delivery);
    } catch (error) {
      if (!signal.aborted) {
        deps.callLog.end(call, { outcome: 'answered', status: 500 });
        throw error;
      }
      abandon(ctx, deps.callLog, call);
    }
  };
}

async function readWireRequest(ctx: Context, dataCentre: string): Promise<WireRequest> {
  const headers = Object.entries(ctx.headers).map(([name, value]) => [name, String(value)]);
  return {
    method: ctx.method,
    dataCentre,
    query: ctx.querystring,
    headers: Object.fromEntries(headers),
    body: await readBody(ctx.req),
    params: ctx['params'] as Readonly<Record<string, string>>,
  };
}

function deliver(ctx: Context, callLog: CallLog, call: OpenCall, delivery: Delivery): void {
  switch (delivery.kind) {
    case 'answer':
      callLog.end(call, { outcome: 'answered', ...readFacts(delivery.response) });
      writeResponse(ctx, delivery.response);
      return;
    case 'truncate':
      callLog.end(call, { outcome: 'dropped', ...readFacts(delivery.response) });
      writeTruncated(ctx, delivery.response);
      return;
    case 'drop':
      callLog.end(call, { outcome: 'dropped' });
      ctx.respond = false;
      ctx.req.socket.resetAndDestroy();
      return;
    case 'silence':
      // The call stays open in the log until the caller hangs up.
      ctx.respond = false;
  }
}

function abandon(ctx: Context, callLog: CallLog, call: OpenCall): void {
  callLog.end(call, { outcome: 'abandoned' });
  ctx.respond = false;
  ctx.req.socket.destroy();
}

function writeResponse(ctx: Context, response: WireResponse): void {
  ctx.status = response.status;
  for (const [name, value] of Object.entries(response.headers)) ctx.set(name, value);
  // Koa would guess a content type for a bare string.
  ctx.body = Buffer.from(response.body);
  const type = response.headers['content-type'];
  if (type === undefined) ctx.remove('content-type');
  else ctx.set('content-type', type);
}

function writeTruncated(ctx: Context, response: WireResponse): void {
  ctx.respond = false;
  const body = Buffer.from(response.body);
  ctx.res.writeHead(response.status, { ...response.headers, 'content-length': body.length });
  ctx.res.write(body.subarray(0, Math.floor(body.length / 2)), () => ctx.req.socket.destroy());
}

function readFacts(response: WireResponse): { status: number; code: number | null } {
  return { status: response.status, code: response.status < 400 ? null : readCode(response.body) };
}

function readCode(body: string): number | null {
  try {
    const parsed: unknown = JSON.parse(body);
    const code = typeof parsed === 'object' && parsed !== null && 'code' in parsed ? Number(parsed.code) : Number.NaN;
    return Number.isFinite(code) ? code : null;
  } catch {
    return null;
  }
}
