import { describe, expect, it } from 'vitest';
import type { ConnectionState } from '../../core/connection.ts';
import { createInbox, type Wish } from '../../core/inbox.ts';
import { buildAggregate, buildConnection, buildSession, MINUTE, NOW_MS, snapshotOf } from '../simulation/builders.ts';

const command = (name: 'pause' | 'resume' | 'revoke'): Wish => ({
  kind: 'command',
  name,
  actor: 'operator',
  reason: null,
});
const forced: Wish = { kind: 'forced' };
const fresh = (version: number | null): Wish => ({ kind: 'fresh', version });
const rejected = (version: number | null): Wish => ({ kind: 'rejected', version });
const snapshot = (state: ConnectionState = 'active', version = 1) =>
  snapshotOf(buildAggregate({ connection: buildConnection({ state, version }) }));

describe('an inbox', () => {
  it('takes the same wish once, so that a flood stays small', () => {
    const inbox = createInbox();
    const entries = Array.from({ length: 1_000 }, () => inbox.push(fresh(1)));
    expect(new Set(entries).size).toBe(1);
    expect(inbox.arrivals()).toBe(1);
    inbox.push(fresh(2));
    expect(inbox.arrivals()).toBe(2);
  });

  it('takes a wish anew once the first was settled', () => {
    const inbox = createInbox();
    const first = inbox.push(forced);
    inbox.settle(first, NOW_MS);
    expect(inbox.isEmpty()).toBe(true);
    expect(inbox.push(forced)).not.toBe(first);
  });

  it('keeps the order of commands, so that the last one wins', () => {
    const inbox = createInbox();
    for (const name of ['pause', 'pause', 'resume', 'pause'] as const) inbox.push(command(name));
    const order: string[] = [];
    for (let next = inbox.nextCommand(); next !== null; next = inbox.nextCommand()) {
      if (next.wish.kind === 'command') order.push(next.wish.name);
      inbox.settle(next, NOW_MS);
    }
    expect(order).toEqual(['pause', 'resume', 'pause']);
  });

  it('serves the forced refresh before the rejected token, and that before the reader', () => {
    const inbox = createInbox();
    for (const wish of [fresh(1), rejected(1), forced]) inbox.push(wish);
    const order = [];
    for (let next = inbox.nextRefresh(NOW_MS); next !== null; next = inbox.nextRefresh(NOW_MS)) {
      order.push(next.wish.kind);
      inbox.settle(next, NOW_MS);
    }
    expect(order).toEqual(['forced', 'rejected', 'fresh']);
  });

  it('checks a rejected token once a minute at most', () => {
    const inbox = createInbox();
    inbox.settle(inbox.push(rejected(1)), NOW_MS);
    inbox.push(rejected(2));
    expect(inbox.nextRefresh(NOW_MS + MINUTE - 1)).toBeNull();
    expect(inbox.nextRefreshAtMs()).toBe(NOW_MS + MINUTE);
    expect(inbox.nextRefresh(NOW_MS + MINUTE)?.wish).toEqual(rejected(2));
  });

  it('wants a refresh at no time when nobody asked for one', () => {
    const inbox = createInbox();
    inbox.push(command('pause'));
    inbox.push({ kind: 'connect', sessionId: 's1' });
    expect(inbox.nextRefreshAtMs()).toBeNull();
    expect(inbox.nextRefresh(NOW_MS)).toBeNull();
  });

  it('settles everything when the run ends', () => {
    const inbox = createInbox();
    const entries = [inbox.push(forced), inbox.push(command('revoke'))];
    inbox.settleAll();
    expect(entries.every(({ settled }) => settled)).toBe(true);
    expect(inbox.isEmpty()).toBe(true);
  });
});

describe('a snapshot answers', () => {
  const answers = (wish: Wish, seen: ReturnType<typeof snapshot>): boolean => {
    const inbox = createInbox();
    const entry = inbox.push(wish);
    inbox.settleAnswered(seen, NOW_MS);
    return entry.settled;
  };

  it('a reader with a newer version, or a state that does not wait', () => {
    expect(answers(fresh(1), snapshot('active', 1))).toBe(false);
    expect(answers(fresh(1), snapshot('active', 2))).toBe(true);
    expect(answers(fresh(null), snapshot('active', 2))).toBe(false);
    expect(answers(fresh(1), snapshot('retrying'))).toBe(true);
  });

  it('a rejected token with a newer version, or a state that cannot refresh', () => {
    expect(answers(rejected(1), snapshot('retrying', 1))).toBe(false);
    expect(answers(rejected(1), snapshot('active', 2))).toBe(true);
    expect(answers(rejected(null), snapshot('paused'))).toBe(true);
  });

  it.each(['connecting', 'paused', 'revoking', 'reauthorization-required', 'revoked', 'connect-failed'] as const)(
    'a forced refresh when %s: it cannot be done',
    (state) => expect(answers(forced, snapshot(state))).toBe(true),
  );

  it.each(['active', 'retrying', 'suspended', 'blocked'] as const)('no forced refresh when %s', (state) =>
    expect(answers(forced, snapshot(state))).toBe(false),
  );

  it('a connect that is over or to be tried later, once it has been seen', () => {
    const pending = snapshotOf(buildAggregate({ sessions: [buildSession({ nextTryAtMs: NOW_MS })] }));
    const later = snapshotOf(buildAggregate({ sessions: [buildSession({ uses: 1, nextTryAtMs: NOW_MS + 1 })] }));
    const inbox = createInbox();
    const entry = inbox.push({ kind: 'connect', sessionId: 's1' });
    inbox.settleAnswered(snapshot(), NOW_MS);
    expect(entry.settled).toBe(false);
    entry.isLoaded = true;
    inbox.settleAnswered(pending, NOW_MS);
    expect(entry.settled).toBe(false);
    inbox.settleAnswered(later, NOW_MS);
    expect(entry.settled).toBe(true);
  });
});
