import { ApplicationFailure } from '@temporalio/activity';
import { describe, expect, it } from 'vitest';
import { withFailures } from '../../activities/failure.ts';
import { createActivities } from '../../activities/index.ts';
import { AppError } from '../../core/errors.ts';
import type { Carry } from '../../core/lifeboat.ts';
import { createActivityWorld } from '../simulation/activity-world.ts';
import { buildAggregate, buildConnection, KEY, NOW_MS } from '../simulation/builders.ts';

describe('reading and recording', () => {
  it('gives the connection on file as the workflow sees it, or nothing', async () => {
    const world = createActivityWorld();
    expect(await world.activities.loadConnection(KEY)).toBeNull();
    world.connect(buildAggregate());
    expect(await world.activities.loadConnection(KEY)).toEqual({
      connection: buildConnection(),
      pendingConnects: [],
      openUntilMs: null,
      upkeep: 'warm',
      listingUrl: 'https://example.com/listing',
    });
  });

  it('applies a command once, with its actor on record', async () => {
    const world = createActivityWorld();
    world.connect(buildAggregate());
    const pause = { ...KEY, name: 'pause', actor: 'client:c1', reason: 'holiday' } as const;
    expect((await world.activities.applyCommand(pause))?.connection.state).toBe('paused');
    await world.activities.applyCommand(pause);
    expect(world.store.trail(KEY)).toMatchObject([{ type: 'command.paused', actor: 'client:c1', atMs: NOW_MS }]);
  });
});

describe('a failure on its way to Temporal', () => {
  const fail = async (thrown: unknown): Promise<ApplicationFailure> => {
    const world = createActivityWorld();
    const activity = withFailures(world.deps.log, 'refreshTokens', async () => {
      throw thrown;
    });
    const failure = await activity({}).catch((error: unknown) => error);
    if (!(failure instanceof ApplicationFailure)) throw new Error('no failure');
    return failure;
  };

  it('has our code as its type, and nothing of the cause', async () => {
    const cause = new Error('password=hunter2');
    const failure = await fail(
      new AppError('database-unavailable', 'host db-7 said hunter2', {
        cause,
        details: { app: 'demo' },
        retryAfterMs: 9,
      }),
    );
    expect(failure).toMatchObject({
      type: 'database-unavailable',
      nonRetryable: false,
      details: [{ app: 'demo' }],
      nextRetryDelay: 9,
    });
    expect(failure.cause).toBeUndefined();
    expect(JSON.stringify([failure.message, failure.details])).not.toMatch(/hunter2|db-7/);
  });

  it('is not tried again when it is the caller’s mistake or a state that will not change', async () => {
    expect((await fail(new AppError('not-found', 'x'))).nonRetryable).toBe(true);
    expect((await fail(new AppError('conflict', 'x'))).nonRetryable).toBe(true);
    expect((await fail(new AppError('provider-unavailable', 'x'))).nonRetryable).toBe(false);
  });

  it('of our own making is internal, tried again, and tells no secret', async () => {
    const failure = await fail(new TypeError('hunter2 is not a function'));
    expect(failure).toMatchObject({ type: 'internal', nonRetryable: false });
    expect(String(failure)).not.toContain('hunter2');
  });
});

it('every activity is there for the worker, the calls with a heartbeat around them', async () => {
  const world = createActivityWorld();
  let beats = 0;
  const heartbeat = {
    whileBeating: <T>(work: (carry: Carry) => Promise<T>): Promise<T> => {
      beats += 1;
      return work(() => {});
    },
  };
  const activities = createActivities({ ...world.deps, heartbeat });
  expect(Object.keys(activities).sort()).toEqual([
    'applyCommand',
    'exchangeRequestToken',
    'loadConnection',
    'refreshTokens',
    'revokeConnection',
    'saveTokens',
  ]);
  await activities.loadConnection(KEY);
  await activities.refreshTokens({ ...KEY, attemptId: 'a1', cause: 'due', expectedVersion: null });
  expect(beats).toBe(1);
});
