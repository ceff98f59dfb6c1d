/** The real activities in a world of fakes: virtual time, memory for a database, a Concur that follows a script. */
import { createExchangeActivities, type ExchangeInput } from '../../activities/exchange.ts';
import { createRecordActivities } from '../../activities/record.ts';
import { createRefreshActivities, type RefreshInput } from '../../activities/refresh.ts';
import { createRevokeActivities } from '../../activities/revoke.ts';
import type { ActivityDeps, Observer } from '../../activities/deps.ts';
import type { Aggregate } from '../../core/aggregate.ts';
import { AppError } from '../../core/errors.ts';
import type { Cargo, Carry } from '../../core/lifeboat.ts';
import type { DataCentre, DataCentres, Log, TokenAnswer } from '../../core/ports.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { Secret } from '../../core/secret.ts';
import type { App } from '../../core/stores.ts';
import { serializeTokenAnswer } from '../../core/token-answer.ts';
import { buildApp, eu2, glz, KEY, NOW_MS, policy, us2 } from './builders.ts';
import { createFakeVault, type FakeVault } from './fake-vault.ts';
import { createMemoryConnectionStore, type MemoryConnectionStore, type StoreHooks } from './memory-connection-store.ts';
import { createScriptedConcur, type Reply, type ScriptedConcur } from './scripted-concur.ts';
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts';

type Seen<Name extends keyof Observer> = Parameters<Observer[Name]>;

/** Remembers what was counted. */
export interface RecordingObserver extends Observer {
  readonly seen: { [Name in keyof Observer]: Seen<Name>[] };
}

export interface ActivityWorld {
  readonly clock: VirtualClock;
  readonly concur: ScriptedConcur;
  readonly store: MemoryConnectionStore;
  readonly vault: FakeVault;
  readonly observer: RecordingObserver;
  /** Everything that was logged, one JSON text each. */
  readonly logged: string[];
  readonly deps: ActivityDeps;
  readonly activities: ReturnType<typeof createWorldActivities>;
  /** What activities brought to safety because it could not be saved at once. */
  readonly carried: Cargo[];
  /** The app's client secrets in the order to try: id and value. */
  secrets: readonly (readonly [string, string])[];
  /** Ids of the secrets that were said to work. */
  readonly worked: string[];
  /** Calls of the guardian. */
  readonly woken: (readonly [app: string, found: string])[];
  /** While true every transaction and read fails as when PostgreSQL is away. */
  databaseIsAway: boolean;
  /** Puts a connection on file with its tokens really sealed: `refresh-0` as current refresh token, `access-0`. */
  connect(aggregate: Aggregate): void;
}

/** Activities without their Temporal wrapping, so that what they throw can be looked at. */
export function createActivityWorld(options: { readonly app?: App; readonly hooks?: StoreHooks } = {}): ActivityWorld {
  const { app = buildApp(), hooks = {} } = options;
  const clock = createVirtualClock(NOW_MS);
  const concur = createScriptedConcur(clock);
  const vault = createFakeVault();
  const observer = createRecordingObserver();
  const logged: string[] = [];
  const carried: Cargo[] = [];
  const store = createMemoryConnectionStore(clock, {
    ...hooks,
    before: async (key) => {
      if (world.databaseIsAway) throw new AppError('database-unavailable', 'as the test wants it');
      await hooks.before?.(key);
    },
  });
  const deps: ActivityDeps = {
    clock,
    concur,
    vault,
    observer,
    policy,
    connections: store,
    dataCentres: createDataCentres([us2, eu2, glz]),
    log: createMemoryLog(logged),
    apps: {
      one: async () => ({
        app,
        credentials: world.secrets.map(([secretId, value]) => ({
          clientId: app.clientId,
          clientSecret: new Secret(value),
          secretId,
        })),
      }),
      worked: (_, secretId) => void world.worked.push(secretId),
    },
    guardian: { wake: async (...call) => void world.woken.push(call) },
    heartbeat: { whileBeating: (work) => work(() => {}) },
    workflowId: (key) => `concur-connection:${key.app}:${key.principal}`,
  };
  const world: ActivityWorld = {
    clock,
    concur,
    store,
    vault,
    observer,
    logged,
    deps,
    activities: createWorldActivities(deps, (cargo) => void carried.push(cargo)),
    carried,
    secrets: [['secret-1', 'hunter2']],
    worked: [],
    woken: [],
    databaseIsAway: false,
    connect: (aggregate) => putSealed(world, aggregate),
  };
  return world;
}

function createWorldActivities(deps: ActivityDeps, carry: Carry) {
  const { refreshTokens } = createRefreshActivities(deps);
  const { exchangeRequestToken } = createExchangeActivities(deps);
  return {
    ...createRecordActivities(deps),
    ...createRevokeActivities(deps),
    refreshTokens: (input: RefreshInput) => refreshTokens(input, carry),
    exchangeRequestToken: (input: ExchangeInput) => exchangeRequestToken(input, carry),
  };
}

function putSealed({ store, vault }: ActivityWorld, aggregate: Aggregate): void {
  const id = aggregate.connection?.id ?? 'c1';
  const { current, previous } = aggregate.grant;
  const seal = (token: typeof current, value: string) =>
    token && { ...token, sealed: vault.sealed(value, sealContexts.refreshToken(id, token.attemptId)) };
  const sessions = aggregate.sessions.map((session) => ({
    ...session,
    requestToken: vault.sealed('request-token', sealContexts.requestToken(session.id)),
  }));
  const grant = { current: seal(current, 'refresh-0'), previous: seal(previous, 'refresh-before') };
  const sealed = current && vault.sealed('access-0', sealContexts.accessToken(id, current.attemptId));
  const accessToken =
    current === null || sealed === null ? null : { sealed, attemptId: current.attemptId, tokenType: 'Bearer' as const };
  store.put({ ...aggregate, grant, sessions }, accessToken);
}

/** A token answer as the exchange puts it on file before it does anything else. */
export async function sealAnswer(
  { vault }: ActivityWorld,
  attemptId: string,
  { give }: Reply<TokenAnswer>,
): Promise<string> {
  if (give === 'never' || !give.ok) throw new Error('no answer to seal');
  return await vault.seal(serializeTokenAnswer(give.value), sealContexts.answer('c1', attemptId));
}

/** The refresh token that is on file as current, in clear. */
export function refreshTokenOnFile({ store, vault }: ActivityWorld, key = KEY): string | null {
  const { current } = store.one(key).grant;
  return current && vault.peek(current.sealed);
}

function createRecordingObserver(): RecordingObserver {
  const seen: RecordingObserver['seen'] = { refreshed: [], connected: [], uncertain: [], saveFailed: [] };
  return {
    seen,
    refreshed: (...facts) => void seen.refreshed.push(facts),
    connected: (...facts) => void seen.connected.push(facts),
    uncertain: () => void seen.uncertain.push([]),
    saveFailed: () => void seen.saveFailed.push([]),
  };
}

function createMemoryLog(lines: string[]): Log {
  const write =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(JSON.stringify({ level, message, ...fields }));
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

function createDataCentres(all: readonly DataCentre[]): DataCentres {
  const find = (is: (dataCentre: DataCentre) => boolean) => all.find(is);
  return {
    byName(name) {
      const found = find((dataCentre) => dataCentre.name === name);
      if (found === undefined) throw new AppError('configuration-invalid', `no data centre ${name}`);
      return found;
    },
    names: () => all.map(({ name }) => name),
    legacyNames: () => [],
    match: (geolocation) => find(({ baseUri }) => baseUri === geolocation) ?? 'foreign',
    matchLegacy: () => 'foreign',
  };
}
