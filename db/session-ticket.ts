/**
 * Tickets of landing mode `sign-in`. A visit has one at most: a new one takes the place of the one before, with the
 * customer that it was made for, so that what is completed is what the last page named.
 */
import type { Pool } from 'pg';
import type { SessionStore } from '../core/stores.ts';
import { writeAudit } from './audit-store.ts';
import { timeOf } from './columns.ts';
import { query, type Send, type Statement, transact } from './query.ts';
import { buildTicket, type SessionRow } from './session-row.ts';

type TicketMethods = Pick<SessionStore, 'issueTicket' | 'presentTicket' | 'dropTicket'>;

const NO_TICKET = 'ticket_id = NULL, ticket_customer_ref = NULL, ticket_expires_at = NULL, ticket_presented_at = NULL';

/** See {@link SessionStore}. */
export function createTicketMethods(pool: Pool): TicketMethods {
  return {
    issueTicket: ({ app, id, ticketId, customerRef, nowMs, expiresAtMs }, act) =>
      transact(pool, {}, async (send) => {
        const [changed] = await send({
          text: `UPDATE connect_sessions SET ticket_id = $3, ticket_customer_ref = $4, ticket_expires_at = $5,
              ticket_presented_at = NULL, last_seen_at = greatest(last_seen_at, $6)
            WHERE app = $1 AND id = $2 AND status = 'open' AND expires_at > $6 RETURNING principal`,
          values: [app, id, ticketId, customerRef, timeOf(expiresAtMs), timeOf(nowMs)],
        });
        const row: Pick<SessionRow, 'principal'> | undefined = changed?.rows[0];
        if (row === undefined) return { result: false, writes: [] };
        const facts = { principal: row.principal, customerRef };
        const event = { type: 'session.signed-in', app, subject: id, facts, atMs: nowMs };
        return { result: true, writes: [writeAudit(act, event)] };
      }),

    async presentTicket({ app, id, ticketId, nowMs }) {
      const { rowCount } = await query(
        pool,
        `UPDATE connect_sessions SET ticket_presented_at = coalesce(ticket_presented_at, $4)
         WHERE app = $1 AND id = $2 AND ticket_id = $3 AND status = 'open' AND ticket_expires_at > $4`,
        [app, id, ticketId, timeOf(nowMs)],
      );
      return rowCount === 1;
    },

    dropTicket: ({ app, id, ticketId, nowMs }, act) =>
      transact(pool, {}, async (send) => {
        const [changed] = await send({
          text: `UPDATE connect_sessions SET ${NO_TICKET}
            WHERE app = $1 AND id = $2 AND ticket_id = $3 AND status = 'open' AND ticket_presented_at IS NULL`,
          values: [app, id, ticketId],
        });
        const result = changed?.rowCount === 1;
        const event = { type: 'session.ticket-dropped', app, subject: id, atMs: nowMs };
        return { result, writes: result ? [writeAudit(act, event)] : [] };
      }),
  };
}

/** Uses the ticket up and names the connect's customer; what was wrong with it, null when nothing was. */
export async function spendTicket(
  send: Send,
  session: SessionRow,
  { ticketId, nowMs }: { readonly ticketId: string; readonly nowMs: number },
): Promise<'ticket-rejected' | 'ticket-expired' | null> {
  const ticket = buildTicket(session);
  if (ticket === null || ticket.id !== ticketId) return 'ticket-rejected';
  if (ticket.expiresAtMs <= nowMs) return 'ticket-expired';
  const spend: Statement = {
    text: `UPDATE connect_sessions SET customer_ref = ticket_customer_ref, ${NO_TICKET} WHERE id = $1`,
    values: [session.id],
  };
  await send(spend);
  return null;
}
