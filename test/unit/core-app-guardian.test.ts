/** The guardian's loop in virtual time, against a record that a test writes. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { AppTrouble } from '../../core/aggregate.ts';
import {
  type CarriedGuard,
  createGuardianInbox,
  guardApp,
  type GuardianHost,
  type GuardianStatus,
  probePauseMs,
  type RestoreOrder,
} from '../../core/app-guardian.ts';
import type { Waiting } from '../../core/stores.ts';
import { HOUR, MINUTE, NOW_MS, SECOND } from '../simulation/builders.ts';

/** What is on file, and what has been done. */
let troubles: AppTrouble[];
let waiting: Waiting[];
let brakes: string[];
let credentialsWorkFromMs: number;
let nowMs: number;
let probes: { readonly dataCentre: string; readonly atMs: number }[];
let restored: RestoreOrder[];
let released: string[];
let statuses: GuardianStatus[];
/** What happens when the guardian sleeps beyond that moment. */
let happenings: { readonly atMs: number; readonly happen: () => void }[];
let newRunWanted: boolean;

const trouble = (dataCentre: string): AppTrouble => ({
  dataCentre,
  failures: 2,
  reason: 'client-secret-wrong',
  concurCode: 64,
  sinceMs: NOW_MS,
});

beforeEach(() => {
  troubles = [];
  waiting = [];
  brakes = [];
  credentialsWorkFromMs = Number.POSITIVE_INFINITY;
  nowMs = NOW_MS;
  probes = [];
  restored = [];
  released = [];
  statuses = [];
  happenings = [];
  newRunWanted = false;
});

function guard(carried?: CarriedGuard, inbox = createGuardianInbox()) {
  const host: GuardianHost = {
    now: () => nowMs,
    look: async () => ({
      atMs: nowMs,
      probeEveryMs: MINUTE,
      troubles: [...troubles],
      brakes: [...brakes],
      waiting: [...waiting],
    }),
    async probe(dataCentre) {
      probes.push({ dataCentre, atMs: nowMs });
      if (nowMs < credentialsWorkFromMs) return { proven: false, reason: 'client-secret-wrong', concurCode: 64 };
      troubles = troubles.filter((one) => one.dataCentre !== dataCentre);
      return { proven: true };
    },
    async restore(order) {
      restored.push(order);
      const found = waiting.find((one) => one.dataCentre === order.dataCentre && one.waitsFor === order.waitsFor);
      waiting = waiting.filter((one) => one !== found);
      return found?.count ?? 0;
    },
    async releaseBrake({ actor }) {
      released.push(actor);
      brakes = [];
    },
    async sleep(untilMs, arrivals) {
      // Whoever tells connections is done by the next turn.
      for (let turn = 0; turn < 10 && inbox.arrivals() === arrivals; turn += 1) await Promise.resolve();
      while (inbox.arrivals() === arrivals) {
        const next = happenings[0];
        if (next !== undefined && (untilMs === null || next.atMs < untilMs)) {
          happenings.shift();
          nowMs = next.atMs;
          next.happen();
        } else {
          if (untilMs === null) throw new Error('it would sleep for ever');
          nowMs = Math.max(nowMs, untilMs);
          return;
        }
      }
    },
    publish: (status) => void statuses.push(status),
    callFailed: () => {},
    wantsNewRun: () => newRunWanted,
  };
  return { inbox, end: guardApp(host, inbox, { app: 'demo', carried }) };
}

describe('the guardian of an app', () => {
  it('ends at once when there is nothing to guard', async () => {
    expect(await guard().end).toBe('ended');
    expect(probes).toEqual([]);
  });

  it('probes ever more rarely, up to fifteen times the first pause', async () => {
    troubles = [trouble('us2')];
    credentialsWorkFromMs = NOW_MS + 2 * HOUR;
    await guard().end;
    const pauses = probes.slice(1).map(({ atMs }, index) => (atMs - (probes[index]?.atMs ?? 0)) / MINUTE);
    expect(pauses.slice(0, 8)).toEqual([1, 2, 4, 8, 15, 15, 15, 15]);
    expect(probePauseMs(MINUTE, 99)).toBe(15 * MINUTE);
  });

  it('brings back those that wait in a data centre once its credentials are proven, and looks again', async () => {
    troubles = [trouble('us2'), trouble('eu2')];
    waiting = [
      { dataCentre: 'eu2', waitsFor: 'credentials', count: 2 },
      { dataCentre: 'us2', waitsFor: 'credentials', count: 1_000 },
    ];
    credentialsWorkFromMs = NOW_MS;
    expect(await guard().end).toBe('ended');
    expect(restored).toEqual([
      { dataCentre: 'eu2', waitsFor: 'credentials', sinceByMs: NOW_MS },
      { dataCentre: 'us2', waitsFor: 'credentials', sinceByMs: NOW_MS },
    ]);
    expect(statuses.at(-1)).toMatchObject({ restored: 1_002, troubles: [], waiting: [] });
    expect(nowMs).toBeLessThan(NOW_MS + 15 * SECOND);
  });

  it('tells once more those that began to wait in the moment in which the trouble ended, and nobody for ever', async () => {
    waiting = [{ dataCentre: 'us2', waitsFor: 'credentials', count: 3 }];
    const late = { dataCentre: 'us2', waitsFor: 'credentials', count: 1 } as const;
    for (const seconds of [1, 6, 11, 16, 21]) {
      happenings.push({ atMs: NOW_MS + seconds * SECOND, happen: () => void (waiting = [late]) });
    }
    expect(await guard().end).toBe('ended');
    expect(restored).toHaveLength(3);
    expect(new Set(restored.map(({ sinceByMs }) => sinceByMs))).toEqual(new Set([NOW_MS]));
  });

  it('probes at once when it is asked to, however long the pause was to be', async () => {
    troubles = [trouble('us2')];
    const askedAtMs = NOW_MS + 40 * MINUTE;
    const { inbox, end } = guard();
    happenings.push({
      atMs: askedAtMs,
      happen: () => {
        credentialsWorkFromMs = nowMs;
        inbox.probe();
      },
    });
    expect(await end).toBe('ended');
    expect(probes.at(-1)).toEqual({ dataCentre: 'us2', atMs: askedAtMs });
  });

  it('releases the brake and tells those that it held, once', async () => {
    brakes = ['us2'];
    waiting = [{ dataCentre: 'us2', waitsFor: 'brake', count: 4 }];
    const { inbox, end } = guard();
    inbox.release({ actor: 'cli:tester', reason: null });
    expect(await end).toBe('ended');
    expect(released).toEqual(['cli:tester']);
    expect(restored).toMatchObject([{ waitsFor: 'brake' }]);
  });

  it('leaves those alone that the brake still holds', async () => {
    brakes = ['us2'];
    waiting = [{ dataCentre: 'us2', waitsFor: 'brake', count: 4 }];
    expect(await guard().end).toBe('ended');
    expect(restored).toEqual([]);
  });

  it('hands the pace of its probes to the next run', async () => {
    troubles = [trouble('us2')];
    newRunWanted = true;
    const carried = await guard().end;
    expect(carried).toEqual({
      probing: [{ dataCentre: 'us2', probes: 1, nextAtMs: NOW_MS + MINUTE }],
      restored: 0,
    });
    if (carried === 'ended') throw new Error('it has ended');
    newRunWanted = false;
    credentialsWorkFromMs = NOW_MS + MINUTE;
    expect(await guard(carried).end).toBe('ended');
    expect(probes.map(({ atMs }) => atMs)).toEqual([NOW_MS, NOW_MS + MINUTE]);
  });
});
