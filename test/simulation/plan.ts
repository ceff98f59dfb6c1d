/**
 * What a seed has in store: which kinds of trouble occur at all, and how often. Most worlds have few kinds of trouble,
 * since trouble of every kind at once hides more than it shows ("swarm testing").
 */
import { DAY, HOUR, MINUTE } from './builders.ts';
import type { Prng } from './prng.ts';
import { type Rotation, rotations } from './model-grant.ts';

/** What can become of one call to Concur. */
export const callFaults = [
  'unreachable',
  'reset-before-sending',
  'reset-after-sending',
  'slow',
  'silent',
  'http-503',
  'http-503-retry-after',
  'gateway-html',
  'gateway-timeout',
  'rate-limited',
  'malformed',
  'no-tokens',
  'unknown-code',
  'lives-elsewhere',
] as const;
export type CallFault = (typeof callFaults)[number];

/** States of things at Concur that hold for a while. */
export const phases = [
  'app-disabled-by-customer',
  'principal-disabled',
  'maintenance',
  'client-secret-wrong',
  'client-disabled',
  'stale-data-centre',
  'outage',
  'slow-outage',
] as const;
export type Phase = (typeof phases)[number];

export interface Plan {
  readonly rotation: Rotation;
  /** The world begins with a living connection; otherwise with a customer who presses Connect. */
  readonly beginsConnected: boolean;
  /** How long things go wrong before everything is healed. */
  readonly troubleMs: number;
  /** Mean pause between two things that somebody does. */
  readonly paceMs: number;
  /** Per passage of a border of a process (store, vault, wire). */
  readonly killChance: number;
  readonly freezeChance: number;
  readonly longestFreezeMs: number;
  /** Per transaction. */
  readonly databaseFailChance: number;
  readonly databaseDropChance: number;
  /** Per call to Concur. */
  readonly callFaultChance: number;
  readonly callFaults: readonly CallFault[];
  /** Per answer that a process has in hand: the worst happens right now. */
  readonly worstChance: number;
  readonly worst: readonly Happening[];
  /** Weights of what happens next. */
  readonly happenings: Readonly<Record<Happening, number>>;
  readonly phases: readonly Phase[];
  readonly longestOutageMs: number;
}

/** Everything that somebody or something may do to the world. */
export const happenings = [
  'read',
  'forced',
  'rejected',
  'pause',
  'resume',
  'revoke',
  'app-restored',
  'disconnect',
  'reconnect',
  'disconnect-and-reconnect',
  'garbage-connect',
  'move',
  'phase',
  'kill-worker',
  'freeze-worker',
  'cut-off-worker',
  'database-away',
  'kill-run',
  'second-run',
  'continue-as-new',
  'reconcile',
  'clock-jump',
  'fail-over',
  'overtaken',
  'shipwreck',
] as const;
export type Happening = (typeof happenings)[number];

/** What belongs to an ordinary day; the rest is trouble that a world has or has not. */
const ordinary: Partial<Record<Happening, number>> = {
  read: 30,
  forced: 3,
  reconcile: 2,
  'continue-as-new': 1,
  resume: 1,
};

const trouble: Partial<Record<Happening, number>> = {
  forced: 12,
  rejected: 4,
  pause: 2,
  revoke: 1,
  'app-restored': 1,
  disconnect: 1,
  reconnect: 2,
  'disconnect-and-reconnect': 3,
  'garbage-connect': 2,
  move: 2,
  phase: 3,
  'kill-worker': 6,
  'freeze-worker': 6,
  'cut-off-worker': 5,
  'database-away': 4,
  'kill-run': 3,
  'second-run': 3,
  'clock-jump': 2,
  'fail-over': 3,
};

/** What hurts most while an answer is in somebody's hands. */
const worstMoments = [
  'kill-worker',
  'freeze-worker',
  'cut-off-worker',
  'database-away',
  'kill-run',
  'second-run',
  'disconnect',
  'disconnect-and-reconnect',
  'revoke',
  'clock-jump',
  'overtaken',
  'shipwreck',
] as const satisfies readonly Happening[];

export function createPlan(prng: Prng): Plan {
  const sometimes = (share: number, value: () => number): number => (prng.chance(share) ? value() : 0);
  const some = <T>(items: readonly T[], share: number): T[] => items.filter(() => prng.chance(share));
  const isSparse = prng.chance(0.1);
  const weights = happenings.map((name): [Happening, number] => {
    const extra = prng.chance(0.35) ? (trouble[name] ?? 0) * prng.between(1, 3) : 0;
    return [name, (ordinary[name] ?? 0) + extra];
  });
  const worst = some(worstMoments, 0.45);
  const faults = some(callFaults, 0.35);
  return {
    // Strict rotation is where tokens can be lost.
    rotation: prng.pick([...rotations, 'strict']),
    beginsConnected: prng.chance(0.75),
    troubleMs: isSparse ? prng.spread(20 * DAY, 200 * DAY) : prng.spread(2 * HOUR, 20 * HOUR),
    paceMs: isSparse ? prng.spread(6 * HOUR, 4 * DAY) : prng.spread(3 * MINUTE, 15 * MINUTE),
    killChance: sometimes(0.5, () => prng.spread(1, 30) / 1_000),
    freezeChance: sometimes(0.3, () => prng.spread(1, 20) / 1_000),
    longestFreezeMs: prng.spread(5_000, 20 * MINUTE),
    databaseFailChance: sometimes(0.35, () => prng.spread(5, 200) / 1_000),
    databaseDropChance: sometimes(0.35, () => prng.spread(5, 150) / 1_000),
    callFaultChance: faults.length === 0 ? 0 : sometimes(0.7, () => prng.spread(20, 500) / 1_000),
    callFaults: faults,
    worst,
    worstChance: worst.length === 0 ? 0 : sometimes(0.75, () => prng.spread(20, 250) / 1_000),
    happenings: Object.fromEntries(weights) as Record<Happening, number>,
    phases: some(phases, 0.4),
    longestOutageMs: prng.spread(10_000, 30 * MINUTE),
  };
}
