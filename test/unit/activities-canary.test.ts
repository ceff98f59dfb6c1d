import { beforeEach, describe, expect, it } from 'vitest';
import { type Canary, createCanary, type Hint } from '../../activities/canary.ts';
import type { ConcurResult } from '../../core/ports.ts';
import { NOW_MS, SECOND, us2 } from '../simulation/builders.ts';
import { createVirtualClock, type VirtualClock } from '../simulation/virtual-clock.ts';

let clock: VirtualClock;
let canary: Canary;
let calls: number;

beforeEach(() => {
  clock = createVirtualClock(NOW_MS);
  canary = createCanary(clock);
  calls = 0;
});

const answer: ConcurResult<null> = {
  ok: false,
  failure: { kind: 'malformed', status: 200, what: 'as the test wants it' },
  sentAtMs: NOW_MS,
  endedAtMs: NOW_MS,
  correlationId: null,
  dataCentre: us2,
};
const ask = (hint: Hint, afterMs = 100) =>
  canary.ask(
    'demo:us2:secret-1',
    async () => {
      calls += 1;
      await clock.sleep(afterMs);
      return answer;
    },
    () => hint,
  );
const crowd = (hint: Hint, afterMs?: number) =>
  clock.run(Promise.all(Array.from({ length: 50 }, () => ask(hint, afterMs))));

describe('a crowd of calls with one client secret', () => {
  it('finds out with two calls that it is refused, and each is told so', async () => {
    expect(await crowd('refused')).toHaveLength(50);
    expect(calls).toBe(2);
  });

  it('asks again when the refusal is some seconds old', async () => {
    await crowd('refused');
    await clock.run(clock.sleep(3 * SECOND));
    await clock.run(ask('taken'));
    expect(calls).toBe(3);
  });

  it('waits for the first answer that takes it, and then all go at once', async () => {
    const from = clock.now();
    await crowd('taken');
    expect([calls, clock.now() - from]).toEqual([50, 200]);
  });

  it('does not wait for long when nobody answers', async () => {
    const from = clock.now();
    await crowd('nothing', 60 * SECOND);
    expect([calls, clock.now() - from]).toEqual([50, 62 * SECOND]);
  });
});
