import { describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { AppError } from '../../core/errors.ts';
import { type ReconcileHost, reconcile } from '../../core/reconcile.ts';
import { createVirtualClock } from '../simulation/virtual-clock.ts';

/** So many connections, in pages of as many as are asked for; the cursor is the number of the next one. */
function createFleet(size: number, host: Partial<ReconcileHost> = {}) {
  const clock = createVirtualClock(0);
  const asked: { readonly principal: string; readonly atMs: number }[] = [];
  const passed: (string | null)[] = [];
  const failed: string[] = [];
  let atOnce = 0;
  let mostAtOnce = 0;
  const whole: ReconcileHost = {
    clock,
    async page({ cursor = '0', limit }) {
      const from = Number(cursor);
      const to = Math.min(size, from + limit);
      const items = Array.from({ length: to - from }, (_, index) => ({ app: 'demo', principal: String(from + index) }));
      return { items, nextCursor: to < size ? String(to) : null };
    },
    async ensureRunning({ principal }: ConnectionKey) {
      asked.push({ principal, atMs: clock.monotonic() });
      atOnce += 1;
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      await clock.sleep(400);
      atOnce -= 1;
      return Number(principal) % 2 === 0 ? 'started' : 'running';
    },
    passed: (cursor) => void passed.push(cursor),
    failed: ({ principal }) => void failed.push(principal),
    ...host,
  };
  return {
    asked,
    passed,
    failed,
    clock,
    mostAtOnce: () => mostAtOnce,
    run: (from: string | null = null) => clock.run(reconcile(whole, from)),
  };
}

describe('reconciling', () => {
  it('asks for every connection once, page by page, and tells how many had to be started', async () => {
    const fleet = createFleet(250);
    expect(await fleet.run()).toEqual({ seen: 250, started: 125, failed: 0, cursor: null });
    expect(new Set(fleet.asked.map(({ principal }) => principal)).size).toBe(250);
    expect(fleet.passed).toEqual(['100', '200', null]);
  });

  it('goes on where an earlier try was', async () => {
    const fleet = createFleet(250);
    expect(await fleet.run('200')).toMatchObject({ seen: 50, cursor: null });
    expect(fleet.asked.map(({ principal }) => Number(principal)).every((principal) => principal >= 200)).toBe(true);
  });

  it('starts at most a hundred a second however fast the server is, and ten at once however slow', async () => {
    const slow = createFleet(300);
    const times: number[] = [];
    const instant = createFleet(300, {
      ensureRunning: async () => {
        times.push(instant.clock.monotonic());
        return 'started';
      },
    });
    await instant.run();
    for (const [index, atMs] of times.entries()) {
      expect(times.filter((other) => other >= atMs && other < atMs + 1_000).length, String(index)).toBeLessThanOrEqual(
        100,
      );
    }
    expect(times.at(-1)).toBeLessThan(3_100);
    await slow.run();
    expect(slow.mostAtOnce()).toBe(10);
  });

  it('ends after a page when it is told to, with the cursor to go on from', async () => {
    const ending = new AbortController();
    const fleet = createFleet(250, { signal: ending.signal, passed: () => ending.abort() });
    expect(await fleet.run()).toMatchObject({ seen: 100, cursor: '100' });
  });

  it('passes over a connection that cannot be started', async () => {
    const fleet = createFleet(20, {
      ensureRunning: async ({ principal }) => {
        if (principal === '7') throw new Error('refused');
        return 'running';
      },
    });
    expect(await fleet.run()).toEqual({ seen: 20, started: 0, failed: 1, cursor: null });
    expect(fleet.failed).toEqual(['7']);
  });

  it('stops when the server is away, without beginning anything new', async () => {
    let asked = 0;
    const fleet = createFleet(250, {
      ensureRunning: async () => {
        asked += 1;
        throw new AppError('temporal-unavailable', 'away');
      },
    });
    await expect(fleet.run()).rejects.toMatchObject({ code: 'temporal-unavailable' });
    expect(asked).toBeLessThanOrEqual(10);
    expect(fleet.failed).toEqual([]);
  });
});
