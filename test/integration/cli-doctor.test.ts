/** `evergrant doctor` beside a real installation, well and in several kinds of trouble. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

let backend: Backend;

beforeAll(async () => {
  backend = await createBackend();
  await backend.startWorker();
}, 60_000);
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
});
