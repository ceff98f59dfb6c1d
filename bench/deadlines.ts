import type pg from 'pg';
import { percentile } from './statistics.ts';

/** When each connection is due, and which version it is at. */
export type Deadlines = ReadonlyMap<string, { readonly version: number; readonly dueAtMs: number }>;

interface Row {
  readonly id: string;
  readonly version: number;
  readonly due: string;
  readonly sent: string;
  readonly now: string;
}

export interface Lateness {
  /** Connections that were refreshed in between. */
  readonly refreshed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
}

export async function readDeadlines(database: pg.Pool): Promise<Deadlines> {
  return new Map((await read(database)).map(({ id, version, due }) => [id, { version, dueAtMs: Number(due) }]));
}

/**
 * How late the calls were that have been sent since. What was due and has not been refreshed yet is at least as late as
 * it is now.
 */
export async function readLateness(database: pg.Pool, before: Deadlines): Promise<Lateness> {
  const lateMs: number[] = [];
  let refreshed = 0;
  for (const { id, version, due, sent, now } of await read(database)) {
    const known = before.get(id);
    if (known === undefined) continue;
    if (version > known.version) {
      refreshed += 1;
      lateMs.push(Math.max(0, Number(sent) - known.dueAtMs));
    } else if (Number(due) <= Number(now)) {
      lateMs.push(Number(now) - Number(due));
    }
  }
  return {
    refreshed,
    p50Ms: percentile(lateMs, 50),
    p99Ms: percentile(lateMs, 99),
    mostMs: percentile(lateMs, 100),
  };
}

async function read(database: pg.Pool): Promise<readonly Row[]> {
  const ms = (time: string): string => `round(extract(epoch FROM ${time}) * 1000)::text`;
  const { rows } = await database.query<Row>(
    `SELECT id, version, ${ms('next_action_at')} AS due, ${ms('access_token_sent_at')} AS sent, ${ms('clock_timestamp()')} AS now
     FROM connections`,
  );
  return rows;
}
