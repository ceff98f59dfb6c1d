import { Connection } from '@temporalio/client';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { withClient } from '../rig/postgres-client.ts';
import { createEmptyDatabase, createTestDatabase } from '../rig/test-database.ts';
import { createTestTemporal } from '../rig/test-temporal.ts';

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  return await withClient(url, async (client) => (await client.query(text)).rows);
}

describe('a test database', () => {
  it('is migrated, and apart from every other', async () => {
    const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    try {
      await query(one.ownerUrl, 'CREATE TABLE only_here (id integer)');
      expect(await query(one.ownerUrl, `SELECT to_regclass('connections') IS NOT NULL AS found`)).toEqual([
        { found: true },
      ]);
      expect(await query(other.ownerUrl, `SELECT to_regclass('only_here') AS found`)).toEqual([{ found: null }]);
    } finally {
      await Promise.all([one.drop(), other.drop()]);
    }
  });

  it('lets the application read connections and not own them', async () => {
    const database = await createTestDatabase();
    try {
      expect(await query(database.url, 'SELECT count(*)::int AS n FROM connections')).toEqual([{ n: 0 }]);
      await expect(query(database.url, 'DROP TABLE connections')).rejects.toMatchObject({ code: '42501' });
    } finally {
      await database.drop();
    }
  });

  it('tells of a session that the test left open', async () => {
    const database = await createEmptyDatabase();
    const client = new pg.Client({ connectionString: database.ownerUrl, application_name: 'left over' });
    client.on('error', () => undefined);
    await client.connect();
    await expect(database.drop()).rejects.toThrow(/left open.*left over|left over/s);
    await client.end().catch(() => undefined);
  });
});

describe('a test namespace', () => {
  it('has the search attributes and is its own', async () => {
    const [one, other] = await Promise.all([createTestTemporal(), createTestTemporal()]);
    try {
      expect(one.namespace).not.toBe(other.namespace);
      const start = { taskQueue: 'nobody-polls', searchAttributes: { ConnectionState: ['active'] } };
      await one.client.workflow.start('anything', { ...start, workflowId: 'same-id' });
      await other.client.workflow.start('anything', { ...start, workflowId: 'same-id' });
      const connection = await Connection.connect({ address: one.address });
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: one.namespace });
      await connection.close();
      expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining(['ConnectionState', 'StateSince']));
    } finally {
      await Promise.all([one.close(), other.close()]);
    }
  });
});
