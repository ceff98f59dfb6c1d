/** What every answer tells browsers: nothing may be framed, guessed, or sent on; pages bring their own styles only. */
import type { Step } from '../route.ts';

/** Images may come from the partner's site (its logo); there are no scripts but on the page that waits. */
const PAGE_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self' https:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** For the page that waits for news: it brings a script of its own, which asks for nothing but the page. */
export const WAITING_PAGE_POLICY = `${PAGE_POLICY}; script-src 'self'; connect-src 'self'`;

export function securityHeaders(options: { readonly isHttps: boolean }): Step {
  return async (ctx, next) => {
    ctx.set('x-content-type-options', 'nosniff');
    ctx.set('referrer-policy', 'no-referrer');
    ctx.set('x-frame-options', 'DENY');
    ctx.set('cross-origin-opener-policy', 'same-origin');
    ctx.set('cross-origin-resource-policy', 'same-origin');
    ctx.set('content-security-policy', PAGE_POLICY);
    if (options.isHttps) ctx.set('strict-transport-security', 'max-age=31536000; includeSubDomains');
    await next();
  };
}
