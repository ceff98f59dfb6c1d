import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createReadRecorder } from '../../api/read-recorder.ts';
import type { TokenRead } from '../../core/stores.ts';

const KEY = { app: 'demo', principal: '0f4b1a3e-7b1c-4a55-8d34-000000000001' };
const NOW_MS = Date.UTC(2026, 8, 1);
const HOUR_MS = 3_600_000;
const reader = (id: string, correlationId = 'request-1') => ({ actor: `client:${id}`, reason: null, correlationId });
const silent = () => undefined;

/** What reached the stores, and a switch that makes them fail. */
function createRig(warmWindowMs = 2 * HOUR_MS) {
  const touched: { readonly atMs: number }[][] = [];
  const recorded: TokenRead[][] = [];
  const database = { isAway: false };
  const assertThere = () => {
    if (database.isAway) throw new Error('away');
  };
  const warnings: object[] = [];
  const recorder = createReadRecorder({
    connections: {
      async touchRead(reads) {
        assertThere();
        if (reads.length > 0) touched.push([...reads]);
      },
    },
    audit: {
      async recordReads(reads) {
        assertThere();
        if (reads.length > 0) recorded.push([...reads]);
      },
    },
    warmWindowMs,
    log: { debug: silent, info: silent, error: silent, warn: (fields) => void warnings.push(fields) },
  });
  const tick = () => vi.advanceTimersByTimeAsync(1_000);
  return { recorder, touched, recorded, database, warnings, tick };
}

describe('the recorder of reads', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('writes nothing while a token is read, and everything of a second in one go', async () => {
    const { recorder, touched, recorded, tick } = createRig();
    for (let n = 0; n < 1_000; n += 1) recorder.note(KEY, 3, reader(`c${n % 4}`, `request-${n}`), NOW_MS + n);
    expect([touched, recorded]).toEqual([[], []]);
    await tick();
    expect(touched).toEqual([[{ ...KEY, atMs: NOW_MS }]]);
    expect(recorded).toEqual([
      [0, 1, 2, 3].map((n) => ({
        ...KEY,
        version: 3,
        actor: `client:c${n}`,
        correlationId: `request-${n}`,
        atMs: NOW_MS + n,
      })),
    ]);
    await recorder.close();
  });

  it('notes each version once for each client, and nothing for a version that is older than the last', async () => {
    const { recorder, recorded, tick } = createRig();
    for (const version of [1, 1, 2, 1, 2, 3]) {
      recorder.note(KEY, version, reader('a'), NOW_MS);
      await tick();
    }
    recorder.note(KEY, 3, reader('b'), NOW_MS);
    await recorder.close();
    expect(recorded.flat().map(({ actor, version }) => `${actor} ${version}`)).toEqual([
      'client:a 1',
      'client:a 2',
      'client:a 3',
      'client:b 3',
    ]);
  });

  it('writes at an orderly shutdown what has not been written yet', async () => {
    const { recorder, touched, recorded } = createRig();
    recorder.note(KEY, 1, reader('a'), NOW_MS);
    await recorder.close();
    expect([touched.length, recorded.length]).toEqual([1, 1]);
  });

  it('forgets what could not be written, so that the next read is noted again', async () => {
    const { recorder, recorded, database, warnings, tick } = createRig();
    database.isAway = true;
    recorder.note(KEY, 1, reader('a'), NOW_MS);
    await tick();
    expect(warnings).toHaveLength(2);
    database.isAway = false;
    await tick();
    expect(recorded).toEqual([]);
    recorder.note(KEY, 1, reader('a'), NOW_MS + 1);
    await recorder.close();
    expect(recorded.flat()).toHaveLength(1);
  });

  it('holds a bounded number of reads while the database is silent', async () => {
    const { recorder, recorded } = createRig();
    for (let n = 0; n < 60_000; n += 1) recorder.note(KEY, n, reader('a'), NOW_MS);
    for (let n = 0; n < 200; n += 1) recorder.note({ ...KEY, app: 'other' }, 1, reader(`c${n}`), NOW_MS);
    await recorder.close();
    expect(recorded.flat()).toHaveLength(50_000);
  });

  it('says once a minute and connection that it is in use, more often where it cools down sooner', async () => {
    const usual = createRig();
    const brief = createRig(20_000);
    for (let second = 0; second < 120; second += 1) {
      for (const { recorder } of [usual, brief]) recorder.note(KEY, 1, reader('a'), NOW_MS + second * 1_000);
      await usual.tick();
    }
    await Promise.all([usual.recorder.close(), brief.recorder.close()]);
    expect([usual.touched.length, brief.touched.length]).toEqual([2, 24]);
  });
});
