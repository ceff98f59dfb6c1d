/** `evergrant doctor` beside a real installation, well and in several kinds of trouble. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clockFinding } from '../../cli/doctor/finding.ts';
import { createPool } from '../../db/pool.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';

let backend: Backend;

beforeAll(async () => {
  backend = await createBackend();
  await backend.startWorker();
}, 120_000);
afterAll(() => backend.close());

interface Found {
  readonly check: string;
  readonly status: string;
  readonly found: string;
  readonly todo: string | null;
}

async function doctor(variables: Readonly<Record<string, string>> = {}) {
  const given = { ...backend.environment, EVERGRANT_HOME: '/nonexistent', ...variables };
  const { code, out } = await evergrant(given, ['doctor', '--json']);
  const { items } = JSON.parse(out) as { readonly items: readonly Found[] };
  return { code, items, wrong: items.filter(({ status }) => status === 'fail') };
}

describe('the doctor', () => {
  it('finds nothing to do in an installation that is well', async () => {
    const { code, items, wrong } = await doctor();
    expect(wrong).toEqual([]);
    expect(code).toBe(0);
    expect(items.map(({ check }) => check)).toEqual([
      'configuration',
      'database',
      'clock of the database',
      'migrations',
      'role',
      'installation',
      'keys',
      'app demo',
      'overdue connections',
      'temporal',
      'search attributes',
      'workers',
      'SAP Concur',
      'clock of SAP Concur',
    ]);
    const shown = await evergrant({ ...backend.environment, EVERGRANT_HOME: '/nonexistent' }, ['doctor']);
    expect(shown.out).toMatch(/^CHECK +STATUS +FOUND\n/);
  });

  it('names every value of a wrong configuration', async () => {
    const { code, wrong } = await doctor({ CONCUR_TIMEOUT: 'soon', PORT: 'none' });
    expect(code).toBe(1);
    expect(wrong).toMatchObject([{ check: 'configuration' }]);
    expect(wrong[0]?.found).toMatch(/CONCUR_TIMEOUT[\s\S]*PORT|PORT[\s\S]*CONCUR_TIMEOUT/);
    // On a terminal each of them has a line of its own.
    const { out } = await evergrant({ ...backend.environment, PORT: 'none', EVERGRANT_HOME: '/nonexistent' }, [
      'doctor',
    ]);
    expect(out).toMatch(/^ +PORT: /m);
    expect(out).not.toContain('\uFFFD');
  });

  it('says which queues nobody works on', async () => {
    const { wrong } = await doctor({ TEMPORAL_TASK_QUEUE: 'elsewhere' });
    expect(wrong).toMatchObject([{ check: 'workers' }]);
    expect(wrong[0]?.found).toContain('elsewhere-concur-us2');
  });

  it('says which data centre does not answer', async () => {
    const uris = JSON.stringify({ ...backend.sandbox.baseUris, us2: 'http://127.0.0.1:1/us2' });
    const { wrong } = await doctor({ CONCUR_BASE_URIS: uris });
    expect(wrong).toMatchObject([{ check: 'SAP Concur', found: 'no answer from us2 (refused)' }]);
  });

  it('says that there is no such namespace, and what search attributes a bare one lacks', async () => {
    const { items, wrong } = await doctor({ TEMPORAL_NAMESPACE: 'nowhere' });
    expect(wrong).toMatchObject([{ check: 'temporal', found: expect.stringContaining('nowhere') }]);
    expect(items.find(({ check }) => check === 'SAP Concur')?.status).toBe('ok');
    const bare = await doctor({ TEMPORAL_NAMESPACE: 'temporal-system' });
    const found = bare.wrong.find(({ check }) => check === 'search attributes');
    expect(found?.todo).toContain('temporal operator search-attribute create --namespace temporal-system');
  });

  it('names migrations that wait, and stumbles over nothing that they would have made', async () => {
    const url = new URL(backend.environment.DATABASE_URL);
    url.pathname = '/postgres';
    const { wrong } = await doctor({ DATABASE_URL: url.href });
    expect(wrong).toMatchObject([{ check: 'migrations', todo: 'Run: evergrant migrate' }]);
    expect(wrong[0]?.found).toContain('0001_custody');
  });

  it('tells clocks that are off a little from clocks that are wrong, and in which direction', () => {
    expect(clockFinding('clock', 1_900)).toMatchObject({ status: 'ok', found: 'this clock is 1.9 s ahead' });
    expect(clockFinding('clock', -10_000)).toMatchObject({ status: 'warn', found: 'this clock is 10.0 s behind' });
    expect(clockFinding('clock', 60_000)).toMatchObject({ status: 'fail', todo: expect.stringContaining('NTP') });
  });

  it('goes on without Temporal and without the database', async () => {
    const away = { TEMPORAL_ADDRESS: '127.0.0.1:1', DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    const { items, wrong } = await doctor(away);
    expect(wrong.map(({ check }) => check).sort()).toEqual(['database', 'temporal']);
    expect(items.find(({ check }) => check === 'SAP Concur')?.status).toBe('ok');
  });

  it('does not take keys of another installation for its own', async () => {
    const { wrong } = await doctor({ EVERGRANT_KEKS: `other:${Buffer.alloc(32, 7).toString('base64url')}` });
    expect(wrong.map(({ check }) => check)).toEqual(['installation', 'keys']);
  });

  it('finds apps without secrets, brakes, overdue connections and webhooks that go nowhere', async () => {
    const pool = createPool({ url: backend.environment.DATABASE_URL, log: silentLog });
    const { key } = await backend.connect();
    try {
      await pool.query(`UPDATE apps SET webhooks = '[{"url":"https://erp.example/hook","events":[]}]'`);
      await pool.query(`INSERT INTO brakes (app, data_centre, tripped_at) VALUES ('demo', 'us2', now())`);
      await pool.query(`UPDATE connections SET next_action_at = now() - interval '2 hours' WHERE principal = $1`, [
        key.principal,
      ]);
      const { code, items, wrong } = await doctor();
      expect(code).toBe(1);
      expect(wrong).toMatchObject([
        { check: 'app demo', found: 'the brake is on in us2', todo: expect.stringContaining('apps release demo') },
        { check: 'overdue connections', found: '1' },
      ]);
      expect(items).toContainEqual({
        check: 'webhooks of demo',
        status: 'warn',
        found: 'nothing is sent: no secret to sign with',
        todo: 'Run: evergrant webhooks rotate-secret demo',
      });
      await pool.query('UPDATE app_secrets SET retired_at = now()');
      expect((await doctor()).wrong[0]).toMatchObject({ check: 'app demo', found: 'no client secret' });
    } finally {
      await pool.end();
    }
  });
});
