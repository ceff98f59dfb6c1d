/** A database of its own for a test file: a copy of the migrated template, made in some ten milliseconds. */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inject } from 'vitest';
import { OWNER_ROLE } from '../../dev/stack/postgres-cluster.ts';
import { withClient } from './postgres-client.ts';

export interface TestDatabase {
  readonly name: string;
  /** As the application connects: a role that owns nothing. */
  readonly url: string;
  /** As migrations connect. */
  readonly ownerUrl: string;
  /** The superuser's, for looking into what roles may not see. */
  readonly adminUrl: string;
  /**
   * Ends the database. Throws when a session is still open after a moment: a pool, a listener or a worker was left
   * running by the test.
   */
  drop(): Promise<void>;
}

const LEAVE_MS = 2_000;
const POLL_MS = 50;

/** A migrated database. */
export function createTestDatabase(): Promise<TestDatabase> {
  return create(inject('postgres').template);
}

/** A database without a single table, for the tests of the migrations themselves. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return create('template1');
}

/** A copy as a backup makes it: of this moment. Sessions on the original are ended; its pools make new ones. */
export async function copyTestDatabase({ name }: TestDatabase): Promise<TestDatabase> {
  // PostgreSQL copies no database that is in use.
  await withClient(at(inject('postgres').admin, 'postgres'), (client) =>
    client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]),
  );
  return create(name);
}

async function create(template: string): Promise<TestDatabase> {
  const urls = inject('postgres');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = at(urls.admin, 'postgres');
  await withClient(admin, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template} OWNER ${OWNER_ROLE}`));
  return {
    name,
    url: at(urls.application, name),
    ownerUrl: at(urls.owner, name),
    adminUrl: at(urls.admin, name),
    drop: () => withClient(admin, (client) => drop(client, name)),
  };
}

async function drop(client: pg.Client, name: string): Promise<void> {
  const deadlineMs = Date.now() + LEAVE_MS;
  let left = await sessionsOf(client, name);
  while (left.length > 0 && Date.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    left = await sessionsOf(client, name);
  }
  await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
  if (left.length > 0) throw new Error(`the test left sessions open on its database: ${left.join(', ')}`);
}

async function sessionsOf(client: pg.Client, name: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ application_name: string; query: string }>(
    `SELECT application_name, query FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
    [name],
  );
  return rows.map(({ application_name: application, query }) => `${application || 'unnamed'} (last: ${query})`);
}

function at(url: string, database: string): string {
  return url.replace(encodeURI('{database}'), database).replace('{database}', database);
}
