import type { App } from '../../core/stores.ts';
import type { ApiDeps } from '../deps.ts';
import type { Step } from '../route.ts';
import { createSlot } from '../slot.ts';
import { buildPageError } from './page-error.ts';

/** The app whose pages the browser is on. */
export const appSlot = createSlot<App>('app of the page');

/** Fills {@link appSlot}, or shows the page for an unknown app. Nothing on these pages may be kept by anybody. */
export function findApp({ apps }: Pick<ApiDeps, 'apps'>): Step {
  return async (ctx, next) => {
    ctx.set('cache-control', 'no-store');
    const app = await apps.maybeOne(ctx.params.app ?? '');
    if (app === null) throw buildPageError('unknown-app');
    appSlot.set(ctx, app);
    await next();
  };
}
