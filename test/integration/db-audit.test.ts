/**
 * The audit trail in the database: who may do what to it, how it ends, and that every act leaves its row. Longer than
 * 300 lines: each act of each store is listed with its row.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAppStore } from '../../db/app-store.ts';
import { createAuditStore } from '../../db/audit-store.ts';
import { createClientStore } from '../../db/client-store.ts';
import { createCodeStore } from '../../db/code-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createBrakeStore } from '../../db/crowd.ts';
import { createIntakeStore } from '../../db/intake-store.ts';
import { createPool } from '../../db/pool.ts';
import { createSweeper } from '../../db/sweeper.ts';
import type { ConnectionKey } from '../../core/connection.ts';
import type { ApiClient } from '../../core/stores.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { act, buildApp, buildEntry, buildFullConnection, buildKey, NOW_MS } from './store-fixtures.ts';

const DAY_MS = 86_400_000;
const TRAILS = ['connection_events', 'audit_events'] as const;
const INSUFFICIENT_PRIVILEGE = '42501';

let database: TestDatabase;
let pool: pg.Pool;
let owner: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  for (const app of ['demo', 'other']) await createAppStore(pool).apply(buildApp({ app }));
});
afterAll(async () => {
  await pool.end();
  await owner.end();
  await database.drop();
});

async function addConnection(key: ConnectionKey): Promise<string> {
  const connection = buildFullConnection(key);
  await createConnectionStore(pool).transact(key, () => ({
    result: null,
    changes: { connection, events: [buildEntry({ atMs: Date.now() })] },
  }));
  return connection.id;
}

function forbidden(text: string): Promise<void> {
  return expect(pool.query(text), text).rejects.toMatchObject({ code: INSUFFICIENT_PRIVILEGE });
}

describe("the application's role", () => {
  it('is not the owner, nor a member of it, and has no rights beyond its rows', async () => {
    const { rows } = await pool.query<{ me: string; owners: string[]; is_member: boolean; special: boolean }>(
      `SELECT current_user AS me, array_agg(DISTINCT tableowner::text) AS owners,
         bool_or(pg_has_role(current_user, tableowner, 'MEMBER')) AS is_member,
         (SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
          FROM pg_roles WHERE rolname = current_user) AS special
       FROM pg_tables WHERE schemaname = 'public'`,
    );
    expect(rows).toEqual([{ me: 'evergrant_app', owners: ['evergrant_owner'], is_member: false, special: false }]);
    for (const text of [
      'CREATE TABLE more (n int)',
      'CREATE FUNCTION more() RETURNS int LANGUAGE sql AS $$SELECT 1$$',
      'CREATE SCHEMA more',
      'SET ROLE evergrant_owner',
      'SET session_replication_role = replica',
      'UPDATE installation SET mode = mode',
      'DELETE FROM installation',
      'DELETE FROM connections',
      'DELETE FROM data_keys',
      'DELETE FROM schema_migrations',
    ]) {
      await forbidden(text);
    }
  });

  it.each(TRAILS)('reads %s and adds to it, and can do nothing else to it or to its months', async (trail) => {
    const key = buildKey();
    await addConnection(key);
    expect((await pool.query(`SELECT count(*)::int AS n FROM ${trail}`)).rows[0]?.n).toBeGreaterThan(0);
    const { rows } = await owner.query<{ name: string }>(
      'SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass',
      [trail],
    );
    expect(rows.length).toBeGreaterThan(3);
    for (const table of [trail, ...rows.map(({ name }) => name)]) {
      for (const text of [
        `UPDATE ${table} SET actor = 'nobody'`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table}`,
        `DROP TABLE ${table}`,
        `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
        `ALTER TABLE ${table} DROP COLUMN actor`,
        `ALTER TABLE ${table} ALTER COLUMN recorded_at DROP DEFAULT`,
        `ALTER TABLE ${table} OWNER TO evergrant_app`,
        `CREATE TRIGGER t BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
        `CREATE RULE r AS ON INSERT TO ${table} DO INSTEAD NOTHING`,
        `CREATE INDEX ON ${table} (actor)`,
      ]) {
        await forbidden(text);
      }
    }
    for (const { name } of rows) await forbidden(`ALTER TABLE ${trail} DETACH PARTITION ${name}`);
    // Into a month as such, past the parent and its rights.
    for (const { name } of rows) await forbidden(`INSERT INTO ${name} DEFAULT VALUES`);
  });

  it('can forge neither the number nor the time under which the database records a row', async () => {
    const id = await addConnection(buildKey());
    await forbidden(`INSERT INTO connection_events (connection_id, at, type, actor, version, recorded_at)
      VALUES ('${id}', now(), 'a.b', 'nobody', 1, now() - interval '500 days')`);
    await forbidden(`INSERT INTO connection_events (id, connection_id, at, type, actor, version)
      OVERRIDING SYSTEM VALUE VALUES (1, '${id}', now(), 'a.b', 'nobody', 1)`);
    await forbidden(`INSERT INTO audit_events (at, type, actor, facts, recorded_at)
      VALUES (now(), 'a.b', 'nobody', '{}', now() - interval '500 days')`);
    // A time that is claimed stands beside the one that is known.
    await pool.query(`INSERT INTO audit_events (at, type, actor, facts) VALUES ('1999-01-01', 'a.b', 'forger', '{}')`);
    const { rows } = await pool.query(
      `SELECT now() - recorded_at < interval '1 minute' AS known FROM audit_events WHERE actor = 'forger'`,
    );
    expect(rows).toEqual([{ known: true }]);
  });
});

describe('the retention', () => {
  afterEach(async () => {
    for (const trail of TRAILS) await owner.query(`DELETE FROM ${trail}`);
  });

  const drop = async (interval: string): Promise<{ partitions: number; default_rows: string }> =>
    (await pool.query('SELECT * FROM drop_expired_events($1)', [interval])).rows[0];
  const monthsOf = async (trail: string): Promise<readonly string[]> =>
    (
      await owner.query<{ name: string }>(
        'SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1',
        [trail],
      )
    ).rows.map(({ name }) => name);

  /** As the owner, who alone may say when a row was recorded. */
  async function addRow(trail: (typeof TRAILS)[number], daysAgo: number, recordedDaysAgo = daysAgo): Promise<string> {
    const actor = `row-${randomUUID()}`;
    const times = [`now() - interval '${daysAgo} days'`, `now() - interval '${recordedDaysAgo} days'`] as const;
    if (trail === 'audit_events') {
      await owner.query(
        `INSERT INTO audit_events (at, recorded_at, type, actor, facts) VALUES (${times}, 'a.b', $1, '{}')`,
        [actor],
      );
    } else {
      const id = await addConnection(buildKey());
      await owner.query(
        `INSERT INTO connection_events (at, recorded_at, connection_id, type, actor, version)
         VALUES (${times}, $2, 'a.b', $1, 1)`,
        [actor, id],
      );
    }
    return actor;
  }

  async function isThere(trail: string, actor: string): Promise<boolean> {
    return (await owner.query(`SELECT 1 FROM ${trail} WHERE actor = $1`, [actor])).rows.length === 1;
  }

  it.each(TRAILS)('drops the months of %s that are wholly over, and nothing of the others', async (trail) => {
    // Months from 500 days ago on, as if the installation were that old.
    const first = new Date(Date.now() - 500 * DAY_MS).toISOString().slice(0, 10);
    await pool.query('SELECT ensure_event_partitions($1, 24)', [first]);
    const before = await monthsOf(trail);
    const [old, edge, young] = [await addRow(trail, 480), await addRow(trail, 395), await addRow(trail, 5)];

    const sweeper = createSweeper(pool, { auditRetentionMs: 400 * DAY_MS });
    const swept = await sweeper.sweep(Date.now());
    expect(swept.auditMonths).toBeGreaterThanOrEqual(2);
    expect(await isThere(trail, old)).toBe(false);
    expect(await isThere(trail, edge)).toBe(true);
    expect(await isThere(trail, young)).toBe(true);
    const after = await monthsOf(trail);
    expect(after.length).toBeLessThan(before.length);
    expect(before).toEqual(expect.arrayContaining([...after]));
    // Every month that went ended before the limit; the first that stayed did not.
    const limit = new Date(Date.now() - 400 * DAY_MS).toISOString().slice(0, 7).replace('-', '_');
    expect(after.filter((name) => /\d{4}_\d{2}$/.test(name)).map((name) => name.slice(-7))[0]).toBe(limit);
    expect((await sweeper.sweep(Date.now())).auditMonths).toBe(0);
  });

  it.each(TRAILS)('ends rows of %s that have no month of their own', async (trail) => {
    const [old, young] = [await addRow(trail, 4_000), await addRow(trail, 4_000, 10)];
    expect(Number((await drop('400 days')).default_rows)).toBe(1);
    expect(await isThere(trail, old)).toBe(false);
    // Backdated: recorded ten days ago, whatever it claims.
    expect(await isThere(trail, young)).toBe(true);
  });

  it.each(TRAILS)('keeps a whole month of %s for one row that was recorded later than it claims', async (trail) => {
    const first = new Date(Date.now() - 200 * DAY_MS).toISOString().slice(0, 10);
    await pool.query('SELECT ensure_event_partitions($1, 1)', [first]);
    const backdated = await addRow(trail, 200, 0);
    const before = await monthsOf(trail);
    expect((await drop('60 days')).partitions).toBeGreaterThanOrEqual(0);
    expect(await isThere(trail, backdated)).toBe(true);
    expect(before.filter((name) => name.endsWith(first.slice(0, 7).replace('-', '_')))).toHaveLength(1);
  });

  it('is never shorter than thirty days, whoever asks for what', async () => {
    const fresh = await addRow('audit_events', 29);
    const freshInDefault = await addRow('audit_events', 5_000, 29);
    const stale = await addRow('audit_events', 5_000);
    for (const asked of ['0 days', '-100 years', '1 second']) await drop(asked);
    expect(await isThere('audit_events', fresh)).toBe(true);
    expect(await isThere('audit_events', freshInDefault)).toBe(true);
    expect(await isThere('audit_events', stale)).toBe(false);
    // Nothing at all is asked for: nothing goes.
    const again = await addRow('audit_events', 5_000);
    await pool.query('SELECT * FROM drop_expired_events(NULL)');
    expect(await isThere('audit_events', again)).toBe(true);
    await expect(drop('forever')).rejects.toThrow();
  });

  it('does not make callers wait for a trail that somebody holds', async () => {
    await addRow('audit_events', 5_000);
    const reader = new pg.Client({ connectionString: database.ownerUrl });
    await reader.connect();
    await reader.query('BEGIN');
    await reader.query('LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE');
    await expect(drop('400 days')).rejects.toMatchObject({ code: '55P03' });
    await reader.query('ROLLBACK');
    await reader.end();
    expect(Number((await drop('400 days')).default_rows)).toBe(1);
  });
});

describe('every act without a connection', () => {
  const happened = async (app: string) =>
    (await createAuditStore(pool).manyOfApp(app, 50)).map(({ type, actor, subject, correlationId }) => ({
      type,
      actor,
      subject,
      correlationId,
    }));

  it('leaves a row in the transaction of its change: who, what and in which call', async () => {
    const app = 'acts';
    const apps = createAppStore(pool);
    const told = { actor: 'cli:test', correlationId: 'call-1' };
    const file = { actor: 'apps-file', correlationId: null };
    await apps.apply(buildApp({ app }));
    await apps.apply(buildApp({ app }));
    await apps.apply(buildApp({ app, requiredScopes: ['EXPRPT'] }));
    const secret = { sealed: 'sealed', fingerprint: 'f1', createdAtMs: NOW_MS };
    await apps.addSecret(app, { ...secret, id: 's1' });
    await apps.addSecret(app, { ...secret, id: 's1' });
    expect(await apps.retireSecret(app, 's1', NOW_MS + 1, act)).toBe(true);
    expect(await apps.retireSecret(app, 's1', NOW_MS + 2, act)).toBe(false);
    await apps.addSecret(app, { ...secret, id: 's2', createdAtMs: NOW_MS + 3 }, { revive: true, act });

    const codes = createCodeStore(pool);
    const { id: code } = await codes.create({
      app,
      fingerprint: randomUUID(),
      label: 'for Acme',
      customerRef: null,
      principal: null,
      createdBy: 'client:c1',
      correlationId: 'request-1',
      createdAtMs: NOW_MS + 4,
      expiresAtMs: NOW_MS + DAY_MS,
    });
    await codes.revoke(app, code, NOW_MS + 5, act);
    await codes.revoke(app, code, NOW_MS + 6, act);

    const clients = createClientStore(pool);
    const client: ApiClient = {
      id: randomUUID(),
      name: 'partner',
      scopes: ['tokens:read'],
      apps: [app],
      principals: null,
      jwk: null,
      createdAtMs: NOW_MS + 7,
      expiresAtMs: null,
      revokedAtMs: null,
    };
    await clients.create(client, act);
    await clients.revoke(client.id, NOW_MS + 8, act);
    await clients.revoke(client.id, NOW_MS + 9, act);

    await pool.query(`INSERT INTO brakes (app, data_centre, tripped_at) VALUES ($1, 'us2', $2)`, [
      app,
      new Date(NOW_MS),
    ]);
    const brakes = createBrakeStore(pool);
    await brakes.release(app, NOW_MS + 10, { ...act, reason: 'looked into' });
    await brakes.release(app, NOW_MS + 11, act);
    const intake = {
      id: randomUUID(),
      app,
      kind: 'password',
      dataCentre: 'us2',
      principal: null,
      customerRef: null,
      actor: 'client:c1',
      credential: 'sealed-login',
      uses: 0,
      status: 'completed',
      failure: null,
      nextTryAtMs: NOW_MS + 12,
      expiresAtMs: NOW_MS + DAY_MS,
      openUntilMs: null,
      answer: null,
      answerSentAtMs: null,
    } as const;
    const asked = { actor: 'client:c1', reason: null, correlationId: 'request-2' };
    for (let n = 0; n < 2; n += 1) await createIntakeStore(pool).open(intake, asked);

    const trail = await happened(app);
    // The apps file knows no time of a test: its two rows have the clock's.
    const [changed, added, ...rest] = trail;
    expect([added, changed]).toEqual([
      { ...file, type: 'app.added', subject: app },
      { ...file, type: 'app.changed', subject: app },
    ]);
    expect(rest.toReversed()).toEqual([
      { ...file, type: 'app.secret-added', subject: 's1' },
      { ...told, type: 'app.secret-retired', subject: 's1' },
      { ...told, type: 'app.secret-revived', subject: 's1' },
      { actor: 'client:c1', correlationId: 'request-1', type: 'code.created', subject: code },
      { ...told, type: 'code.revoked', subject: code },
      { ...told, type: 'client.created', subject: client.id },
      { ...told, type: 'client.revoked', subject: client.id },
      { ...told, type: 'app.brake-released', subject: app },
      { actor: 'client:c1', correlationId: 'request-2', type: 'connect.asked', subject: intake.id },
    ]);
    const { rows } = await pool.query(`SELECT type, reason, facts FROM audit_events WHERE app = $1`, [app]);
    expect(rows).toContainEqual({ type: 'app.changed', reason: null, facts: { changed: ['requiredScopes'] } });
    expect(rows).toContainEqual({
      type: 'app.brake-released',
      reason: 'looked into',
      facts: { dataCentres: ['us2'] },
    });
  });

  it('holds no secret, whatever was given', async () => {
    const { rows } = await pool.query<{ line: string }>(`SELECT audit_events::text AS line FROM audit_events`);
    expect(rows.length).toBeGreaterThan(5);
    for (const { line } of rows) expect(line).not.toMatch(/sealed|fingerprint|clientSecret|"jwk": ?\{/);
  });
});

describe('the questions of docs/operations-audit.md', () => {
  it('are answered, also for the application itself', async () => {
    const page = readFileSync(new URL('../../docs/operations-audit.md', import.meta.url), 'utf8');
    const sql = [...page.matchAll(/```sql\n([^`]+)```/g)].flatMap(([, block = '']) => block.split(/;\n/));
    const questions = sql
      .filter((text) => text.trim() !== '')
      .map((text) => text.replaceAll('REQUEST-ID', 'request-1'));
    expect(questions).toHaveLength(4);
    const answers = [];
    for (const text of questions) answers.push((await pool.query(text)).rows);
    expect(answers[0]).toEqual([expect.objectContaining({ type: 'code.created', actor: 'client:c1' })]);
  });
});

describe('the first read of a token', () => {
  const store = () => createAuditStore(pool);
  const readsOf = async (key: ConnectionKey) =>
    (
      await pool.query<{ actor: string; version: number; correlation_id: string }>(
        `SELECT e.actor, e.version, e.correlation_id FROM connection_events e JOIN connections c ON c.id = e.connection_id
         WHERE c.app = $1 AND c.principal = $2 AND e.type = 'token.read' ORDER BY e.version, e.actor`,
        [key.app, key.principal],
      )
    ).rows;
  const read = (key: ConnectionKey, version: number, actor = 'client:a', correlationId = 'r1') => ({
    ...key,
    version,
    actor,
    correlationId,
    atMs: Date.now(),
  });

  it('is on record once per version and client, however many processes tell of it', async () => {
    const key = buildKey();
    await addConnection(key);
    await Promise.all(Array.from({ length: 8 }, (_, n) => store().recordReads([read(key, 1, 'client:a', `r${n}`)])));
    await store().recordReads([read(key, 1), read(key, 1, 'client:b'), read(key, 3), read(key, 2)]);
    await store().recordReads([read(key, 2), read(key, 3, 'client:b')]);
    expect((await readsOf(key)).map(({ actor, version }) => `${version} ${actor}`)).toEqual([
      '1 client:a',
      '1 client:b',
      '2 client:a',
      '3 client:a',
      '3 client:b',
    ]);
  });

  it('of a connection that nobody knows is no failure, and keeps no other from its record', async () => {
    const key = buildKey();
    await addConnection(key);
    await store().recordReads([read(buildKey(), 1), read(key, 4)]);
    expect(await readsOf(key)).toEqual([{ actor: 'client:a', version: 4, correlation_id: 'r1' }]);
    await store().recordReads([]);
  });
});
