/** A visit belongs to the browser it began in, and ends after an hour in which nothing was heard of it. */
import type { BrowserSession } from '../../core/stores.ts';
import type { ApiDeps } from '../deps.ts';
import type { Context, Step } from '../route.ts';
import { createSlot } from '../slot.ts';
import { appSlot } from './find-app.ts';
import { buildPageError } from './page-error.ts';
import { hashCookieSecret, isSameText } from './proofs.ts';
import type { SessionCookies } from './session-cookie.ts';

const SESSION_IDLE_MS = 3_600_000;
/** The row is written to at most this often while a page reloads itself. */
const TOUCH_EVERY_MS = 60_000;

/** The session of the page, proven to be this browser's. */
export const sessionSlot = createSlot<BrowserSession>('connect session');

interface FindSessionDeps extends Pick<ApiDeps, 'sessions' | 'clock'> {
  readonly cookies: SessionCookies;
  /** What to do where it is another browser's; a page that says so without it. */
  readonly refuseStranger?: (ctx: Context, session: BrowserSession) => Promise<never>;
}

/** Fills {@link sessionSlot}, or shows that there is none, that it is another browser's, or that it is too old. */
export function findSession({ sessions, clock, cookies, refuseStranger }: FindSessionDeps): Step {
  return async (ctx, next) => {
    const session = await maybeSession(ctx, sessions);
    if (session === null) throw buildPageError('not-found');
    const secret = cookies.maybeSecret(ctx, session.id);
    if (secret === null || !isHolder(session, secret)) {
      await refuseStranger?.(ctx, session);
      throw buildPageError('foreign-browser');
    }
    const nowMs = clock.now();
    if (isIdle(session, nowMs)) throw buildPageError('session-expired');
    if (nowMs - session.lastSeenAtMs >= TOUCH_EVERY_MS) await sessions.touch(session.id, nowMs);
    sessionSlot.set(ctx, session);
    await next();
  };
}

/** Whether that secret is the one of the session's browser. */
export function isHolder(session: BrowserSession, secret: string): boolean {
  return isSameText(session.cookieHash, hashCookieSecret(secret));
}

/** Whether nothing was heard of the session for an hour. */
export function isIdle(session: BrowserSession, nowMs: number): boolean {
  return nowMs - session.lastSeenAtMs > SESSION_IDLE_MS;
}

async function maybeSession(ctx: Context, sessions: ApiDeps['sessions']): Promise<BrowserSession | null> {
  const id = ctx.params.sid ?? '';
  return /^[\w-]{1,64}$/.test(id) ? await sessions.maybeOne(appSlot.get(ctx).app, id) : null;
}
