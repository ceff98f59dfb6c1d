import type { Middleware } from 'koa';
import type { Rng } from '../../../core/ports.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `concur-correlationid` on every answer: the caller's own when it sent a UUID, else a new one. */
export function setCorrelationId(rng: Rng): Middleware {
  return async (ctx, next) => {
    const asked = ctx.get('concur-correlationid');
    const id = uuid.test(asked) ? asked : rng.uuid();
    ctx.state['correlationId'] = id;
    ctx.set('concur-correlationid', id);
    await next();
  };
}
