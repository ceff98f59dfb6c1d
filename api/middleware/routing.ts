/** The routes of the groups that this listener serves; what fits none of them is a problem like any other. */
import Router from '@koa/router';
import { AppError } from '../../core/errors.ts';
import type { Context, RequestState, Route, RouteFacts, Step } from '../route.ts';

export function routing(routes: readonly Route[]): readonly Step[] {
  // To the letter: what a proxy lets through, or not, is told by the letters of the path.
  const router = new Router<RequestState, RouteFacts>({ strict: true, sensitive: true });
  for (const { method, path, steps } of routes) {
    router.register(path, [method], steps as unknown as Parameters<typeof router.register>[2]);
  }
  return [router.routes() as unknown as Step, unmatched];
}

/** Nothing answered: the path is unknown, or known for other methods. */
function unmatched(ctx: Context): void {
  const allowed = [...new Set((ctx.matched ?? []).flatMap(({ methods }) => methods))].toSorted();
  if (allowed.length === 0) throw new AppError('not-found', 'There is nothing at this address.');
  if (allowed.includes(ctx.method)) return;
  ctx.set('allow', allowed.join(', '));
  throw new AppError('method-not-allowed', `Allowed here: ${allowed.join(', ')}.`, { details: { allowed } });
}
