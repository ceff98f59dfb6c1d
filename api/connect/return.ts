/**
 * The way back from the partner's site. Two proofs have to meet: the cookie of the browser in which Connect was
 * pressed, and the ticket that the partner gave to the browser in which its user signed in. Whoever lures somebody
 * else's user to the partner's site has the cookie and not the ticket, the victim the ticket and not the cookie.
 */
import type { BrowserSession } from '../../core/stores.ts';
import { renderSignedInPage } from '../../web/signed-in-page.ts';
import type { ApiDeps } from '../deps.ts';
import { requestIdSlot } from '../middleware/request-id.ts';
import type { Context, Step } from '../route.ts';
import { appSlot } from './find-app.ts';
import { sessionSlot } from './find-session.ts';
import { frameOf } from './frame.ts';
import { assertOpen } from './landing.ts';
import { buildPageError } from './page-error.ts';
import { seeOther, sendPage, sessionPath } from './redirect.ts';
import { assertTicketAlive, buildSignInError, buildTicket, isTicketOf, oneTicket } from './ticket.ts';

type ReturnDeps = Pick<ApiDeps, 'vault' | 'clock' | 'sessions'>;

/** Takes the ticket out of the address, then shows the last page. */
export function showReturn({ vault, clock, sessions }: ReturnDeps): Step {
  return async (ctx) => {
    const session = sessionSlot.get(ctx);
    const path = sessionPath(session.app, session.id);
    if (session.status !== 'open') return seeOther(ctx, `${path}/progress`);
    const nowMs = clock.now();
    assertOpen(session, nowMs);
    if (appSlot.get(ctx).landing.mode !== 'sign-in') return seeOther(ctx, path);
    const given = maybeTicket(ctx);
    if (given === null) return await sendLastPage(ctx, session, nowMs);
    const { id: ticketId } = await oneTicket(vault, session, given, nowMs);
    const isTaken = await sessions.presentTicket({ app: session.app, id: session.id, ticketId, nowMs });
    if (!isTaken) throw buildSignInError('sign-in-rejected', session);
    seeOther(ctx, `${path}/return`);
  };

  async function sendLastPage(ctx: Context, session: BrowserSession, nowMs: number): Promise<void> {
    const { ticket } = session;
    if (ticket === null || !ticket.isPresented) throw buildSignInError('not-signed-in', session);
    assertTicketAlive(session, ticket, nowMs);
    const page = renderSignedInPage({
      ...frameOf(ctx),
      session,
      customerRef: ticket.customerRef,
      ticket: await buildTicket(vault, session.id, ticket.id),
      landingPath: sessionPath(session.app, session.id),
    });
    sendPage(ctx, page);
  }
}

/**
 * For a browser that is not the session's: it is told that nothing has been connected, and what it brought is void
 * from now on, so that nobody can take it to the browser that holds the cookie.
 */
export function refuseStrangersReturn({ vault, clock, sessions }: ReturnDeps) {
  return async (ctx: Context, session: BrowserSession): Promise<never> => {
    const given = maybeTicket(ctx);
    if (given !== null && session.ticket !== null && (await isTicketOf(vault, session, given))) {
      const ticket = { app: session.app, id: session.id, ticketId: session.ticket.id, nowMs: clock.now() };
      const correlationId = requestIdSlot.get(ctx);
      await sessions.dropTicket(ticket, { actor: 'other-browser', reason: null, correlationId });
    }
    throw buildPageError('foreign-sign-in');
  };
}

/** Null where the address has none; one that comes twice is none that was made here. */
function maybeTicket(ctx: Context): string | null {
  const given = new URLSearchParams(ctx.querystring).getAll('ticket');
  return given.length === 0 ? null : given.join(' ');
}
