/** From what the activities saw to the metrics. */
import type { Observer } from '../activities/deps.ts';
import type { Metrics } from '../runtime/metrics.ts';

export function createObserver(metrics: Metrics): Observer {
  return {
    refreshed({ app, dataCentre, outcome, durationMs, latenessMs }) {
      metrics.refreshTotal.inc({ app, data_center: dataCentre, outcome });
      metrics.refreshDurationSeconds.observe(durationMs / 1_000);
      if (latenessMs !== null) metrics.refreshLatenessSeconds.observe(latenessMs / 1_000);
    },
    connected({ app, outcome }) {
      metrics.connectsTotal.inc({ app, outcome });
    },
    uncertain() {
      metrics.uncertainTotal.inc();
    },
    saveFailed() {
      metrics.saveFailuresTotal.inc();
    },
  };
}
