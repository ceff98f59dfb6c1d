/**
 * The ticket that an administrator brings back from the partner's site. It is made from its number with a key of the
 * vault, so that it is stored nowhere, and yet the last page can put it into its form after it has left the address.
 */
import type { Vault } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import type { BrowserSession, SignInTicket } from '../../core/stores.ts';
import { buildPageError } from './page-error.ts';
import { isSameText } from './proofs.ts';
import { sessionPath } from './redirect.ts';

/** From the partner's word until the last page is sent. */
export const TICKET_TTL_MS = 120_000;

/** The ticket with that number; 256 bits that only this vault can make. */
export function buildTicket(vault: Vault, sessionId: string, ticketId: string): Promise<string> {
  return vault.fingerprint(new Secret(`${sessionId}:${ticketId}`), 'sign-in-ticket');
}

/** Whether that is the session's ticket, however old. */
export async function isTicketOf(vault: Vault, session: BrowserSession, given: string): Promise<boolean> {
  return session.ticket !== null && isSameText(given, await buildTicket(vault, session.id, session.ticket.id));
}

/** The session's ticket if that is the one. Throws a page that leads back to the sign-in: none, a wrong or an old one. */
export async function oneTicket(
  vault: Vault,
  session: BrowserSession,
  given: string,
  nowMs: number,
): Promise<SignInTicket> {
  const { ticket } = session;
  if (given === '') throw buildSignInError('not-signed-in', session);
  if (ticket === null || !(await isTicketOf(vault, session, given))) {
    throw buildSignInError('sign-in-rejected', session);
  }
  assertTicketAlive(session, ticket, nowMs);
  return ticket;
}

/** Throws the page for a ticket that is too old. */
export function assertTicketAlive(session: BrowserSession, ticket: SignInTicket, nowMs: number): void {
  if (ticket.expiresAtMs <= nowMs) throw buildSignInError('sign-in-expired', session);
}

/** A page from which it goes back to the landing page, and so to the partner's site. */
export function buildSignInError(
  topic: 'not-signed-in' | 'sign-in-rejected' | 'sign-in-expired',
  { app, id }: BrowserSession,
): Error {
  return buildPageError(topic, { goOn: sessionPath(app, id) });
}
