/** The loop beside a call that stands in a queue, or hangs: who waits is not kept waiting by it. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionSnapshot } from '../../core/connection.ts';
import { createInbox, type Inbox, type Wish } from '../../core/inbox.ts';
import { type LifecycleHost, type RefreshOrder, runLifecycle, WITHDRAWN } from '../../core/lifecycle.ts';
import { buildAggregate, buildConnection, HOUR, NOW_MS, snapshotOf } from '../simulation/builders.ts';

const pause: Wish = { kind: 'command', name: 'pause', actor: 'operator', reason: null };
const reader: Wish = { kind: 'fresh', version: 1 };

function snapshot(changes: Parameters<typeof buildConnection>[0]): ConnectionSnapshot {
  return snapshotOf(buildAggregate({ connection: buildConnection(changes) }));
}

interface Queued {
  readonly order: RefreshOrder;
  /** The queue has come to it. */
  end(after: ConnectionSnapshot): void;
}

/** A host whose refreshes stand in a queue until the test says otherwise. */
function createQueueingHost() {
  const inbox = createInbox();
  const queue: Queued[] = [];
  const done: string[] = [];
  const shown: string[] = [];
  const world = { onFile: snapshot({ nextActionAtMs: NOW_MS }), isWithdrawable: true };
  const never = (): Promise<never> => new Promise(() => {});
  let attempts = 0;
  const host: LifecycleHost = {
    now: () => NOW_MS,
    nextAttemptId: () => `run:${(attempts += 1)}`,
    load: async () => {
      done.push('load');
      return world.onFile;
    },
    refresh: (order, withdrawn) =>
      new Promise((resolve) => {
        done.push(`refresh ${order.cause}${order.urgent ? ' urgent' : ''}`);
        queue.push({ order, end: resolve });
        if (world.isWithdrawable) void withdrawn.then(() => resolve(WITHDRAWN));
      }),
    exchange: never,
    revoke: never,
    command: async ({ name }) => {
      done.push(name);
      world.onFile = snapshot({ state: 'paused', nextActionAtMs: NOW_MS + HOUR });
      return world.onFile;
    },
    sleep: async (_, arrivals) => {
      done.push('sleep');
      await inbox.untilMore(arrivals);
    },
    publish: ({ connection }) => void shown.push(connection.state),
    cargoOf: () => null,
    saveTokens: async () => null,
    callFailed: () => {},
    wantsNewRun: () => false,
  };
  void runLifecycle(host, inbox);
  return { inbox, queue, done, shown, world };
}

/** Lets everything happen that needs no time. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a due refresh that stands in the queue', () => {
  let rig: ReturnType<typeof createQueueingHost>;
  let inbox: Inbox;
  beforeEach(async () => {
    rig = createQueueingHost();
    ({ inbox } = rig);
    await settle();
    expect(rig.done).toEqual(['load', 'refresh due']);
    rig.done.length = 0;
  });

  it('is asked for again ahead of the queue as soon as somebody waits for it', async () => {
    const entry = inbox.push(reader);
    await settle();
    expect(rig.done).toEqual(['load', 'refresh due urgent']);
    expect(rig.queue.map(({ order }) => order.expectedVersion)).toEqual([1, 1]);
    rig.queue.at(-1)?.end(snapshot({ version: 2, nextActionAtMs: NOW_MS + HOUR }));
    await settle();
    expect(entry.settled).toBe(true);
    expect(rig.done.slice(2)).toEqual(['sleep']);
  });

  it('is not asked for any more once it is paused', async () => {
    const entry = inbox.push(pause);
    await settle();
    expect(entry.settled).toBe(true);
    expect(rig.done).toEqual(['pause', 'load', 'sleep']);
    expect(rig.shown.at(-1)).toBe('paused');
  });

  it('makes way once, however many come', async () => {
    for (let version = 1; version < 20; version += 1) inbox.push({ kind: 'rejected', version });
    await settle();
    inbox.push(reader);
    await settle();
    expect(rig.done).toEqual(['load', 'refresh due urgent']);
  });
});

describe('a refresh that has begun', () => {
  it('is waited for, with commands done beside it, and the row is read again after it', async () => {
    const { inbox, queue, done, shown, world } = createQueueingHost();
    world.isWithdrawable = false;
    await settle();
    const entry = inbox.push(pause);
    inbox.push(reader);
    await settle();
    expect(entry.settled).toBe(true);
    expect(shown.at(-1)).toBe('paused');
    expect(done).toEqual(['load', 'refresh due', 'pause']);
    // What the call saw is older than the pause.
    queue[0]?.end(snapshot({ version: 2, nextActionAtMs: NOW_MS + HOUR }));
    await settle();
    expect(done.slice(3)).toEqual(['load', 'sleep']);
    expect(shown.slice(-2)).toEqual(['paused', 'paused']);
  });
});
