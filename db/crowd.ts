/** The brake on file: terminal evidence of the last hour, and where the brake is on. */
import type { Pool } from 'pg';
import { CROWD_WINDOW_MS } from '../core/brake.ts';
import type { Crowd, CrowdQuestion } from '../core/crowd.ts';
import type { Changes } from '../core/aggregate.ts';
import type { Connection } from '../core/connection.ts';
import type { BrakeStore } from '../core/stores.ts';
import { writeAudit } from './audit-store.ts';
import { msOf, timeOf } from './columns.ts';
import { lockKey, query, type Send, type Statement, transact } from './query.ts';

/** Deaths of one app in one data centre are decided one after the other. */
export function crowdLock(app: string, dataCentre: string): bigint {
  return lockKey('crowd', app, dataCentre);
}

interface CrowdRow {
  readonly connections: number;
  readonly recent_deaths: number;
  readonly tripped_at: Date | null;
  readonly released_at: Date | null;
  readonly own_evidence_at: Date | null;
}

/** Reads what the brake goes by; the caller holds the {@link crowdLock}. */
export async function loadCrowd(
  send: Send,
  connection: Connection,
  { dataCentre, nowMs }: CrowdQuestion,
): Promise<Crowd> {
  const [found] = await send({
    text: `SELECT
        (SELECT count(*)::int FROM connections
          WHERE app = $1 AND data_centre = $2 AND state NOT IN ('revoked', 'connect-failed')) AS connections,
        (SELECT count(*)::int FROM terminal_evidence e
          WHERE e.app = $1 AND e.data_centre = $2 AND e.connection_id <> $3
            AND e.at > $4
            AND (b.released_at IS NULL OR e.at > b.released_at)) AS recent_deaths,
        b.tripped_at, b.released_at,
        (SELECT at FROM terminal_evidence WHERE connection_id = $3) AS own_evidence_at
      FROM (SELECT 1) AS one LEFT JOIN brakes b ON b.app = $1 AND b.data_centre = $2`,
    values: [connection.app, dataCentre, connection.id, timeOf(nowMs - CROWD_WINDOW_MS)],
  });
  const row: CrowdRow | undefined = found?.rows[0];
  if (row === undefined) throw new Error('the crowd has no row');
  return {
    connections: row.connections,
    recentDeaths: row.recent_deaths,
    isBrakeOn: row.tripped_at !== null && (row.released_at === null || row.released_at < row.tripped_at),
    releasedAtMs: row.released_at === null ? null : msOf(row.released_at),
    ownEvidenceAtMs: row.own_evidence_at === null ? null : msOf(row.own_evidence_at),
  };
}

export function writeEvidence(
  { id, app }: Connection,
  { dataCentre, atMs, tripsBrake }: NonNullable<Changes['terminalEvidence']>,
): Statement[] {
  const at = timeOf(atMs);
  const evidence = {
    text: `INSERT INTO terminal_evidence (connection_id, app, data_centre, at) VALUES ($1, $2, $3, $4)
      ON CONFLICT (connection_id) DO UPDATE SET app = excluded.app, data_centre = excluded.data_centre, at = excluded.at`,
    values: [id, app, dataCentre, at],
  };
  const brake = {
    text: `INSERT INTO brakes (app, data_centre, tripped_at) VALUES ($1, $2, $3)
      ON CONFLICT (app, data_centre) DO UPDATE SET tripped_at = excluded.tripped_at`,
    values: [app, dataCentre, at],
  };
  return tripsBrake ? [evidence, brake] : [evidence];
}

/** Where a brake was ever on, and whether it is now, for every app. Throws `database-unavailable`. */
export async function manyBrakes(pool: Pool): Promise<readonly { app: string; dataCentre: string; isOn: boolean }[]> {
  const { rows } = await query<{ app: string; data_centre: string; is_on: boolean }>(
    pool,
    `SELECT app, data_centre, released_at IS NULL OR released_at < tripped_at AS is_on
     FROM brakes ORDER BY app, data_centre`,
  );
  return rows.map(({ app, data_centre, is_on }) => ({ app, dataCentre: data_centre, isOn: is_on }));
}

/** {@link BrakeStore} on PostgreSQL. */
export function createBrakeStore(pool: Pool): BrakeStore {
  return {
    async many(app) {
      const { rows } = await query<{ data_centre: string; tripped_at: Date; released_at: Date | null }>(
        pool,
        'SELECT data_centre, tripped_at, released_at FROM brakes WHERE app = $1 ORDER BY data_centre',
        [app],
      );
      return rows.map(({ data_centre, tripped_at, released_at }) => ({
        dataCentre: data_centre,
        trippedAtMs: msOf(tripped_at),
        releasedAtMs: released_at === null ? null : msOf(released_at),
      }));
    },

    release: (app, atMs, act) =>
      transact(pool, {}, async (send) => {
        const [released] = await send({
          text: `UPDATE brakes SET released_at = greatest($2, tripped_at)
            WHERE app = $1 AND (released_at IS NULL OR released_at < tripped_at) RETURNING data_centre`,
          values: [app, timeOf(atMs)],
        });
        const rows: { data_centre: string }[] = released?.rows ?? [];
        const result = rows.map(({ data_centre }) => data_centre).sort();
        const event = { type: 'app.brake-released', app, subject: app, atMs, facts: { dataCentres: result } };
        return { result, writes: result.length === 0 ? [] : [writeAudit(act, event)] };
      }),
  };
}
