/** Whether this process can do its work, and its metrics. Temporal is reported, not fatal: reads go on without it. */
import type { Log } from '../core/ports.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Census } from './census.ts';
import type { Health } from './deps.ts';
import { mergePages } from './merge-pages.ts';

export interface HealthDeps {
  /** Names of migrations that are missing; throws when the database is away. */
  readonly pendingMigrations: () => Promise<readonly string[]>;
  readonly assertTemporalReachable: () => Promise<void>;
  /** Why it can't be used, for people; null when it can. */
  readonly explainTemporal?: () => Promise<{ readonly found: string; readonly todo: string } | null>;
  readonly census: Census;
  readonly metrics: Metrics;
  /** Whether the process is on its way out: then it is to get no more requests. */
  readonly isEnding?: () => boolean;
  /** Under `npm start`: the worker's page, shown with ours. */
  readonly workerMetricsUrl: string | null;
  readonly log: Log;
}

const WORKER_ANSWER_MS = 2_000;

export function createHealth(deps: HealthDeps): Health {
  const { census, metrics, log } = deps;
  let wasReady = true;
  let hadTemporal = true;

  async function databaseState(): Promise<{ readonly database: string; readonly migrations: string }> {
    try {
      const pending = await deps.pendingMigrations();
      return { database: 'up', migrations: pending.length === 0 ? 'applied' : `pending: ${pending.join(', ')}` };
    } catch {
      return { database: 'down', migrations: 'unknown' };
    }
  }

  /** Said once, not at every question. */
  function noteChange(ready: boolean, state: Readonly<Record<string, string>>): void {
    if (ready === wasReady) return;
    wasReady = ready;
    if (ready) log.info(state, 'ready again');
    else log.warn(state, 'not ready');
  }

  async function temporalState(): Promise<string> {
    const isUp = await deps.assertTemporalReachable().then(
      () => true,
      () => false,
    );
    if (isUp !== hadTemporal) {
      hadTemporal = isUp;
      if (isUp) log.info({}, 'Temporal can be used again');
      else void tellWhy();
    }
    return isUp ? 'up' : 'down';
  }

  /** The question may take seconds: readiness does not wait for it. */
  async function tellWhy(): Promise<void> {
    const { found, todo } = (await deps.explainTemporal?.()) ?? {
      found: 'it does not answer',
      todo: 'Look at its log.',
    };
    log.warn({ todo }, `Temporal can't be used: ${found}`);
  }

  async function workerPage(): Promise<string> {
    if (deps.workerMetricsUrl === null) return '';
    try {
      const response = await fetch(deps.workerMetricsUrl, { signal: AbortSignal.timeout(WORKER_ANSWER_MS) });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return await response.text();
    } catch (error) {
      log.warn({ err: error }, "the worker's metrics could not be read");
      return '';
    }
  }

  return {
    async check() {
      const [state, temporal] = await Promise.all([databaseState(), temporalState()]);
      const ready = state.database === 'up' && state.migrations === 'applied' && deps.isEnding?.() !== true;
      noteChange(ready, state);
      return { ready, ...state, temporal };
    },
    async metrics() {
      const [theirs] = await Promise.all([workerPage(), census.take()]);
      const ours = await metrics.registry.metrics();
      return { contentType: metrics.registry.contentType, body: mergePages(ours, theirs) };
    },
  };
}
