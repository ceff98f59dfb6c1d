import type { Landing } from '../../core/stores.ts';
import { imageOrigin } from '../../web/link.ts';
import { buildPagePolicy } from '../middleware/security-headers.ts';
import type { Context } from '../route.ts';

/** Tells the browser what a page of an app is made of: besides its own files its logo, wherever that lies. */
export function setPagePolicy(
  ctx: Context,
  landing: Pick<Landing, 'logoUrl'>,
  options: { hasScript?: boolean } = {},
): void {
  ctx.set('content-security-policy', buildPagePolicy({ ...options, imageOrigin: imageOrigin(landing.logoUrl) }));
}
