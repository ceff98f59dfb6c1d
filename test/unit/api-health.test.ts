import { describe, expect, it } from 'vitest';
import { createHealth } from '../../api/health.ts';
import { mergePages } from '../../api/merge-pages.ts';
import { createMetrics } from '../../runtime/metrics.ts';

const ours = '# HELP reads_total Reads.\n# TYPE reads_total counter\nreads_total{app="demo"} 3\n';
const theirs =
  '# HELP reads_total Reads.\n# TYPE reads_total counter\nreads_total{app="other"} 1\n# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 7\n';

describe('readiness', () => {
  it('is logged when it changes, not whenever somebody asks', async () => {
    const lines: string[] = [];
    const at = (level: string) => (_fields: object, message: string) => void lines.push(`${level} ${message}`);
    let pending: readonly string[] = [];
    const health = createHealth({
      pendingMigrations: async () => pending,
      assertTemporalReachable: async () => undefined,
      census: { take: async () => undefined },
      metrics: createMetrics('1'),
      workerMetricsUrl: null,
      log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    });
    await health.check();
    pending = ['0099_next.sql'];
    expect([(await health.check()).ready, (await health.check()).ready]).toEqual([false, false]);
    pending = [];
    await health.check();
    expect(lines).toEqual(['warn not ready', 'info ready again']);
  });
});

describe('the metrics of two processes on one page', () => {
  it('give each family one head and all of its samples', () => {
    expect(mergePages(ours, theirs).split('\n')).toEqual([
      '# HELP reads_total Reads.',
      '# TYPE reads_total counter',
      'reads_total{app="demo"} 3',
      'reads_total{app="other"} 1',
      '# HELP calls_total Calls.',
      '# TYPE calls_total counter',
      'calls_total 7',
      '',
    ]);
  });

  it('have each series once: counts add up, and of two states the greater holds', async () => {
    const [api, worker] = [createMetrics('1.2.3'), createMetrics('1.2.3')];
    api.saveFailuresTotal.inc(1);
    worker.saveFailuresTotal.inc(5);
    worker.refreshDurationSeconds.observe(0.3);
    worker.outboxLagSeconds.set(7);
    api.appBlocked.set({ app: 'demo' }, 1);
    worker.appBlocked.set({ app: 'demo' }, 0);
    const page = mergePages(await api.registry.metrics(), await worker.registry.metrics());
    const samples = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const series = samples.map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(series.length).toBeGreaterThan(10);
    expect(new Set(series).size).toBe(series.length);
    expect(samples).toEqual(
      expect.arrayContaining([
        'evergrant_save_failures_total 6',
        'evergrant_refresh_duration_seconds_count 1',
        'evergrant_refresh_duration_seconds_bucket{le="0.5"} 1',
        'evergrant_outbox_lag_seconds 7',
        'evergrant_app_blocked{app="demo"} 1',
        `evergrant_build_info{version="1.2.3",node="${process.version}"} 1`,
      ]),
    );
  });

  it('take no page of an error for samples', () => {
    expect(mergePages(ours, 'the metrics could not be collected\n')).toBe(ours);
  });

  it('are our own when the other process does not answer', () => {
    expect(mergePages(ours, '')).toBe(ours);
  });
});
