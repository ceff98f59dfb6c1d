/**
 * The guardian of an app as a loop: while a data centre refuses the app's own credentials it asks, ever more rarely,
 * whether they are taken again, and then brings back every connection that waits for that.
 *
 * Pure but for its host. What is blocked and who waits is on file, so the loop keeps nothing that a restart would miss.
 */
import { isBlocking } from './app-trouble.ts';
import type { AppTrouble } from './aggregate.ts';
import { formatTime } from './connection-resource.ts';
import type { Waiting } from './stores.ts';

/** What is on file about an app, read at one moment. */
export interface AppWatch {
  readonly atMs: number;
  /** First pause between two probes of a data centre. */
  readonly probeEveryMs: number;
  readonly troubles: readonly AppTrouble[];
  /** Data centres where the brake is on. */
  readonly brakes: readonly string[];
  readonly waiting: readonly Waiting[];
}

export type ProbeResult =
  | { readonly proven: true }
  /** Refused, or nobody answered: `reason` is a stable word. */
  | { readonly proven: false; readonly reason: string; readonly concurCode: number | null };

/** Which connections are to be brought back: those that have waited since then at the latest. */
export interface RestoreOrder extends Omit<Waiting, 'count'> {
  readonly sinceByMs: number;
}

export interface Asked {
  readonly actor: string;
  readonly reason: string | null;
}

/** What the loop needs from the place it runs in. */
export interface GuardianHost {
  now(): number;
  look(): Promise<AppWatch>;
  /** Whether the credentials are taken there; a trouble that is over is off the file afterwards. */
  probe(dataCentre: string): Promise<ProbeResult>;
  /** Tells the connections; how many. Takes as long as the cap on calls wants it to. */
  restore(order: RestoreOrder): Promise<number>;
  releaseBrake(asked: Asked): Promise<unknown>;
  /** Sleeps until then (null: for ever) or until the inbox has seen more than `arrivals`. */
  sleep(untilMs: number | null, arrivals: number): Promise<void>;
  publish(status: GuardianStatus): void;
  /** A call that went wrong: tells the log; rethrows what must pass. */
  callFailed(error: unknown): void;
  /** Whether this run's history is long enough for a new one. */
  wantsNewRun(): boolean;
}

/** What people and programs asked the guardian for. */
export interface GuardianInbox {
  probe(): void;
  release(asked: Asked): void;
  /** Something happened that is worth a look. */
  nudge(): void;
  arrivals(): number;
  isEmpty(): boolean;
  take(): { readonly probe: boolean; readonly release: Asked | null };
}

export function createGuardianInbox(): GuardianInbox {
  let arrivals = 0;
  let wantsProbe = false;
  let release: Asked | null = null;
  return {
    probe() {
      arrivals += 1;
      wantsProbe = true;
    },
    release(asked) {
      arrivals += 1;
      release = asked;
    },
    nudge: () => void (arrivals += 1),
    arrivals: () => arrivals,
    isEmpty: () => !wantsProbe && release === null,
    take() {
      const taken = { probe: wantsProbe, release };
      wantsProbe = false;
      release = null;
      return taken;
    },
  };
}

/** Probes of one data centre so far, and when the next is due. */
interface Probing {
  readonly dataCentre: string;
  readonly probes: number;
  readonly nextAtMs: number;
}

/** What one run hands to the next. */
export interface CarriedGuard {
  readonly probing: readonly Probing[];
  readonly restored: number;
}

/** For operators; times as RFC 3339. */
export interface GuardianStatus {
  readonly app: string;
  readonly troubles: readonly {
    readonly data_center: string;
    readonly reason: string;
    readonly concur_code: number | null;
    readonly since: string | null;
    readonly probes: number;
    readonly next_probe_at: string | null;
  }[];
  readonly brakes: readonly string[];
  readonly waiting: readonly { readonly data_center: string; readonly waits_for: string; readonly count: number }[];
  /** Connections that were told to go on. */
  readonly restored: number;
}

export type GuardianEnd = 'ended' | CarriedGuard;

/** Pauses between probes, in units of `APP_PROBE_EVERY`. */
const PROBE_GROWTH = [1, 2, 4, 8, 15] as const;

/** Pause after the n-th probe in a row that proved nothing (n from 1). */
export function probePauseMs(probeEveryMs: number, probes: number): number {
  return probeEveryMs * (PROBE_GROWTH[Math.min(probes, PROBE_GROWTH.length) - 1] ?? 1);
}

/** A connection may find the app blocked in the very moment in which that ends, so one round is not enough. */
const ROUNDS: Record<Waiting['waitsFor'], number> = { credentials: 3, brake: 1 };
/** What connections were told needs a moment to be on file. */
const SETTLING_MS = 5_000;

interface Round {
  /** Those that began to wait later had an answer of their own after the trouble was over. */
  readonly sinceByMs: number;
  done: number;
}

/** Runs until there is nothing to guard, or until a new run shall take over. */
export async function guardApp(
  host: GuardianHost,
  inbox: GuardianInbox,
  { app, carried }: { readonly app: string; readonly carried?: CarriedGuard | undefined },
): Promise<GuardianEnd> {
  const probing = new Map((carried?.probing ?? []).map((one) => [one.dataCentre, one]));
  const rounds = new Map<string, Round>();
  const restoring = new Map<string, Promise<void>>();
  let restored = carried?.restored ?? 0;
  let lookAgainAtMs: number | null = null;

  const probe = async (dataCentre: string, probeEveryMs: number): Promise<boolean> => {
    const probes = (probing.get(dataCentre)?.probes ?? 0) + 1;
    const result = await host.probe(dataCentre).catch((error: unknown) => {
      host.callFailed(error);
      return { proven: false } as const;
    });
    if (result.proven) probing.delete(dataCentre);
    else probing.set(dataCentre, { dataCentre, probes, nextAtMs: host.now() + probePauseMs(probeEveryMs, probes) });
    return result.proven;
  };
  const restore = (id: string, order: RestoreOrder): void => {
    const done = host
      .restore(order)
      .then(
        (count) => void (restored += count),
        (error: unknown) => host.callFailed(error),
      )
      .finally(() => {
        restoring.delete(id);
        if (order.waitsFor === 'credentials') lookAgainAtMs = host.now() + SETTLING_MS;
        inbox.nudge();
      });
    restoring.set(id, done);
  };

  // A signal that came with the start of the run is in the inbox after a turn.
  await Promise.resolve();
  for (;;) {
    const { probe: isAsked, release } = inbox.take();
    const arrivals = inbox.arrivals();
    if (isAsked || release !== null) rounds.clear();
    if (isAsked) probing.clear();
    if (release !== null) await host.releaseBrake(release).catch((error: unknown) => host.callFailed(error));

    let watch = await host.look();
    const due = blockedIn(watch).filter((dataCentre) => (probing.get(dataCentre)?.nextAtMs ?? 0) <= host.now());
    const { probeEveryMs } = watch;
    const proven = await Promise.all(due.map((dataCentre) => probe(dataCentre, probeEveryMs)));
    if (proven.includes(true)) watch = await host.look();

    const blocked = blockedIn(watch);
    for (const dataCentre of [...probing.keys()]) if (!blocked.includes(dataCentre)) probing.delete(dataCentre);
    if (lookAgainAtMs !== null && lookAgainAtMs <= host.now()) lookAgainAtMs = null;
    for (const { dataCentre, waitsFor } of watch.waiting) {
      const id = `${waitsFor}:${dataCentre}`;
      if ((waitsFor === 'brake' ? watch.brakes : blocked).includes(dataCentre)) {
        rounds.delete(id);
        continue;
      }
      const round = rounds.get(id) ?? { sinceByMs: watch.atMs, done: 0 };
      rounds.set(id, round);
      const isSettling = lookAgainAtMs !== null && round.done > 0;
      if (restoring.has(id) || isSettling || round.done >= ROUNDS[waitsFor]) continue;
      round.done += 1;
      restore(id, { dataCentre, waitsFor, sinceByMs: round.sinceByMs });
    }
    host.publish(buildStatus(app, watch, probing, restored));

    if (!inbox.isEmpty()) continue;
    const times = blocked.map((dataCentre) => probing.get(dataCentre)?.nextAtMs ?? host.now());
    if (lookAgainAtMs !== null) times.push(lookAgainAtMs);
    if (restoring.size === 0) {
      if (times.length === 0) return 'ended';
      if (host.wantsNewRun()) return { probing: [...probing.values()], restored };
    }
    await host.sleep(times.length === 0 ? null : Math.min(...times), arrivals);
  }
}

function blockedIn({ troubles }: AppWatch): string[] {
  return troubles.filter(isBlocking).map(({ dataCentre }) => dataCentre);
}

function buildStatus(
  app: string,
  { troubles, brakes, waiting }: AppWatch,
  probing: ReadonlyMap<string, Probing>,
  restored: number,
): GuardianStatus {
  return {
    app,
    troubles: troubles.filter(isBlocking).map(({ dataCentre, reason, concurCode, sinceMs }) => ({
      data_center: dataCentre,
      reason,
      concur_code: concurCode,
      since: formatTime(sinceMs),
      probes: probing.get(dataCentre)?.probes ?? 0,
      next_probe_at: formatTime(probing.get(dataCentre)?.nextAtMs ?? null),
    })),
    brakes,
    waiting: waiting.map(({ dataCentre, waitsFor, count }) => ({
      data_center: dataCentre,
      waits_for: waitsFor,
      count,
    })),
    restored,
  };
}
