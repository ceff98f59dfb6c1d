/** A simulated world: the product's own parts, put together around chance, time and an oracle. */
import { type Activities, createActivities } from '../../activities/index.ts';
import type { TokenResource } from '../../api/schemas/resources.ts';
import { createTokenReader } from '../../api/token-reader.ts';
import { createConcur } from '../../concur/concur.ts';
import { createDataCentres } from '../../concur/data-centres.ts';
import { isAppError } from '../../core/errors.ts';
import type { Wish } from '../../core/inbox.ts';
import type { Log } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import type { ActivityDeps } from '../../activities/deps.ts';
import { buildAggregate, buildApp, buildConnection, buildToken, KEY, NOW_MS, policy, WORKFLOW_ID } from './builders.ts';
import { createExecutions, type Execution, type Executions } from './executions.ts';
import { createFakeVault, type FakeVault } from './fake-vault.ts';
import { createGuardian } from './guardian.ts';
import { createFleet, type Fleet, type Process } from './fleet.ts';
import { createMemoryConnectionStore, type MemoryConnectionStore } from './memory-connection-store.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { createPlan, type Plan } from './plan.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { createPrng, type Prng } from './prng.ts';
import { createRuns, type Runs } from './runs.ts';
import { createShakyStore, type Database } from './shaky-store.ts';
import {
  CLIENT_SECRET,
  createSimulatedConcur,
  DATA_CENTRES,
  ORIGIN,
  type SimulatedConcur,
} from './simulated-concur.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import { createTrace, type Trace } from './trace.ts';

export interface World {
  readonly prng: Prng;
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly fleet: Fleet;
  readonly concur: SimulatedConcur;
  readonly database: Database;
  /** The way of those who never fail to the database, which may be away for them too. */
  readonly store: MemoryConnectionStore;
  readonly outsideStore: ReturnType<typeof createShakyStore>;
  readonly vault: FakeVault;
  readonly executions: Executions;
  readonly runs: Runs;
  readonly oracle: Oracle;
  readonly outsider: Process;
  /** What may happen once in a world, and has. */
  readonly oncePerWorld: Set<string>;
  /** A partner's service asks for a token. */
  read(): Promise<void>;
}

const silent = (): void => {};
const READER_WAIT_MS = 20_000;
const observer: ActivityDeps['observer'] = {
  refreshed: silent,
  connected: silent,
  uncertain: silent,
  saveFailed: silent,
};

export function createWorld(seed: number, bugName: string | null): World {
  const bug: PlantedBug | null = bugName === null ? null : (plantedBugs[bugName] ?? unknownBug(bugName));
  const prng = createPrng(seed);
  const plan = createPlan(prng);
  const timeline = createTimeline(prng);
  const trace = createTrace(() => timeline.nowMs());
  const fleet = createFleet({ prng, timeline, trace, plan });
  const outsider = fleet.createOutsider('outside');
  const vault = createFakeVault();
  const database: Database = { isAway: false, isHealed: false };
  const store = createMemoryConnectionStore(outsider.clock, {
    committed: () => {
      oracle.committed();
      guardian.look();
    },
  });
  const executions = createExecutions({ prng, timeline, trace, fleet, onEnd: silent });
  const passes = (execution: Execution, where: string) =>
    fleet.passes(execution.process, `${where} (${execution.name})`);
  const concur = createSimulatedConcur({ prng, timeline, trace, plan, passes });
  const dataCentres = createDataCentres(Object.fromEntries(DATA_CENTRES.map((name) => [name, `${ORIGIN}/${name}`])));
  const app = buildApp({ clientId: concur.app.clientId });
  const credentials = [
    { clientId: concur.app.clientId, clientSecret: new Secret(CLIENT_SECRET), secretId: 'secret-1' },
  ];
  const log = createLog(trace);
  const shaky = { base: store, database, prng, plan, trace, bug };

  const activitiesOf = (execution: Execution): Activities => {
    const { process } = execution;
    const { clock } = process;
    const http = concur.httpOf(execution);
    return createActivities({
      clock,
      log,
      vault: {
        ...vault,
        async seal(secret, context) {
          await passes(execution, 'sealing');
          return await vault.seal(secret, context);
        },
        async open(sealed, context) {
          await passes(execution, 'opening');
          return await vault.open(sealed, context);
        },
      },
      concur: createConcur({ http, dataCentres, clock, log, rng: prng }),
      dataCentres,
      connections: createShakyStore(shaky, execution.name, (where) => passes(execution, where)),
      apps: {
        async one() {
          await passes(execution, 'reading the app');
          return { app, credentials };
        },
        worked: silent,
      },
      guardian: { wake: async () => {} },
      policy,
      heartbeat: { whileBeating: (work) => work((cargo) => executions.carry(execution, cargo)) },
      observer,
      workflowId: () => WORKFLOW_ID,
    });
  };
  const runs = createRuns({
    prng,
    timeline,
    trace,
    executions,
    activitiesOf,
    losesCargo: bug?.losesCargo === true,
    onDefect: (what, error) => oracle.violated('defect', `${what}: ${error instanceof Error ? error.message : error}`),
    onRunLost: (run) => oracle.runLost(run),
    onLifeboat: () => void (oracle.counts.lifeboats += 1),
  });
  const isAnyClockWrong = (): boolean => fleet.processes.some(({ skewMs }) => skewMs !== 0);
  const oracle: Oracle = createOracle({
    timeline,
    trace,
    concur,
    store,
    vault,
    executions,
    runs: () => runs,
    isAnyClockWrong,
  });
  const guardian = createGuardian({ timeline, trace, concur, store, runs });
  concur.witness = oracle;
  fleet.onKilled((process) => oracle.killed(process));

  const outsideStore = createShakyStore(shaky, 'outside', (where) => fleet.passes(outsider, where));
  if (plan.beginsConnected) beginConnected({ concur, store, vault, oracle });
  return {
    prng,
    plan,
    timeline,
    trace,
    fleet,
    concur,
    database,
    store,
    outsideStore,
    vault,
    executions,
    runs,
    oracle,
    outsider,
    oncePerWorld: new Set(),
    read,
  };

  /** Tells the workflow, and waits until it has done with it. */
  async function told(wish: Wish, waitMs: number): Promise<null> {
    const entry = runs.wish(wish);
    const untilMs = timeline.nowMs() + waitMs;
    while (!entry.settled && timeline.nowMs() < untilMs) await outsider.clock.sleep(500);
    return null;
  }

  async function read(): Promise<void> {
    oracle.counts.reads += 1;
    let stateRead = 'active' as Parameters<Oracle['handedOut']>[1];
    trace.note('someone reads');
    const reader = createTokenReader({
      clock: outsider.clock,
      vault,
      policy,
      connections: {
        async maybeAccessToken(key) {
          const stored = await outsideStore.maybeAccessToken(key);
          if (stored === null) return null;
          stateRead = stored.connection.state;
          return bug?.stored?.(stored) ?? stored;
        },
      },
      apps: { maybeOne: async () => app },
      lifecycle: {
        ensureFresh: (_key, version, waitMs) => told({ kind: 'fresh', version }, waitMs),
        refresh: () => told({ kind: 'forced' }, READER_WAIT_MS),
      },
      cache: {
        trusted: () => null,
        lastKnown: () => null,
        beginFill: () => ({ isOvertaken: () => false, end: silent }),
        close: silent,
      },
      reads: {
        note: (key, _version, _reader, atMs) => void outsideStore.touchRead([{ ...key, atMs }]).catch(silent),
        close: async () => {},
      },
      count: silent,
    });
    try {
      const body = await reader.read(KEY, 0, { actor: 'client:c1', reason: null, correlationId: null });
      oracle.handedOut((JSON.parse(body) as TokenResource).access_token, stateRead);
    } catch (error) {
      // Whatever kept it from its token: the reader is told so.
      if (!isAppError(error))
        oracle.violated('defect', `a read failed: ${error instanceof Error ? error.stack : error}`);
      else trace.note(`a read is refused: ${error.code}`);
    }
  }
}

/** As after a Connect a moment ago. */
function beginConnected({ concur, store, vault, oracle }: Pick<World, 'concur' | 'store' | 'vault' | 'oracle'>): void {
  const { app, company, model } = concur;
  const principal = { type: 'company', id: company.id, company } as const;
  const refresh = model.tokens.issueRefreshToken(app, principal, '');
  const access = model.tokens.issueAccessToken(app, principal, '', 'us2');
  const connection = buildConnection({ geolocation: `${ORIGIN}/us2` });
  const current = buildToken('a0', { sealed: vault.sealed(refresh.value, sealContexts.refreshToken('c1', 'a0')) });
  const sealed = vault.sealed(access.value, sealContexts.accessToken('c1', 'a0'));
  store.put(buildAggregate({ connection, grant: { current, previous: null } }), {
    sealed,
    attemptId: 'a0',
    tokenType: 'Bearer',
  });
  oracle.begins(refresh.value);
}

function createLog(trace: Trace): Log {
  return {
    debug: silent,
    info: silent,
    warn: silent,
    error: (fields, message) => {
      if (message === 'activity failed') trace.note(`log: ${describe(fields)}`);
    },
  };
}

function describe(fields: object): string {
  const error: unknown = Reflect.get(fields, 'err');
  return error instanceof Error ? (error.stack ?? '').split('\n').slice(0, 3).join(' ') : '';
}

function unknownBug(name: string): never {
  throw new Error(`no planted bug '${name}': ${Object.keys(plantedBugs).join(', ')}`);
}

/** Since the world began, as the wall clock of the outside has it. */
export function wallMs(world: Pick<World, 'timeline'>): number {
  return NOW_MS + world.timeline.nowMs();
}
