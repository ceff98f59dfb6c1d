/** Whether this process can do its work, and its metrics. Temporal is reported, not fatal: reads go on without it. */
import type { Log } from '../core/ports.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Health } from './deps.ts';

export interface HealthDeps {
  /** Names of migrations that are missing; throws when the database is away. */
  readonly pendingMigrations: () => Promise<readonly string[]>;
  readonly assertTemporalReachable: () => Promise<void>;
  readonly countConnections: () => Promise<
    readonly { readonly app: string; readonly state: string; readonly count: number }[]
  >;
  readonly manyBlockedApps: () => Promise<readonly { readonly app: string; readonly blocked: boolean }[]>;
  readonly metrics: Metrics;
  /** Under `npm start`: the worker's page, shown with ours. */
  readonly workerMetricsUrl: string | null;
  readonly log: Log;
}

const WORKER_ANSWER_MS = 2_000;

export function createHealth(deps: HealthDeps): Health {
  const { metrics, log } = deps;

  async function databaseState(): Promise<{ readonly database: string; readonly migrations: string }> {
    try {
      const pending = await deps.pendingMigrations();
      return { database: 'up', migrations: pending.length === 0 ? 'applied' : `pending: ${pending.join(', ')}` };
    } catch {
      return { database: 'down', migrations: 'unknown' };
    }
  }

  async function workerPage(): Promise<string> {
    if (deps.workerMetricsUrl === null) return '';
    try {
      const response = await fetch(deps.workerMetricsUrl, { signal: AbortSignal.timeout(WORKER_ANSWER_MS) });
      return await response.text();
    } catch (error) {
      log.warn({ err: error }, "the worker's metrics could not be read");
      return '';
    }
  }

  async function countConnections(): Promise<void> {
    try {
      const [counts, apps] = await Promise.all([deps.countConnections(), deps.manyBlockedApps()]);
      metrics.connections.reset();
      for (const { app, state, count } of counts) metrics.connections.set({ app, state }, count);
      for (const { app, blocked } of apps) metrics.appBlocked.set({ app }, blocked ? 1 : 0);
    } catch (error) {
      log.warn({ err: error }, 'the connections could not be counted');
    }
  }

  return {
    async check() {
      const [state, temporal] = await Promise.all([
        databaseState(),
        deps.assertTemporalReachable().then(
          () => 'up',
          () => 'down',
        ),
      ]);
      return { ready: state.database === 'up' && state.migrations === 'applied', ...state, temporal };
    },
    async metrics() {
      const [theirs] = await Promise.all([workerPage(), countConnections()]);
      const ours = await metrics.registry.metrics();
      return { contentType: metrics.registry.contentType, body: mergePages(ours, theirs) };
    },
  };
}

/** Two pages as one: a family that both have keeps one head, as Prometheus wants. */
export function mergePages(ours: string, theirs: string): string {
  const families = new Map<string, { head: string[]; samples: string[] }>();
  for (const page of [ours, theirs]) {
    let name = '';
    for (const line of page.split('\n').filter((text) => text !== '')) {
      const head = /^# (?:HELP|TYPE) (\S+)/.exec(line);
      if (head?.[1] !== undefined) name = head[1];
      const family = families.get(name) ?? { head: [], samples: [] };
      families.set(name, family);
      const isNew = !family.head.includes(line) && !family.samples.includes(line);
      if (head !== null && family.head.length < 2 && isNew) family.head.push(line);
      else if (head === null && isNew) family.samples.push(line);
    }
  }
  return `${[...families.values()].flatMap(({ head, samples }) => [...head, ...samples]).join('\n')}\n`;
}
