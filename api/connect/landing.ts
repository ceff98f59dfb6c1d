import type { BrowserSession } from '../../core/stores.ts';
import { renderLandingPage } from '../../web/landing-page.ts';
import type { ApiDeps } from '../deps.ts';
import type { Context, Step } from '../route.ts';
import { sessionSlot } from './find-session.ts';
import { frameOf } from './frame.ts';
import { buildPageError } from './page-error.ts';
import { seeOther, sendPage, sessionPath } from './redirect.ts';

/** Wrong codes that a session may bring. */
const MOST_TRIES = 5;

/** The landing page; what is behind the administrator already leads on to its progress. */
export function showLanding({ clock }: Pick<ApiDeps, 'clock'>): Step {
  return (ctx) => {
    const session = sessionSlot.get(ctx);
    if (session.status !== 'open') return seeOther(ctx, `${sessionPath(session.app, session.id)}/progress`);
    assertOpen(session, clock.now());
    sendLanding(ctx);
  };
}

/** Throws the page for an open session that nothing can be done with any more. */
export function assertOpen(session: BrowserSession, nowMs: number): void {
  if (session.expiresAtMs <= nowMs) throw buildPageError('session-expired');
  if (session.codeTries >= MOST_TRIES) throw buildPageError('too-many-tries');
}

/** The landing page, once more with what was wrong if something was. */
export function sendLanding(ctx: Context, codeError?: 'empty' | 'rejected'): void {
  const session = sessionSlot.get(ctx);
  const page = renderLandingPage({
    ...frameOf(ctx),
    session,
    path: sessionPath(session.app, session.id),
    ...(codeError === undefined ? {} : { codeError }),
  });
  sendPage(ctx, page, codeError === undefined ? 200 : 422);
}
