/** One cookie per connect session, so that two Connects in one browser do not disturb each other. */
import type { Context } from '../route.ts';

export interface SessionCookies {
  /** The secret that the browser holds for a session, null when it holds none. */
  maybeSecret(ctx: Context, sessionId: string): string | null;
  /** Every session that the browser holds a secret for, the one made first first. */
  many(ctx: Context): readonly { readonly sessionId: string; readonly secret: string }[];
  /** Hands a new session's secret to the browser. It is kept until the browser closes; the session ends before. */
  issue(ctx: Context, sessionId: string, secret: string): void;
}

/** A browser that collects more of them loses the oldest: the header of a request has a limit. */
const MOST_KEPT = 20;

/**
 * `Lax`, as the visit begins with a redirect from another site. On https the prefix makes the browser refuse the
 * cookie from a neighbour under the same domain (RFC 6265bis section 4.1.3).
 */
export function createSessionCookies(publicUrl: string): SessionCookies {
  const isSecure = publicUrl.startsWith('https:');
  const prefix = isSecure ? '__Host-evergrant_' : 'evergrant_';
  const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;

  const many: SessionCookies['many'] = (ctx) =>
    ctx
      .get('cookie')
      .split(';')
      .map((pair) => pair.trim())
      .filter((pair) => pair.startsWith(prefix) && pair.includes('='))
      .map((pair) => ({
        sessionId: pair.slice(prefix.length, pair.indexOf('=')),
        secret: pair.slice(pair.indexOf('=') + 1),
      }));

  return {
    many,
    maybeSecret: (ctx, sessionId) => many(ctx).find((cookie) => cookie.sessionId === sessionId)?.secret ?? null,
    issue(ctx, sessionId, secret) {
      const surplus = many(ctx)
        .slice(0, 1 - MOST_KEPT)
        .filter((cookie) => /^[\w-]+$/.test(cookie.sessionId));
      for (const old of surplus) ctx.append('set-cookie', `${prefix}${old.sessionId}=; Max-Age=0; ${attributes}`);
      ctx.append('set-cookie', `${prefix}${sessionId}=${secret}; ${attributes}`);
    },
  };
}
