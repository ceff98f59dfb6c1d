import type { AppError } from '../../core/errors.ts';
import type { Landing } from '../../core/stores.ts';
import { renderErrorPage } from '../../web/error-page.ts';
import type { ApiDeps } from '../deps.ts';
import { requestIdSlot } from '../middleware/request-id.ts';
import type { Context } from '../route.ts';
import { textsFor } from './frame.ts';
import { topicOf } from './page-error.ts';
import { setPagePolicy } from './page-policy.ts';

/** The page for an error on the browser's routes, in the browser's language and under the app's brand if it is known. */
export async function renderProblemPage(
  ctx: Context,
  error: AppError,
  { apps }: Pick<ApiDeps, 'apps'>,
): Promise<string> {
  const { fields, goOn } = error.details;
  const brand = await maybeBrand(ctx, apps);
  if (brand !== null) setPagePolicy(ctx, brand);
  return renderErrorPage({
    texts: textsFor(ctx),
    brand,
    topic: topicOf(error),
    requestId: requestIdSlot.maybe(ctx) ?? '',
    ...(Array.isArray(fields) ? { wrongParameters: fields.map(String) } : {}),
    ...(typeof goOn === 'string' ? { goOnHref: goOn } : {}),
  });
}

async function maybeBrand(ctx: Context, apps: ApiDeps['apps']): Promise<Landing | null> {
  const name = /^\/connect\/([a-z0-9-]{1,40})(?:\/|$)/.exec(ctx.path)?.[1];
  if (name === undefined) return null;
  try {
    return (await apps.maybeOne(name))?.landing ?? null;
  } catch {
    // The database is away, which may be the very error that the page is about.
    return null;
  }
}
