import { beforeEach, describe, expect, it } from 'vitest';
import { createCensus } from '../../api/census.ts';
import { createMetrics, type Metrics } from '../../runtime/metrics.ts';
import { silentLog } from '../integration/db-silent-log.ts';

const row = { app: 'erp', state: 'active', daysLeft: '60+', count: 7 };
let metrics: Metrics;
let nowMs: number;
let counted: number;
let tookMs: number;
let rows: () => readonly (typeof row)[];

beforeEach(() => {
  metrics = createMetrics('1');
  [nowMs, counted, tookMs, rows] = [0, 0, 5, () => [row]];
});

const createTestCensus = () =>
  createCensus({
    countConnections: async () => {
      counted += 1;
      nowMs += tookMs;
      return rows();
    },
    manyBlockedApps: async () => [{ app: 'erp', blocked: true }],
    manyBrakes: async () => [{ app: 'erp', dataCentre: 'us2', isOn: true }],
    metrics,
    clock: { monotonic: () => nowMs },
    log: silentLog,
  });

describe('the census', () => {
  it('counts each connection once by state, and those that live by the days they have left', async () => {
    rows = () => [row, { ...row, daysLeft: '0-7', count: 2 }, { ...row, state: 'revoked', count: 40 }];
    await createTestCensus().take();
    const page = await metrics.registry.metrics();
    for (const line of [
      'evergrant_connections{app="erp",state="active"} 9',
      'evergrant_connections{app="erp",state="revoked"} 40',
      'evergrant_refresh_token_days_left{app="erp",bucket="60+"} 7',
      'evergrant_refresh_token_days_left{app="erp",bucket="0-7"} 2',
      'evergrant_app_blocked{app="erp"} 1',
      'evergrant_brake_on{app="erp",data_center="us2"} 1',
    ]) {
      expect(page.split('\n')).toContain(line);
    }
  });

  it('forgets a state that nobody is in any more', async () => {
    const census = createTestCensus();
    await census.take();
    rows = () => [];
    await census.take();
    expect(await metrics.registry.metrics()).not.toContain('evergrant_connections{');
  });

  it('keeps the last figures while the database is away', async () => {
    const census = createTestCensus();
    await census.take();
    rows = () => {
      throw new Error('away');
    };
    await census.take();
    expect(await metrics.registry.metrics()).toContain('evergrant_connections{app="erp",state="active"} 7');
  });

  it('is taken once for all who ask meanwhile, and of a large table a tenth of the time at most', async () => {
    const census = createTestCensus();
    await Promise.all([census.take(), census.take()]);
    expect(counted).toBe(1);
    tookMs = 400;
    await census.take();
    nowMs += 3_999;
    await census.take();
    expect(counted).toBe(2);
    nowMs += 1;
    await census.take();
    expect(counted).toBe(3);
  });
});
