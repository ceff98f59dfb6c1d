import type { Pool } from 'pg';
import { AppError } from '../core/errors.ts';
import type { IntakeStore } from '../core/stores.ts';
import type { Act } from '../core/audit-entry.ts';
import type { Decision, UnidentifiedConnect, UnidentifiedEnding } from '../core/unidentified.ts';
import { buildTrouble, type TroubleRow, troubleSelection, writeTrouble } from './app-trouble.ts';
import { writeAudit } from './audit-store.ts';
import { type Columns, buildInsert, buildUpsert, msOf, timeOf } from './columns.ts';
import { query, type Statement, transact } from './query.ts';
import type { SessionRow } from './session-row.ts';

/** {@link IntakeStore} on PostgreSQL. Every method throws `database-unavailable` for an outage. */
export function createIntakeStore(pool: Pool): IntakeStore {
  return {
    open: (intake, act) =>
      transact(pool, {}, async (send) => {
        const { id: subject, app, kind, dataCentre, nextTryAtMs: atMs } = intake;
        const [made] = await send(
          buildInsert('connect_sessions', intakeColumns, intake, 'ON CONFLICT (id) DO NOTHING'),
        );
        const event = { type: 'connect.asked', app, subject, facts: { kind, dataCentre }, atMs };
        return { result: undefined, writes: made?.rowCount === 1 ? [writeAudit(act, event)] : [] };
      }),

    async maybeOne(app, id) {
      const { rows } = await query<IntakeRow>(pool, select, [app, id]);
      return rows[0] === undefined ? null : buildIntake(rows[0]);
    },

    transact: (app, id, decide) =>
      transact(pool, {}, async (send) => {
        const [found, troubles] = await send(
          { text: `${select} FOR UPDATE`, values: [app, id] },
          { text: `${troubleSelection} WHERE app = $1`, values: [app] },
        );
        const row: IntakeRow | undefined = found?.rows[0];
        if (row === undefined) throw new AppError('not-found', 'No such connect session', { details: { app } });
        const troubleRows: TroubleRow[] = troubles?.rows ?? [];
        const decision = decide({ row: buildIntake(row), appTroubles: troubleRows.map(buildTrouble) });
        return { result: decision.result, writes: buildWrites(app, decision) };
      }),

    async manyOverdue({ dueByMs, limit }) {
      const { rows } = await query<IntakeRow>(
        pool,
        `SELECT * FROM connect_sessions WHERE status = 'completed' AND principal IS NULL AND next_try_at <= $1
         ORDER BY next_try_at LIMIT $2`,
        [timeOf(dueByMs), limit],
      );
      return rows.map(buildIntake);
    },
  };
}

function buildWrites(app: string, { after, appTrouble, ending }: Decision<unknown>): Statement[] {
  const writes: Statement[] = [];
  if (appTrouble !== undefined) writes.push(writeTrouble(app, appTrouble));
  if (after === undefined) return writes;
  writes.push(buildUpsert('connect_sessions', intakeColumns, after, { key: 'id', keep: kept }));
  if (ending !== undefined) writes.push(writeAudit(workflowAct(ending), endingOf(after, ending)));
  return writes;
}

function workflowAct({ reason, correlationId }: UnidentifiedEnding): Act {
  return { actor: 'workflow', reason, correlationId };
}

function endingOf({ id: subject, app, kind, failure }: UnidentifiedConnect, ending: UnidentifiedEnding) {
  const { concurCode, disposal = null } = ending;
  return { type: 'connect.failed', app, subject, facts: { kind, failure, concurCode, disposal }, atMs: Date.now() };
}

const select = `SELECT * FROM connect_sessions WHERE app = $1 AND id = $2 AND status IN ('completed', 'connected', 'failed')`;

interface IntakeRow extends SessionRow {
  readonly status: UnidentifiedConnect['status'];
  readonly actor: string | null;
  readonly open_until: Date | null;
  readonly answer: string | null;
  readonly answer_sent_at: Date | null;
}

const intakeColumns: Columns<UnidentifiedConnect> = {
  id: ({ id }) => id,
  app: ({ app }) => app,
  principal: ({ principal }) => principal,
  kind: ({ kind }) => kind,
  data_centre: ({ dataCentre }) => dataCentre,
  customer_ref: ({ customerRef }) => customerRef,
  actor: ({ actor }) => actor,
  request_token: ({ credential }) => credential,
  uses: ({ uses }) => uses,
  status: ({ status }) => status,
  failure: ({ failure }) => failure,
  next_try_at: ({ nextTryAtMs }) => timeOf(nextTryAtMs),
  created_at: ({ nextTryAtMs }) => timeOf(nextTryAtMs),
  last_seen_at: ({ nextTryAtMs }) => timeOf(nextTryAtMs),
  expires_at: ({ expiresAtMs }) => timeOf(expiresAtMs),
  open_until: ({ openUntilMs }) => timeOf(openUntilMs),
  answer: ({ answer }) => answer,
  answer_sent_at: ({ answerSentAtMs }) => timeOf(answerSentAtMs),
};

/** What these transactions leave as it is: the browser's part, and whose connection it turned out to be. */
const kept = {
  app: 'connect_sessions.app',
  principal: 'connect_sessions.principal',
  created_at: 'connect_sessions.created_at',
  last_seen_at: 'connect_sessions.last_seen_at',
};

function buildIntake(row: IntakeRow): UnidentifiedConnect {
  return {
    id: row.id,
    app: row.app,
    kind: row.kind,
    dataCentre: row.data_centre,
    principal: row.principal,
    customerRef: row.customer_ref,
    actor: row.actor ?? 'concur-admin',
    credential: row.request_token,
    uses: row.uses,
    status: row.status,
    failure: row.failure,
    nextTryAtMs: msOf(row.next_try_at ?? row.created_at),
    expiresAtMs: msOf(row.expires_at),
    openUntilMs: msOf(row.open_until),
    answer: row.answer,
    answerSentAtMs: msOf(row.answer_sent_at),
  };
}
