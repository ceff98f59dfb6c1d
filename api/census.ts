/**
 * What the database alone knows, counted when somebody asks for the metrics: how many connections are in which state, how
 * long their refresh tokens will live, whose app is blocked, where the brake is on.
 */
import { type ConnectionState, isLiving } from '../core/connection.ts';
import type { Clock, Log } from '../core/ports.ts';
import type { Metrics } from '../runtime/metrics.ts';

export interface CensusDeps {
  readonly countConnections: () => Promise<
    readonly { readonly app: string; readonly state: string; readonly daysLeft: string; readonly count: number }[]
  >;
  readonly manyBlockedApps: () => Promise<readonly { readonly app: string; readonly blocked: boolean }[]>;
  readonly manyBrakes: () => Promise<
    readonly { readonly app: string; readonly dataCentre: string; readonly isOn: boolean }[]
  >;
  readonly metrics: Metrics;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Log;
}

export interface Census {
  /** Brings the gauges up to date; while the database is away they stay as they were. Never throws. */
  take(): Promise<void>;
}

/** Quicker than this is done at every question. */
const CHEAP_MS = 250;
/** A large table is looked through a tenth of the time at most, however many ask. */
const REST_FACTOR = 10;

export function createCensus({ metrics, clock, log, ...database }: CensusDeps): Census {
  let running: Promise<void> | null = null;
  let dueMs = Number.NEGATIVE_INFINITY;

  async function count(): Promise<void> {
    const startedMs = clock.monotonic();
    try {
      const [counts, apps, brakes] = await Promise.all([
        database.countConnections(),
        database.manyBlockedApps(),
        database.manyBrakes(),
      ]);
      metrics.connections.reset();
      metrics.refreshTokenDaysLeft.reset();
      for (const { app, state, daysLeft, count: many } of counts) {
        metrics.connections.inc({ app, state }, many);
        if (isLiving(state as ConnectionState)) metrics.refreshTokenDaysLeft.inc({ app, bucket: daysLeft }, many);
      }
      for (const { app, blocked } of apps) metrics.appBlocked.set({ app }, blocked ? 1 : 0);
      for (const { app, dataCentre, isOn } of brakes)
        metrics.brakeOn.set({ app, data_center: dataCentre }, isOn ? 1 : 0);
    } catch (error) {
      log.warn({ err: error }, 'the connections could not be counted');
    }
    const nowMs = clock.monotonic();
    const tookMs = nowMs - startedMs;
    dueMs = tookMs < CHEAP_MS ? nowMs : nowMs + tookMs * REST_FACTOR;
  }

  return {
    async take() {
      if (running === null && clock.monotonic() < dueMs) return;
      running ??= count().finally(() => {
        running = null;
      });
      await running;
    },
  };
}
