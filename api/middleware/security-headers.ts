/** What every answer tells browsers: nothing may be framed, guessed, or sent on; pages bring their own styles only. */
import type { Step } from '../route.ts';

/**
 * Content security policy of a page. `imageOrigin`: the one place besides this from which it shows an image. `hasScript`:
 * for the page that waits for news, whose script of its own asks for nothing but the page.
 */
export function buildPagePolicy({
  imageOrigin = null,
  hasScript = false,
}: {
  readonly imageOrigin?: string | null;
  readonly hasScript?: boolean;
} = {}): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    imageOrigin === null ? "img-src 'self'" : `img-src 'self' ${imageOrigin}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    ...(hasScript ? ["script-src 'self'", "connect-src 'self'"] : []),
  ].join('; ');
}

const PLAIN_POLICY = buildPagePolicy();

export function securityHeaders(options: { readonly isHttps: boolean }): Step {
  return (ctx, next) => {
    ctx.set('x-content-type-options', 'nosniff');
    ctx.set('referrer-policy', 'no-referrer');
    ctx.set('x-frame-options', 'DENY');
    ctx.set('cross-origin-opener-policy', 'same-origin');
    ctx.set('cross-origin-resource-policy', 'same-origin');
    ctx.set('content-security-policy', PLAIN_POLICY);
    if (options.isHttps) ctx.set('strict-transport-security', 'max-age=31536000; includeSubDomains');
    return next() as Promise<void>;
  };
}
