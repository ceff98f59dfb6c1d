import { beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { type ActivityWorld, createActivityWorld } from '../simulation/activity-world.ts';
import { buildAggregate, buildConnection, buildToken, HOUR, KEY, MINUTE, NOW_MS } from '../simulation/builders.ts';
import { refusal, tokens } from '../simulation/scripted-concur.ts';

const DEAD = refusal({ code: 108 });
const OPERATOR = { actor: 'operator', reason: null, correlationId: null };

let world: ActivityWorld;
let attempts = 0;
beforeEach(() => {
  world = createActivityWorld();
});

function keyOf(index: number): ConnectionKey {
  return { ...KEY, principal: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}` };
}

/** Connections of one app in one data centre, all due now. */
function connectMany(count: number, dataCentre = 'us2'): ConnectionKey[] {
  return Array.from({ length: count }, (_, index) => {
    const key = keyOf(index);
    const connection = buildConnection({ ...key, id: `c-${dataCentre}-${index}`, dataCentre, version: 2 });
    world.connect(buildAggregate({ connection, grant: { current: buildToken('a1'), previous: buildToken('a0') } }));
    return key;
  });
}

/** Until nothing is left to ask with. */
async function refreshFully(key: ConnectionKey): Promise<void> {
  for (let tries = 0; tries < 3; tries += 1) {
    attempts += 1;
    const input = { ...key, attemptId: `x${attempts}`, cause: 'due' as const, expectedVersion: null };
    await world.clock.run(world.activities.refreshTokens(input));
  }
}

const states = (keys: readonly ConnectionKey[]) => keys.map((key) => world.store.one(key).connection.state);

async function endAll(keys: readonly ConnectionKey[]): Promise<void> {
  for (const key of keys) await refreshFully(key);
}

describe('the brake', () => {
  it('lets five end within an hour and holds the sixth and all after it, with their tokens to be asked with again', async () => {
    const keys = connectMany(8);
    world.concur.always('refreshTokens', () => DEAD);
    await endAll(keys);
    expect(states(keys)).toEqual([...new Array(5).fill('reauthorization-required'), ...new Array(3).fill('suspended')]);
    for (const key of keys.slice(5)) {
      const { connection, grant } = world.store.one(key);
      expect(connection).toMatchObject({ reason: 'held-by-brake', nextActionAtMs: expect.any(Number) });
      expect([grant.current?.refused, grant.previous?.refused]).toEqual([false, false]);
      expect(world.store.trail(key).at(-1)).toMatchObject({
        type: 'connection.suspended',
        reason: 'held-by-brake',
        stateTo: 'suspended',
      });
    }
    expect(world.logged.filter((line) => line.includes('held by the brake')).length).toBeGreaterThan(0);
  });

  it('goes by the share where that is more', async () => {
    const keys = connectMany(700);
    world.concur.always('refreshTokens', () => DEAD);
    await endAll(keys.slice(0, 9));
    expect(states(keys.slice(0, 9))).toEqual([
      ...new Array(7).fill('reauthorization-required'),
      'suspended',
      'suspended',
    ]);
  });

  it('counts an hour, one app and one data centre', async () => {
    const keys = connectMany(5);
    world.concur.always('refreshTokens', () => DEAD);
    await endAll(keys);
    await world.clock.advance(HOUR);
    const later = { ...keyOf(50) };
    world.connect(buildAggregate({ connection: buildConnection({ ...later, id: 'later', nextActionAtMs: NOW_MS }) }));
    const elsewhere = { ...keyOf(51) };
    world.connect(
      buildAggregate({ connection: buildConnection({ ...elsewhere, id: 'elsewhere', dataCentre: 'eu2' }) }),
    );
    await endAll([later, elsewhere]);
    expect(states([later, elsewhere])).toEqual(['reauthorization-required', 'reauthorization-required']);
  });

  it('lets what it held come back by itself when Concur knows the tokens again', async () => {
    const keys = connectMany(6);
    world.concur.always('refreshTokens', () => DEAD);
    await endAll(keys);
    world.concur.always('refreshTokens', () => tokens());
    await world.clock.advance(7 * HOUR);
    const held = keyOf(5);
    await world.clock.run(
      world.activities.refreshTokens({ ...held, attemptId: 'later', cause: 'due', expectedVersion: null }),
    );
    expect(states([held])).toEqual(['active']);
  });

  it('is taken off by an operator: what it held is asked once more, and ends when Concur still says so', async () => {
    const keys = connectMany(9);
    world.concur.always('refreshTokens', () => DEAD);
    await endAll(keys);
    await world.clock.advance(MINUTE);
    expect(await world.store.brakes.release(KEY.app, world.clock.now(), OPERATOR)).toEqual(['us2']);
    await world.clock.advance(MINUTE);
    for (const key of keys.slice(5)) {
      await world.activities.applyCommand({ ...key, name: 'app-restored', actor: 'operator', reason: null });
      expect(world.store.one(key).connection.nextActionAtMs).toBe(world.clock.now());
    }
    await endAll(keys.slice(5));
    expect(states(keys)).toEqual(new Array(9).fill('reauthorization-required'));
  });
});

describe('reviving', () => {
  it('asks once more with the tokens that are still on file', async () => {
    const [key] = connectMany(1);
    if (key === undefined) throw new Error('no connection');
    world.concur.always('refreshTokens', () => DEAD);
    await endAll([key]);
    expect(states([key])).toEqual(['reauthorization-required']);
    const snapshot = await world.activities.applyCommand({ ...key, name: 'revive', actor: 'cli:me', reason: null });
    expect(snapshot?.connection).toMatchObject({ state: 'suspended', reason: 'revived' });
    world.concur.always('refreshTokens', () => tokens());
    await refreshFully(key);
    expect(states([key])).toEqual(['active']);
  });

  it('does nothing where nothing is left to ask with, or nothing has ended', async () => {
    const [key] = connectMany(1);
    if (key === undefined) throw new Error('no connection');
    await world.activities.applyCommand({ ...key, name: 'revive', actor: 'cli:me', reason: null });
    expect(states([key])).toEqual(['active']);
    const ended = buildConnection({ ...key, id: 'c-us2-0', state: 'reauthorization-required' });
    world.store.put(buildAggregate({ connection: ended, grant: { current: null, previous: null } }));
    await world.activities.applyCommand({ ...key, name: 'revive', actor: 'cli:me', reason: null });
    expect(states([key])).toEqual(['reauthorization-required']);
  });
});
