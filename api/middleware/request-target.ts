/** What was asked for is an address at some host (RFC 9112 sections 3.2 and 3.3). No later step has to doubt it. */
import { AppError } from '../../core/errors.ts';
import type { Context, Step } from '../route.ts';

export const requestTarget: Step = (ctx, next) => {
  if (!isReadable(ctx)) {
    // Whatever looks at the path from here on, to tell of the mistake, finds one that it can read.
    ctx.req.url = '/';
    throw new AppError('bad-request', 'The request target is no address.');
  }
  if (ctx.get('host') === '' && ctx.req.httpVersionMinor > 0) throw new AppError('bad-request', 'The host is missing.');
  return next() as Promise<void>;
};

/** The path of a target in absolute form is read out of it, which fails for some. */
function isReadable(ctx: Context): boolean {
  try {
    return ctx.path !== '' && typeof ctx.querystring === 'string';
  } catch {
    return false;
  }
}
