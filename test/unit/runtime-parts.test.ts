import { afterEach, describe, expect, it, vi } from 'vitest';
import { AppError } from '../../core/errors.ts';
import { systemClock } from '../../runtime/clock.ts';
import { formatDuration, parseDuration } from '../../runtime/duration.ts';
import { describeFailure, exitCodeOf } from '../../runtime/main-guard.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { isAddressRange, isLoopback } from '../../runtime/network.ts';
import { isReadyMessage } from '../../runtime/ready.ts';
import { systemRng } from '../../runtime/rng.ts';
import { createShutdown } from '../../runtime/shutdown.ts';

describe('a duration', () => {
  it.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['30d', 2_592_000_000],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 's', '5 m', '-5m', '5M', '1e3s', '5m5s', '١s'])('is not %j', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  it.each([
    [0, '0s'],
    [250, '250ms'],
    [90_000, '90s'],
    [300_000, '5m'],
    [86_400_000, '1d'],
  ])('of %i ms is written %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});

describe('an address', () => {
  it('is loopback by its own spelling alone', () => {
    for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '::1', '[::1]'])
      expect(isLoopback(host)).toBe(true);
    for (const host of ['localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '0.0.0.0', '::2', '']) {
      expect(isLoopback(host)).toBe(false);
    }
  });

  it('may be a range', () => {
    for (const text of ['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8']) expect(isAddressRange(text)).toBe(true);
    for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0', 'x/8', '::/129', '10.0.0.0/8/8']) {
      expect(isAddressRange(text)).toBe(false);
    }
  });
});

describe('the clock', () => {
  it('sleeps, and wakes with the reason of its signal', async () => {
    await systemClock.sleep(1);
    await systemClock.sleep(0);
    const controller = new AbortController();
    const reason = new Error('enough');
    const sleeping = systemClock.sleep(60_000, controller.signal);
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
    await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('does not fire at once for a sleep that no timer can hold', async () => {
    const controller = new AbortController();
    const woke = vi.fn();
    const sleeping = systemClock.sleep(60 * 86_400_000, controller.signal).then(woke, () => undefined);
    await systemClock.sleep(20);
    expect(woke).not.toHaveBeenCalled();
    controller.abort();
    await sleeping;
  });
});

describe('randomness', () => {
  it('gives ids and tokens of the asked size', () => {
    expect(systemRng.uuid()).toMatch(/^[0-9a-f-]{36}$/);
    expect(Buffer.from(systemRng.token(24), 'base64url')).toHaveLength(24);
    expect(systemRng.token(24)).not.toBe(systemRng.token(24));
  });
});

describe('the metrics', () => {
  it('have the documented names and labels, and count on their own', async () => {
    const metrics = createMetrics('1.2.3');
    metrics.connections.set({ app: 'demo', state: 'active' }, 3);
    metrics.concurRequestsTotal.inc({ data_center: 'us2', endpoint: 'token', code: '200' });
    metrics.httpRequestDurationSeconds.observe({ route: '/v1', method: 'GET', status: '200' }, 0.01);
    const text = await metrics.registry.metrics();
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(names.toSorted()).toEqual(
      [
        'evergrant_connections',
        'evergrant_refresh_total',
        'evergrant_refresh_duration_seconds',
        'evergrant_refresh_lateness_seconds',
        'evergrant_token_reads_total',
        'evergrant_connects_total',
        'evergrant_refresh_token_days_left',
        'evergrant_app_blocked',
        'evergrant_brake_on',
        'evergrant_save_failures_total',
        'evergrant_uncertain_total',
        'evergrant_outbox_lag_seconds',
        'evergrant_reconcile_started_total',
        'evergrant_build_info',
        'evergrant_concur_requests_total',
        'http_request_duration_seconds',
      ].toSorted(),
    );
    expect(text).toContain('evergrant_connections{app="demo",state="active"} 3');
    expect(text).toContain(`evergrant_build_info{version="1.2.3",node="${process.version}"} 1`);
    expect(await createMetrics('1').registry.metrics()).not.toContain('app="demo"');
  });
});

describe('the exit code', () => {
  it('tells a wrong configuration, trouble that may pass, and everything else apart', () => {
    expect(exitCodeOf(new AppError('configuration-invalid', 'x'))).toBe(78);
    expect(exitCodeOf(new AppError('database-unavailable', 'x'))).toBe(75);
    expect(exitCodeOf(new AppError('conflict', 'x'))).toBe(1);
    expect(exitCodeOf(new Error('x'))).toBe(1);
    expect(exitCodeOf('x')).toBe(1);
  });

  it('comes with a message: a hint for what was foreseen, the stack of a defect', () => {
    expect(describeFailure('api', new AppError('database-unavailable', 'No answer from db.'))).toBe(
      'api: No answer from db.\nCheck DATABASE_URL and the server.',
    );
    expect(describeFailure('api', new AppError('configuration-invalid', 'PORT: wrong'))).toBe('api: PORT: wrong');
    // Their hints are for whoever reads an answer of the API: on a terminal there is no resource to read again.
    expect(describeFailure('evergrant', new AppError('conflict', 'It is paused'))).toBe('evergrant: It is paused');
    expect(describeFailure('evergrant', new AppError('bad-request', 'No file'))).toBe('evergrant: No file');
    expect(describeFailure('api', new TypeError('x is undefined'))).toMatch(/api: TypeError: x is undefined\n\s+at /);
  });
});

describe('a message of a child process', () => {
  it('is the one that says ready, or another', () => {
    expect(isReadyMessage({ type: 'ready', url: 'http://localhost:1' })).toBe(true);
    for (const value of [null, 'ready', { type: 'other' }, {}]) expect(isReadyMessage(value)).toBe(false);
  });
});

describe('a shutdown', () => {
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const signals = ['SIGTERM', 'SIGINT'] as const;
  const before = signals.map((signal) => process.listenerCount(signal));
  afterEach(() => {
    vi.clearAllMocks();
    expect(signals.map((signal) => process.listenerCount(signal))).toEqual(before);
  });

  it('closes in reverse order, once, then ends the process', async () => {
    const exit = vi.fn();
    const order: string[] = [];
    const shutdown = createShutdown({ log, exit });
    shutdown.onClose('pool', () => void order.push('pool'));
    shutdown.onClose('server', async () => void order.push('server'));
    const first = shutdown.begin('test');
    expect(shutdown.signal.aborted).toBe(true);
    expect(shutdown.begin('again', 1)).toBe(first);
    await first;
    expect(order).toEqual(['server', 'pool']);
    expect(exit.mock.calls).toEqual([[0]]);
  });

  it('goes on after a part that fails to close, and says so', async () => {
    const exit = vi.fn();
    const closed = vi.fn();
    const shutdown = createShutdown({ log, exit });
    shutdown.onClose('pool', closed);
    shutdown.onClose('server', () => {
      throw new Error('stuck');
    });
    await shutdown.begin('test');
    expect(closed).toHaveBeenCalled();
    expect(log.error).toHaveBeenCalledWith(expect.objectContaining({ part: 'server' }), expect.any(String));
    expect(exit).toHaveBeenCalledWith(1);
  });

  it('does not wait beyond its deadline', async () => {
    const exit = vi.fn();
    const shutdown = createShutdown({ log, exit, deadlineMs: 20 });
    shutdown.onClose('stuck', () => new Promise(() => undefined));
    await shutdown.begin('test');
    expect(exit).toHaveBeenCalledWith(1);
  });

  it('keeps the exit code of a failure', async () => {
    const exit = vi.fn();
    await createShutdown({ log, exit }).begin('a part has died', 75);
    expect(exit).toHaveBeenCalledWith(75);
  });
});
