/**
 * What is written where nobody has Temporal: rows with a due time, lanes that take one row at a time with
 * `FOR UPDATE SKIP LOCKED`, call, and commit what came. Tokens in the clear, no audit, one reaction to every error: later.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { fetch } from 'undici';
import { announceReady } from '../../runtime/ready.ts';

const LANES = 20;
const IDLE_MS = 100;
const { DATABASE_URL, TOKEN_URL = '', CLIENT_ID = '', CLIENT_SECRET = '', AHEAD = '0.667' } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: LANES });

interface Row {
  readonly id: string;
  readonly refresh_token: string;
}

interface Answer {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly expires_in: string | number;
}

async function refreshOne(): Promise<boolean> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query<Row>(
      `SELECT id, refresh_token FROM rival_connections WHERE due_at <= now() ORDER BY due_at
       LIMIT 1 FOR UPDATE SKIP LOCKED`,
    );
    const row = rows[0];
    if (row === undefined) {
      await client.query('ROLLBACK');
      return false;
    }
    const form = { client_id: CLIENT_ID, client_secret: CLIENT_SECRET, grant_type: 'refresh_token' };
    const response = await fetch(TOKEN_URL, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ ...form, refresh_token: row.refresh_token }).toString(),
    });
    if (response.ok) {
      const answer = (await response.json()) as Answer;
      await client.query(
        `UPDATE rival_connections SET access_token = $2, refresh_token = $3, version = version + 1,
                due_at = now() + $4::float8 * interval '1 second' WHERE id = $1`,
        [
          row.id,
          answer.access_token,
          answer.refresh_token ?? row.refresh_token,
          Number(answer.expires_in) * Number(AHEAD),
        ],
      );
    } else {
      await response.body?.cancel();
      await client.query(
        `UPDATE rival_connections SET failures = failures + 1, due_at = now() + interval '1 minute' WHERE id = $1`,
        [row.id],
      );
    }
    await client.query('COMMIT');
    return true;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}

async function lane(): Promise<void> {
  for (;;) {
    const found = await refreshOne().catch(() => false);
    if (!found) await pause(IDLE_MS);
  }
}

process.once('SIGTERM', () => process.exit(0));
announceReady(null);
await Promise.all(Array.from({ length: LANES }, lane));
