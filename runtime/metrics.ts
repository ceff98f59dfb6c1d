/**
 * Every metric of Evergrant, with its labels. No label ever holds the id of a company: their number must stay small,
 * and who is whose customer is nobody's business.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** From a quick answer to the whole time-out of a token call. */
const CALL_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 75, 180];
/** How late a deadline was kept: seconds are normal, an hour is an outage. */
const LATENESS_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3_600];
const HTTP_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

export type Metrics = ReturnType<typeof createMetrics>;

/** A registry of its own per call, so that tests and embedded parts don't share counts. `version` goes into `evergrant_build_info`. */
export function createMetrics(version: string) {
  const registry = new Registry();
  const registers = [registry];
  const metrics = {
    connections: new Gauge({
      name: 'evergrant_connections',
      help: 'Connections by state.',
      labelNames: ['app', 'state'] as const,
      registers,
    }),
    refreshTotal: new Counter({
      name: 'evergrant_refresh_total',
      help: 'Refreshes by what came of them.',
      labelNames: ['app', 'data_center', 'outcome'] as const,
      registers,
    }),
    refreshDurationSeconds: new Histogram({
      name: 'evergrant_refresh_duration_seconds',
      help: "From sending a refresh to Concur's answer.",
      buckets: CALL_SECONDS,
      registers,
    }),
    refreshLatenessSeconds: new Histogram({
      name: 'evergrant_refresh_lateness_seconds',
      help: 'How long after its deadline a refresh began.',
      buckets: LATENESS_SECONDS,
      registers,
    }),
    tokenReadsTotal: new Counter({
      name: 'evergrant_token_reads_total',
      help: 'Tokens handed out, by where they came from: memory, database, refresh.',
      labelNames: ['app', 'source'] as const,
      registers,
    }),
    connectsTotal: new Counter({
      name: 'evergrant_connects_total',
      help: 'Connects by what came of them.',
      labelNames: ['app', 'outcome'] as const,
      registers,
    }),
    refreshTokenDaysLeft: new Gauge({
      name: 'evergrant_refresh_token_days_left',
      help: 'Living connections by how many days their refresh token is forecast to live: expired, 0-7, 7-30, 30-60, 60+, unknown.',
      labelNames: ['app', 'bucket'] as const,
      registers,
    }),
    appBlocked: new Gauge({
      name: 'evergrant_app_blocked',
      help: "1 while Concur refuses the app's own credentials.",
      labelNames: ['app'] as const,
      registers,
    }),
    brakeOn: new Gauge({
      name: 'evergrant_brake_on',
      help: '1 while connections are held because too many would have died at once.',
      labelNames: ['app', 'data_center'] as const,
      registers,
    }),
    saveFailuresTotal: new Counter({
      name: 'evergrant_save_failures_total',
      help: 'Answers of Concur that could not be saved at once.',
      registers,
    }),
    uncertainTotal: new Counter({
      name: 'evergrant_uncertain_total',
      help: 'Token calls that were sent and brought no answer in time.',
      registers,
    }),
    outboxLagSeconds: new Gauge({
      name: 'evergrant_outbox_lag_seconds',
      help: 'Age of the oldest webhook that waits to be delivered.',
      registers,
    }),
    reconcileStartedTotal: new Counter({
      name: 'evergrant_reconcile_started_total',
      help: 'Workflows that the reconciler had to start.',
      registers,
    }),
    buildInfo: new Gauge({
      name: 'evergrant_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['version', 'node'] as const,
      registers,
    }),
    concurRequestsTotal: new Counter({
      name: 'evergrant_concur_requests_total',
      help: "Calls to Concur by its code, else the HTTP status, else the network's trouble.",
      labelNames: ['data_center', 'endpoint', 'code'] as const,
      registers,
    }),
    httpRequestDurationSeconds: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Requests by route pattern.',
      labelNames: ['route', 'method', 'status'] as const,
      buckets: HTTP_SECONDS,
      registers,
    }),
  };
  metrics.buildInfo.set({ version, node: process.version }, 1);
  return { registry, ...metrics };
}
