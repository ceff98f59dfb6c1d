import type { ConnectSession } from '../core/aggregate.ts';
import type { ConnectionKey } from '../core/connection.ts';
import type { IntakeKind } from '../core/intake-kind.ts';
import type { BrowserSession, SignInTicket } from '../core/stores.ts';
import { type Columns, msOf, timeOf } from './columns.ts';

/** A row of `connect_sessions`, as `pg` reads it. */
export interface SessionRow {
  readonly id: string;
  readonly app: string;
  /** Null until it is known. */
  readonly principal: string | null;
  readonly kind: IntakeKind;
  readonly data_centre: string | null;
  /** Null for a connect that came without a browser. */
  readonly cookie_hash: string | null;
  readonly csrf: string | null;
  readonly ref: string | null;
  readonly ticket_id: string | null;
  readonly ticket_customer_ref: string | null;
  readonly ticket_expires_at: Date | null;
  readonly ticket_presented_at: Date | null;
  readonly user_id: string | null;
  readonly status: BrowserSession['status'];
  readonly failure: string | null;
  readonly code_tries: number;
  readonly request_token: string | null;
  readonly request_token_fingerprint: string | null;
  readonly customer_ref: string | null;
  readonly uses: number;
  readonly next_try_at: Date | null;
  readonly created_at: Date;
  readonly last_seen_at: Date;
  readonly expires_at: Date;
}

/** What a connection's transaction writes of a session; it also inserts those that came without a browser. */
export const connectSessionColumns: Columns<ConnectSession & ConnectionKey> = {
  id: ({ id }) => id,
  app: ({ app }) => app,
  principal: ({ principal }) => principal,
  user_id: ({ userId }) => userId,
  status: ({ status }) => status,
  failure: ({ failure }) => failure,
  kind: ({ kind }) => kind,
  data_centre: ({ dataCentre }) => dataCentre,
  request_token: ({ requestToken }) => requestToken,
  customer_ref: ({ customerRef }) => customerRef,
  uses: ({ uses }) => uses,
  next_try_at: ({ nextTryAtMs }) => timeOf(nextTryAtMs),
  created_at: ({ nextTryAtMs }) => timeOf(nextTryAtMs),
  last_seen_at: ({ nextTryAtMs }) => timeOf(nextTryAtMs),
  expires_at: ({ expiresAtMs }) => timeOf(expiresAtMs),
  // From the moment on that its principal is known, the answer belongs to an attempt of that connection.
  open_until: () => null,
  answer: () => null,
  answer_sent_at: () => null,
};

/** Columns of a session that a connection's transaction leaves as they are. */
export const connectSessionKeeps: Readonly<Record<string, string>> = {
  app: 'connect_sessions.app',
  // Unknown until the first transaction of the connection that it turned out to be for.
  principal: 'coalesce(connect_sessions.principal, excluded.principal)',
  created_at: 'connect_sessions.created_at',
  last_seen_at: 'connect_sessions.last_seen_at',
};

/** A session whose landing page is completed, as the connection's transactions see it. */
export function buildConnectSession(row: SessionRow): ConnectSession {
  return {
    id: row.id,
    kind: row.kind,
    requestToken: row.request_token,
    dataCentre: row.data_centre,
    userId: row.user_id,
    customerRef: row.customer_ref,
    status: row.status === 'connected' || row.status === 'failed' ? row.status : 'completed',
    uses: row.uses,
    nextTryAtMs: msOf(row.next_try_at ?? row.created_at),
    expiresAtMs: msOf(row.expires_at),
    failure: row.failure,
  };
}

/** Null for a session that no browser belongs to. */
export function buildBrowserSession(row: SessionRow): BrowserSession | null {
  if (row.cookie_hash === null || row.csrf === null || row.ref === null) return null;
  return {
    id: row.id,
    app: row.app,
    principal: row.principal,
    kind: row.kind,
    dataCentre: row.data_centre,
    cookieHash: row.cookie_hash,
    csrf: row.csrf,
    ref: row.ref,
    ticket: buildTicket(row),
    requestTokenFingerprint: row.request_token_fingerprint ?? '',
    userId: row.user_id,
    status: row.status,
    failure: row.failure,
    codeTries: row.code_tries,
    createdAtMs: msOf(row.created_at),
    lastSeenAtMs: msOf(row.last_seen_at),
    expiresAtMs: msOf(row.expires_at),
  };
}

/** The ticket of a row, null when it has none. */
export function buildTicket(row: SessionRow): SignInTicket | null {
  const { ticket_id: id, ticket_customer_ref: customerRef, ticket_expires_at: expiresAt } = row;
  if (id === null || customerRef === null || expiresAt === null) return null;
  return { id, customerRef, expiresAtMs: msOf(expiresAt), isPresented: row.ticket_presented_at !== null };
}
