/** The trail of the installation, and the trail of who read which token. */
import type { Pool } from 'pg';
import type { Act, InstallationEvent } from '../core/audit-entry.ts';
import type { AuditStore, StoredInstallationEvent, TokenRead } from '../core/stores.ts';
import { buildInsert, type Columns, msOf, timeOf } from './columns.ts';
import { assertLimit } from './cursor.ts';
import { query, type Statement, transact } from './query.ts';

/** What the apps file brings at a start of the API. */
export const APPS_FILE: Act = { actor: 'apps-file', reason: null, correlationId: null };

const auditColumns: Columns<InstallationEvent> = {
  at: ({ atMs }) => timeOf(atMs),
  type: ({ type }) => type,
  actor: ({ actor }) => actor,
  app: ({ app }) => app,
  subject: ({ subject }) => subject,
  reason: ({ reason }) => reason,
  correlation_id: ({ correlationId }) => correlationId,
  facts: ({ facts }) => JSON.stringify(facts),
};

/** For the transaction of the change that it tells of. */
export function writeAudit(
  { actor, reason, correlationId }: Act,
  event: Omit<InstallationEvent, keyof Act | 'facts'> & Partial<Pick<InstallationEvent, 'facts'>>,
): Statement {
  return buildInsert('audit_events', auditColumns, { facts: {}, ...event, actor, reason, correlationId });
}

interface AuditRow {
  readonly id: string;
  readonly at: Date;
  readonly type: string;
  readonly actor: string;
  readonly app: string | null;
  readonly subject: string | null;
  readonly reason: string | null;
  readonly correlation_id: string | null;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** {@link AuditStore} on PostgreSQL. Every method throws `database-unavailable` for an outage. */
export function createAuditStore(pool: Pool): AuditStore {
  return {
    async manyOfApp(app, limit) {
      assertLimit(limit);
      const { rows } = await query<AuditRow>(
        pool,
        `SELECT id, at, type, actor, app, subject, reason, correlation_id, facts FROM audit_events
         WHERE app = $1 ORDER BY at DESC, id DESC LIMIT $2`,
        [app, limit],
      );
      return rows.map(buildEvent);
    },

    async recordReads(reads) {
      for (const round of roundsOf(reads)) await recordRound(pool, round);
    },
  };
}

function buildEvent(row: AuditRow): StoredInstallationEvent {
  return {
    id: row.id,
    atMs: msOf(row.at),
    type: row.type,
    actor: row.actor,
    app: row.app,
    subject: row.subject,
    reason: row.reason,
    correlationId: row.correlation_id,
    facts: row.facts,
  };
}

/** A statement can touch the row of a connection and client once: several versions of one go one after the other. */
function roundsOf(reads: readonly TokenRead[]): readonly (readonly TokenRead[])[] {
  const rounds: TokenRead[][] = [];
  const taken = new Map<string, number>();
  for (const read of reads.toSorted((one, other) => one.version - other.version)) {
    const id = `${read.app}:${read.principal}:${read.actor}`;
    const round = taken.get(id) ?? 0;
    taken.set(id, round + 1);
    (rounds[round] ??= []).push(read);
  }
  return rounds;
}

/** Who was first is decided by the row of connection and client, so that several processes write one event. */
async function recordRound(pool: Pool, reads: readonly TokenRead[]): Promise<void> {
  const text = `WITH given AS (
      SELECT c.id AS connection_id, r.actor, r.version, to_timestamp(r.at_ms / 1000) AS at, r.correlation_id
      FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::float8[], $6::text[])
        AS r (app, principal, actor, version, at_ms, correlation_id)
        JOIN connections c ON c.app = r.app AND c.principal = r.principal
    ), firsts AS (
      INSERT INTO token_readers AS t (connection_id, actor, version)
      SELECT connection_id, actor, version FROM given ORDER BY connection_id, actor
      ON CONFLICT (connection_id, actor) DO UPDATE SET version = excluded.version WHERE t.version < excluded.version
      RETURNING connection_id, actor
    )
    INSERT INTO connection_events (connection_id, at, type, actor, version, correlation_id)
    SELECT connection_id, at, 'token.read', actor, version, correlation_id FROM given JOIN firsts USING (connection_id, actor)`;
  const values = [
    reads.map(({ app }) => app),
    reads.map(({ principal }) => principal),
    reads.map(({ actor }) => actor),
    reads.map(({ version }) => version),
    reads.map(({ atMs }) => atMs),
    reads.map(({ correlationId }) => correlationId),
  ];
  await transact(pool, {}, async () => ({ result: undefined, writes: [{ text, values }] }));
}
