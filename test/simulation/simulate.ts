/** One seed: a world in trouble, healed, and judged. */
import { DAY, HOUR, KEY, MINUTE } from './builders.ts';
import { command, connect, happenAtWorst, keepHappening, reconcile } from './happenings.ts';
import type { Counted, Violation } from './oracle.ts';
import { createWorld, type World } from './world.ts';

export interface SeedReport {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly counts: Readonly<Record<Counted, number>>;
  /** Events that happened. */
  readonly steps: number;
  readonly hash: string;
  readonly trace: readonly string[];
  readonly rotation: string;
}

/** More events than any world needs: something goes round without a pause. */
const MOST_STEPS = 60_000;

export async function simulateSeed(seed: number, bug: string | null = null): Promise<SeedReport> {
  const world = createWorld(seed, bug);
  const { plan, timeline, oracle, trace, runs } = world;
  trace.note(`seed ${seed}: ${JSON.stringify(plan)}`);

  const now = (happen: () => void): void => void timeline.at(timeline.nowMs(), happen);
  now(() => (plan.beginsConnected ? void runs.start() : void connect(world)));
  world.concur.onAnswer = (holder) => happenAtWorst(world, holder);
  keepHappening(world, plan.troubleMs);
  await pass(world, plan.troubleMs);

  heal(world);
  // Frozen processes thaw, what hangs is given up, slow tries come round.
  await pass(world, timeline.nowMs() + 30 * MINUTE);
  now(() => reconcile(world));
  now(() => void command(world, 'resume'));
  await pass(world, timeline.nowMs() + 2 * DAY);
  now(() => reconcile(world));
  await pass(world, timeline.nowMs() + HOUR);
  const callsBefore = oracle.counts.tokenCalls;
  now(() => void world.read());
  await pass(world, timeline.nowMs() + 5 * MINUTE);
  oracle.checkEnd();
  if (oracle.counts.tokenCalls - callsBefore > 3) oracle.violated('liveness', 'a healthy connection keeps calling');
  return {
    seed,
    violations: oracle.violations,
    counts: oracle.counts,
    steps: timeline.count(),
    hash: trace.hash(),
    trace: trace.lines(),
    rotation: plan.rotation,
  };
}

/** Lets time pass until `untilMs`, and looks after every event. */
async function pass({ timeline, oracle }: World, untilMs: number): Promise<void> {
  while (await timeline.step(untilMs)) {
    oracle.check();
    if (timeline.count() <= MOST_STEPS) continue;
    oracle.violated('liveness', `${MOST_STEPS} events and no end`);
    return;
  }
}

/** Nothing goes wrong any more; of several runs the newest stays. */
function heal(world: World): void {
  const { trace, fleet, concur, database, runs } = world;
  trace.note('everything is healed');
  fleet.heal();
  concur.heal();
  database.isAway = false;
  database.isHealed = true;
  for (const run of runs.living.slice(0, -1)) runs.kill(run);
  if (world.store.trail(KEY).length > 0 || world.plan.beginsConnected) {
    runs.wish({ kind: 'command', name: 'app-restored', actor: 'guardian', reason: null });
  }
}
