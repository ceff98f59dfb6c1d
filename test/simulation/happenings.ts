/** What people, machines and the weather do to a simulated world, one thing at a time. */
import type { ConnectSession } from '../../core/aggregate.ts';
import { applyCommand, type CommandName } from '../../core/command-transaction.ts';
import { acceptConnect } from '../../core/exchange-transaction.ts';
import { isEnded } from '../../core/connection.ts';
import { Secret } from '../../core/secret.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { DAY, HOUR, KEY, MINUTE, policy, WORKFLOW_ID } from './builders.ts';
import type { Process } from './fleet.ts';
import { type Happening, happenings } from './plan.ts';
import { wallMs, type World } from './world.ts';

/** Something happens every now and then until `untilMs`. */
export function keepHappening(world: World, untilMs: number): void {
  const { prng, timeline, plan } = world;
  const weighted = happenings.flatMap((name) => Array.from({ length: plan.happenings[name] }, () => name));
  const next = (): void => {
    const atMs = timeline.nowMs() + prng.spread(Math.max(1, plan.paceMs / 30), plan.paceMs * 4);
    if (atMs >= untilMs) return;
    timeline.at(atMs, () => {
      happen(world, prng.pick(weighted), untilMs);
      next();
    });
  };
  next();
}

/** Several of the worst things at once, or one after the other, while an answer is in the hands of `holder`. */
export function happenAtWorst(world: World, holder: Process): void {
  const { prng, timeline, plan, trace } = world;
  if (timeline.nowMs() >= plan.troubleMs || !prng.chance(plan.worstChance)) return;
  trace.note('at the worst moment:');
  for (let count = prng.between(1, 3); count > 0; count -= 1) {
    const what = prng.pick(plan.worst);
    const run = (): void => happen(world, what, plan.troubleMs, holder);
    if (prng.chance(0.6)) run();
    else timeline.at(timeline.nowMs() + prng.spread(10, 3 * MINUTE), run);
  }
}

function happen(world: World, what: Happening, untilMs: number, holder?: Process): void {
  const { prng, timeline, fleet, concur, runs, plan, trace, database } = world;
  const process = (): Process | undefined =>
    holder ?? (fleet.processes.length === 0 ? undefined : prng.pick(fleet.processes));
  const later = (ms: number, run: () => void): void => void timeline.at(Math.min(timeline.nowMs() + ms, untilMs), run);
  switch (what) {
    case 'read':
      return void world.read();
    case 'forced':
      return void runs.wish({ kind: 'forced' });
    case 'rejected':
      return void runs.wish({ kind: 'rejected', version: null });
    case 'pause':
    case 'resume':
    case 'revoke':
    case 'app-restored':
      return void command(world, what);
    case 'disconnect':
      return disconnect(world);
    case 'reconnect':
      return void connect(world);
    case 'disconnect-and-reconnect':
      disconnect(world);
      return later(prng.spread(100, 10 * MINUTE), () => void connect(world));
    case 'garbage-connect':
      return void connect(world, 'garbage');
    case 'move': {
      const { directory } = concur.model;
      const home = concur.company.dataCentre === 'us2' ? 'eu2' : 'us2';
      trace.note(`Concur: the company moves to ${home}`);
      return directory.move(concur.company.id, home, prng.pick(['redirects', 'serves'] as const));
    }
    case 'phase': {
      if (plan.phases.length === 0) return;
      const phase = prng.pick(plan.phases);
      if (phase === 'stale-data-centre') {
        // Two looks an hour apart count as proof, so it happens once, for less than that, by clocks that agree.
        if (plan.happenings['clock-jump'] > 0 || world.oncePerWorld.has(phase)) return;
        world.oncePerWorld.add(phase);
      }
      concur.begin(phase);
      const lasts = phase === 'stale-data-centre' ? 50 * MINUTE : phase === 'maintenance' ? 8 * HOUR : 3 * HOUR;
      return later(prng.spread(MINUTE, lasts), () => {
        concur.end(phase);
        if (prng.chance(0.7))
          void runs.wish({ kind: 'command', name: 'app-restored', actor: 'guardian', reason: null });
      });
    }
    case 'kill-worker': {
      const victim = process();
      return victim && fleet.kill(victim, 'some moment');
    }
    case 'freeze-worker': {
      const victim = process();
      return victim && fleet.freeze(victim, prng.spread(2_000, plan.longestFreezeMs), 'some moment');
    }
    case 'cut-off-worker': {
      const victim = process();
      return victim && fleet.cutOff(victim, prng.spread(5_000, 15 * MINUTE));
    }
    case 'database-away':
      if (database.isAway) return;
      trace.note('the database goes away');
      database.isAway = true;
      return later(prng.spread(500, plan.longestOutageMs), () => {
        trace.note('the database is back');
        database.isAway = false;
      });
    case 'kill-run': {
      const run = runs.living.at(-1);
      if (run !== undefined) runs.kill(run);
      return later(prng.spread(1_000, 2 * HOUR), () => reconcile(world));
    }
    case 'second-run':
      if (runs.living.length < 2) runs.start();
      return;
    case 'continue-as-new': {
      const run = runs.living.at(-1);
      if (run !== undefined) run.isOld = true;
      return;
    }
    case 'reconcile':
      return reconcile(world);
    case 'fail-over':
      return failOver(world);
    case 'overtaken': {
      // Whoever holds the answer sleeps until a new Connect is on file.
      const victim = process();
      if (victim === undefined) return;
      fleet.freeze(victim, prng.spread(4 * MINUTE, 30 * MINUTE), 'the worst moment');
      disconnect(world);
      return later(prng.spread(100, MINUTE), () => void connect(world));
    }
    case 'shipwreck': {
      // No database, and then no process either.
      const victim = process();
      happen(world, 'database-away', untilMs);
      return later(prng.spread(500, 20_000), () => victim && fleet.kill(victim, 'the worst moment'));
    }
    case 'clock-jump': {
      const victim = process();
      if (victim === undefined) return;
      fleet.jump(victim, prng.pick([HOUR, -HOUR]));
      world.oracle.jumped();
      return later(prng.spread(MINUTE, 4 * HOUR), () => {
        fleet.jump(victim, 0);
        world.oracle.jumped();
      });
    }
  }
}

/** A run for whatever is not over and has none. */
export function reconcile({ runs, store }: World): void {
  if (runs.living.length > 0) return;
  try {
    const { connection, sessions } = store.one(KEY);
    if (!isEnded(connection.state) || sessions.length > 0) runs.start();
  } catch {
    // Nobody has connected yet.
  }
}

/** As the API does it for some: on file first, then the workflow is told; or the workflow alone. */
export async function command(world: World, name: CommandName): Promise<void> {
  const { prng, outsideStore, runs } = world;
  const order = { name, actor: 'operator', reason: null };
  if (prng.chance(0.5)) {
    const nowMs = wallMs(world);
    const input = { ...order, nowMs, policy, workflowId: WORKFLOW_ID };
    await outsideStore.transact(KEY, (aggregate) => applyCommand(aggregate, input)).catch(() => null);
  }
  runs.wish({ kind: 'command', ...order });
  if (name === 'revoke') await world.read();
}

function disconnect({ concur, trace }: World): void {
  trace.note('the customer presses Disconnect');
  concur.model.tokens.endGrant(concur.app.clientId, concur.company.id, 'disconnected');
}

/** Concur falls back to what it knew before its last rotation: the newest value never was, the one before lives on. */
function failOver({ concur, store, vault, trace, oracle }: World): void {
  const { refreshTokens } = concur.model.tokens;
  if (store.trail(KEY).length === 0) return;
  const { current, previous } = store.one(KEY).grant;
  const newest = refreshTokens.manyOf(concur.app.clientId, concur.company.id).at(-1);
  const before = previous === null ? undefined : refreshTokens.maybeOne(vault.peek(previous.sealed));
  if (newest === undefined || newest.death !== null || before === undefined || before === newest) return;
  if (current === null || vault.peek(current.sealed) !== newest.value || before.death === 'disconnected') return;
  if (before.death === 'revoked' || !oracle.isOneGrant(newest.value, before.value)) return;
  trace.note('Concur: a fail-over, the last rotation is forgotten');
  newest.death = 'rotated';
  before.death = null;
  concur.model.changed();
  oracle.reborn(before.value);
}

/** The customer presses Connect and completes the landing page; sometimes nobody tells the workflow. */
export async function connect(world: World, requestToken?: string): Promise<void> {
  const { prng, concur, vault, outsideStore, runs, trace } = world;
  const { app, company, model } = concur;
  const principal = { type: 'company', id: company.id, company } as const;
  const id = prng.uuid();
  trace.note(`somebody connects (${requestToken ?? 'with a request token'})`);
  const token = requestToken ?? model.tokens.issueRequestToken(app, principal, 'connect').value;
  const nowMs = wallMs(world);
  const session: ConnectSession = {
    id,
    kind: 'request-token',
    dataCentre: null,
    requestToken: await vault.seal(new Secret(token), sealContexts.requestToken(id)),
    userId: null,
    customerRef: null,
    status: 'completed',
    uses: 0,
    nextTryAtMs: nowMs,
    expiresAtMs: nowMs + DAY,
    failure: null,
  };
  const input = {
    key: KEY,
    sessionId: id,
    actor: 'concur-admin',
    newConnectionId: 'c1',
    principalType: 'company',
    nowMs,
    policy,
    workflowId: WORKFLOW_ID,
  } as const;
  let isNew = false;
  try {
    isNew = await outsideStore.transact(KEY, (aggregate) => {
      const sessions = [...aggregate.sessions, session];
      const { result, changes } = acceptConnect({ ...aggregate, sessions }, input);
      return { result: result.state === 'connecting', changes: { ...changes, sessions: [session] } };
    });
  } catch {
    // The page says that it did not work; it may have worked all the same.
  }
  if (prng.chance(0.85)) runs.wish({ kind: 'connect', sessionId: id, isNew });
}
