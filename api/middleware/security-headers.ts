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

/** In the order in which they are sent. */
export function buildSecurityHeaders(options: {
  readonly isHttps: boolean;
}): readonly (readonly [name: string, value: string])[] {
  return [
    ['x-content-type-options', 'nosniff'],
    ['referrer-policy', 'no-referrer'],
    ['x-frame-options', 'DENY'],
    ['cross-origin-opener-policy', 'same-origin'],
    ['cross-origin-resource-policy', 'same-origin'],
    ['content-security-policy', PLAIN_POLICY],
    ...(options.isHttps ? [['strict-transport-security', 'max-age=31536000; includeSubDomains'] as const] : []),
  ];
}

export function securityHeaders(headers: ReturnType<typeof buildSecurityHeaders>): Step {
  return (ctx, next) => {
    for (const [name, value] of headers) ctx.set(name, value);
    return next() as Promise<void>;
  };
}
