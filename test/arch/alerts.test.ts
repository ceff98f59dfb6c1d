/** The alerts by Prometheus' own checker, and that alerts and dashboard speak of metrics that there are. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { connectionStates } from '../../core/connection.ts';
import { resolvePromtool } from '../../dev/stack/promtool.ts';
import { runCommand } from '../../dev/stack/run-command.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { root } from './planted-house.ts';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}
interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const RULES = 'deploy/prometheus/alerts.yml';
const TESTS = 'deploy/prometheus/alerts.test.yml';
const groups = (parse(read(RULES)) as { groups: { rules: Alert[] }[] }).groups;
const alerts = groups.flatMap(({ rules }) => rules);
const { panels } = JSON.parse(read('deploy/grafana/dashboards/evergrant.json')) as { panels: Panel[] };

/** Of Temporal's server 1.29.1, that we use. */
const ofTheServer = ['approximate_backlog_count', 'service_error_with_type'];

/** The names in an expression of PromQL: what is neither label, nor function, nor within quotes. */
function metricsIn(expression: string): readonly string[] {
  const bare = expression
    .replaceAll(/"[^"]*"|'[^']*'/g, '')
    .replaceAll(/\{[^}]*\}/g, '{}')
    .replaceAll(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '');
  return [...bare.matchAll(/[a-z]\w*_\w+(?!\w*\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => name !== 'histogram_quantile');
}

/** What the SDK counts, by its own source; `temporal_` is its prefix. */
function metricsOfTheSdk(): ReadonlySet<string> {
  const names = new Set<string>();
  for (const folder of ['client/src', 'common/src/telemetry', 'sdk-core/src/telemetry']) {
    const place = join(root, 'node_modules/@temporalio/core-bridge/sdk-core/crates', folder);
    for (const file of readdirSync(place).filter((name) => /^metrics\b.*\.rs$/.test(name))) {
      const source = readFileSync(join(place, file), 'utf8');
      for (const [, name] of source.matchAll(/(?:name:|_NAME: &str =)\s*"(\w+)"/g)) names.add(`temporal_${name}`);
    }
  }
  return names;
}

async function known(): Promise<(name: string) => boolean> {
  const ours = new Set((await createMetrics('1').registry.getMetricsAsJSON()).map(({ name }) => name));
  const theirs = metricsOfTheSdk();
  const has = (name: string): boolean => ours.has(name) || theirs.has(name) || ofTheServer.includes(name);
  return (name) => has(name) || has(name.replace(/_(bucket|count|sum)$/, ''));
}

describe('the alerts', () => {
  let promtool: string;
  let folder: string;
  const check = (...args: readonly string[]) => runCommand(promtool, args, { cwd: root, timeoutMs: 30_000 });
  beforeAll(async () => {
    const report = (line: string): void => void process.stderr.write(`${line}\n`);
    promtool = await resolvePromtool({ env: process.env, report });
    folder = await mkdtemp(join(tmpdir(), 'evergrant-alerts-'));
    // Where it has to be built, once per machine.
  }, 30 * 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are taken by Prometheus, and a broken one is not', async () => {
    const { code, tail } = await check('check', 'rules', RULES);
    expect(code, tail).toBe(0);
    expect(tail).toContain(`${alerts.length} rules found`);
    const broken = join(folder, 'broken.yml');
    await writeFile(broken, read(RULES).replace(') == 0 or absent(', ') == or absent('));
    expect((await check('check', 'rules', broken)).code).not.toBe(0);
  });

  it('ring when they should, and stay silent when they should', async () => {
    const { code, tail } = await check('test', 'rules', TESTS);
    expect(code, tail).toBe(0);
    for (const name of ['alerts.yml', 'alerts.test.yml']) {
      const text = read(`deploy/prometheus/${name}`).replace(
        'evergrant_save_failures_total[10m])) > 0',
        'evergrant_save_failures_total[10m])) > 9',
      );
      await writeFile(join(folder, name), text);
    }
    expect((await check('test', 'rules', join(folder, 'alerts.test.yml'))).code).not.toBe(0);
  });

  it('are each seen ringing and silent by those tests', () => {
    interface Case {
      readonly alertname: string;
      readonly exp_alerts: readonly unknown[];
    }
    const { tests } = parse(read(TESTS)) as { tests: { alert_rule_test: Case[] }[] };
    const cases = tests.flatMap(({ alert_rule_test: some }) => some);
    const namesWhere = (rings: boolean) =>
      new Set(
        cases.filter(({ exp_alerts: expected }) => expected.length > 0 === rings).map(({ alertname }) => alertname),
      );
    const names = alerts.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
    expect([...namesWhere(true)].toSorted()).toEqual(names.toSorted());
    expect([...namesWhere(false)]).toEqual(expect.arrayContaining(names));
  });

  it('each lead to a section of the runbook, which has none that is too much', () => {
    const anchors = [...read('docs/runbook.md').matchAll(/^##+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const { alert, annotations, labels } of alerts) {
      const [file, anchor] = annotations.runbook.split('#');
      expect(file).toBe('docs/runbook.md');
      expect(anchors, alert).toContain(anchor);
      expect(['critical', 'warning', 'info']).toContain(labels.severity);
      expect(read('docs/runbook.md'), alert).toContain(`\`${alert}\``);
    }
    const named = [...read('docs/runbook.md').matchAll(/`(Evergrant[A-Z]\w+)`/g)].map(([, name]) => name);
    expect(alerts.map(({ alert }) => alert)).toEqual(expect.arrayContaining(named));
  });

  it('speak of metrics that there are', async () => {
    const isKnown = await known();
    const names = alerts.flatMap(({ expr }) => metricsIn(expr));
    expect(names).toContain('evergrant_refresh_lateness_seconds_bucket');
    expect(names).toContain('temporal_num_pollers');
    expect(names.filter((name) => !isKnown(name))).toEqual([]);
    expect(metricsIn('sum by (no_metric) (rate(evergrant_no_such_total{a_b="c_d"}[5m]))')).toEqual([
      'evergrant_no_such_total',
    ]);
    expect(isKnown('evergrant_no_such_total')).toBe(false);
  });

  it('are what the Prometheus of docker-compose.yml loads', () => {
    const { rule_files: files } = parse(read('deploy/prometheus/prometheus.yml')) as { rule_files: string[] };
    expect(files).toEqual(['/etc/prometheus/alerts.yml']);
    expect(read('docker-compose.yml')).toContain(`./${RULES}:/etc/prometheus/alerts.yml:ro`);
  });
});

it('the runbook says of each state what is wrong and what to do', () => {
  const states = [...read('docs/runbook.md').matchAll(/^\| `([a-z-]+)` \|(.*)\|$/gm)].filter(
    ([, , cells = '']) => cells.split('|').length === 3,
  );
  expect(states.map(([, state]) => state)).toEqual(expect.arrayContaining([...connectionStates]));
});

describe('the dashboard', () => {
  const drawn = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => metricsIn(expr)));

  it('shows metrics that there are', async () => {
    const isKnown = await known();
    expect(drawn.length).toBeGreaterThan(20);
    expect(drawn.filter((name) => !isKnown(name))).toEqual([]);
  });

  it('shows all of ours', async () => {
    const shown = new Set(drawn.map((name) => name.replace(/_(bucket|count|sum)$/, '')));
    const ours = await createMetrics('1').registry.getMetricsAsJSON();
    expect(ours.length).toBeGreaterThan(14);
    expect(ours.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });

  it('has each panel once', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });
});

it('no metric of the SDK is mixed with those of the server’s own workers, which have the same names', () => {
  const expressions = [
    ...alerts.map(({ expr }) => expr),
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ];
  const ofAnyJob = /\btemporal_\w+(?!\w)(?!\{[^}]*job="evergrant-worker")/;
  expect(expressions.filter((expression) => expression.includes('temporal_')).length).toBeGreaterThan(8);
  expect(expressions.filter((expression) => ofAnyJob.test(expression))).toEqual([]);
  expect(ofAnyJob.test('sum(temporal_num_pollers{namespace="default"})')).toBe(true);
});

it('no table from the database is summed over processes, each of which shows all of it', () => {
  const fromDatabase =
    /(?<!max by \([\w, ]+\) \(|max\(|label_values\()evergrant_(connections|refresh_token_days_left|app_blocked|brake_on|outbox_lag_seconds)\b/;
  const expressions = [
    ...alerts.map(({ expr }) => expr),
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ];
  expect(expressions.filter((expression) => fromDatabase.test(expression))).toEqual([]);
  expect(fromDatabase.test('sum(evergrant_connections)')).toBe(true);
});
