import type { Pool } from 'pg';
import type { BrowserSession, NewBrowserSession, SessionStore } from '../core/stores.ts';
import { type Columns, buildInsert, timeOf } from './columns.ts';
import { completeSession } from './complete-session.ts';
import { query } from './query.ts';
import { buildBrowserSession, type SessionRow } from './session-row.ts';
import { createTicketMethods } from './session-ticket.ts';

/** Browsers that a request token is looked for in: it has one, or a few when somebody passes the link on. */
const MOST_BROWSERS = 100;

/** {@link SessionStore} on PostgreSQL. Every method throws `database-unavailable` for an outage. */
export function createSessionStore(pool: Pool): SessionStore {
  return {
    async open(session) {
      const { text, values } = buildInsert('connect_sessions', newSessionColumns, session);
      await query(pool, text, values);
    },

    maybeOne: (app, id) => maybeOne(pool, app, id),

    async maybeOneByRef(ref) {
      const { rows } = await query<SessionRow>(pool, 'SELECT * FROM connect_sessions WHERE ref = $1', [ref]);
      return rows[0] === undefined ? null : buildBrowserSession(rows[0]);
    },

    async manyByRequestToken(app, requestTokenFingerprint) {
      const { rows } = await query<SessionRow>(
        pool,
        `SELECT * FROM connect_sessions WHERE app = $1 AND request_token_fingerprint = $2
         ORDER BY created_at DESC, id LIMIT $3`,
        [app, requestTokenFingerprint, MOST_BROWSERS],
      );
      return rows.map(buildBrowserSession).filter((session) => session !== null);
    },

    async touch(id, atMs) {
      await query(pool, 'UPDATE connect_sessions SET last_seen_at = greatest(last_seen_at, $2) WHERE id = $1', [
        id,
        timeOf(atMs),
      ]);
    },

    ...createTicketMethods(pool),

    complete: (input, decide) => completeSession(pool, input, decide),
  };
}

const newSessionColumns: Columns<NewBrowserSession> = {
  id: ({ id }) => id,
  app: ({ app }) => app,
  principal: ({ principal }) => principal,
  kind: ({ kind }) => kind,
  data_centre: ({ dataCentre }) => dataCentre,
  cookie_hash: ({ cookieHash }) => cookieHash,
  csrf: ({ csrf }) => csrf,
  ref: ({ ref }) => ref,
  user_id: ({ userId }) => userId,
  status: () => 'open',
  request_token: ({ requestToken }) => requestToken,
  request_token_fingerprint: ({ requestTokenFingerprint }) => requestTokenFingerprint,
  address_fingerprint: ({ addressFingerprint }) => addressFingerprint,
  created_at: ({ createdAtMs }) => timeOf(createdAtMs),
  last_seen_at: ({ createdAtMs }) => timeOf(createdAtMs),
  expires_at: ({ expiresAtMs }) => timeOf(expiresAtMs),
};

async function maybeOne(pool: Pool, app: string, id: string): Promise<BrowserSession | null> {
  const { rows } = await query<SessionRow>(pool, 'SELECT * FROM connect_sessions WHERE app = $1 AND id = $2', [
    app,
    id,
  ]);
  return rows[0] === undefined ? null : buildBrowserSession(rows[0]);
}
