import { expect, it } from 'vitest';
import { createRejections, type Rejection } from '../../api/rejections.ts';
import { AppError } from '../../core/errors.ts';
import { silentLog } from '../integration/db-silent-log.ts';

const key = { app: 'demo', principal: '0a1b2c3d-0000-4000-8000-00000000000a' };
const report = (version: number): Rejection => ({ version, actor: 'client:c' });

it('a report that is kept is not forgotten when an older one of the same connection gets through', async () => {
  const sent: number[] = [];
  let isAway = true;
  let isUnderWay = false;
  let release: () => void = () => undefined;
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
  };
  const rejections = createRejections({
    clock,
    log: silentLog,
    send: async (_key, { version }) => {
      if (isAway) throw new AppError('temporal-unavailable', 'away');
      // The first is under way when the second one is reported, which fails once more.
      if (version === 1) {
        await new Promise<void>((resolve) => {
          release = resolve;
          isUnderWay = true;
        });
      }
      sent.push(version);
    },
  });
  try {
    await rejections.report(key, report(1));
    isAway = false;
    await expect.poll(() => isUnderWay).toBe(true);
    isAway = true;
    await rejections.report(key, report(2));
    isAway = false;
    release();
    await expect.poll(() => sent).toEqual([1, 2]);
  } finally {
    rejections.close();
  }
});
