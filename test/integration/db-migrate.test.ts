import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionStates } from '../../core/connection.ts';
import { dumpSchema } from '../../db/dump-schema.ts';
import { migrate, pendingMigrations } from '../../db/migrate.ts';
import { withClient } from '../rig/postgres-client.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../rig/test-database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe('migrations', () => {
  it('are all pending in an empty database, and run once for twenty that start together, as a plain owner', async () => {
    const empty = await createEmptyDatabase();
    const pending = await pendingMigrations(empty.ownerUrl);
    expect(pending.length).toBeGreaterThan(0);
    const runs = await Promise.all(Array.from({ length: 20 }, () => migrate(empty.ownerUrl)));
    expect(runs.filter(({ applied }) => applied.length > 0)).toEqual([{ applied: pending }]);
    expect(await pendingMigrations(empty.url)).toEqual([]);
    expect(await migrate(empty.ownerUrl)).toEqual({ applied: [] });
    await empty.drop();
  });

  it('tell an outage from a failure', async () => {
    const nowhere = 'postgres://nobody@127.0.0.1:1/none';
    const unavailable = { code: 'database-unavailable', details: { address: '127.0.0.1:1/none' } };
    await expect(migrate(nowhere)).rejects.toMatchObject(unavailable);
    await expect(pendingMigrations(nowhere)).rejects.toMatchObject(unavailable);
    // The application's role may not make tables: PostgreSQL's own word for it.
    const empty = await createEmptyDatabase();
    await expect(migrate(empty.url)).rejects.toThrow(/permission denied/);
    await empty.drop();
  });

  it('make the schema that schema.sql shows', async () => {
    const dump = await dumpSchema(database.ownerUrl);
    expect(dump).toContain('CREATE TABLE connections (');
    // A change on purpose: npx vitest run test/integration/db-migrate.test.ts -u
    await expect(dump).toMatchFileSnapshot('../../db/schema.sql');
  });

  it('allow exactly the states that the core knows', async () => {
    const { rows } = await withClient(database.url, (client) =>
      client.query<{ definition: string }>(
        `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conname = 'connections_state_check'`,
      ),
    );
    const states = [...(rows[0]?.definition ?? '').matchAll(/'([a-z-]+)'::text/g)].map(([, state]) => state);
    expect(states).toEqual([...connectionStates]);
  });

  it('make partitions for the coming months, and the application can make more without owning them', async () => {
    const partitions = async (client: pg.Client): Promise<readonly string[]> => {
      const { rows } = await client.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_class c WHERE c.relname ~ '^connection_events_[0-9]{4}_[0-9]{2}$' ORDER BY 1`,
      );
      return rows.map(({ name }) => name);
    };
    await withClient(database.url, async (client) => {
      const before = await partitions(client);
      expect(before).toHaveLength(3);
      const ensure = (day: string) => client.query('SELECT ensure_event_partitions($1, 2) AS made', [day]);
      expect((await ensure('2031-12-15')).rows).toEqual([{ made: 4 }]);
      expect((await ensure('2031-12-01')).rows).toEqual([{ made: 0 }]);
      expect(await partitions(client)).toEqual([...before, 'connection_events_2031_12', 'connection_events_2032_01']);
      await expect(client.query('DROP TABLE connection_events_2031_12')).rejects.toMatchObject({ code: '42501' });
    });
  });
});

describe("the application's role", () => {
  it('adds to the audit trail and reads it, but can neither change nor remove a row', async () => {
    await withClient(database.url, async (client) => {
      await client.query(`INSERT INTO apps (app, client_id, flow, principal, environment, landing, webhooks,
          required_scopes, allow_unverified, allow_password_login)
        VALUES ('roles', 'c', 'quick-connect', 'company', 'production', '{}', '[]', '{}', true, false)`);
      await client.query(`INSERT INTO connections (id, app, principal, principal_type, state, state_since, version,
          missing_scopes, rotations_on_day, failure_count, created_at)
        VALUES ('c1', 'roles', '0f4b1a3e-7b1c-4a55-8d34-000000000001', 'company', 'active', now(), 1, '{}', 0, 0, now())`);
      // One in a month's partition, one in a month for which there is none.
      await client.query(`INSERT INTO connection_events (connection_id, at, type, actor, version)
        VALUES ('c1', now(), 'a.b', 'workflow', 1), ('c1', '1999-01-01', 'a.b', 'workflow', 1)`);
      expect((await client.query('SELECT type FROM connection_events')).rows).toHaveLength(2);
      const forbidden = [
        `UPDATE connection_events SET actor = 'nobody'`,
        'DELETE FROM connection_events',
        'TRUNCATE connection_events',
        'DELETE FROM connection_events_default',
        'DROP TABLE connection_events',
        'DELETE FROM connections',
        'UPDATE installation SET mode = mode',
        'DELETE FROM data_keys',
        'CREATE TABLE more (n int)',
      ];
      for (const text of forbidden) await expect(client.query(text), text).rejects.toMatchObject({ code: '42501' });
    });
  });
});
