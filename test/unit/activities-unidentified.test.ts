/**
 * Connects without a known principal, as an activity. Longer than 300 lines: each answer of Concur in each situation
 * has its case.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { createUnidentifiedActivities, type UnidentifiedStep } from '../../activities/unidentified.ts';
import type { Changes } from '../../core/aggregate.ts';
import { serializeLegacyGrant, serializeLogin } from '../../core/intake-credential.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import { Secret } from '../../core/secret.ts';
import type { IntakeStore } from '../../core/stores.ts';
import type { UnidentifiedConnect, UnidentifiedEnding } from '../../core/unidentified.ts';
import { type ActivityWorld, createActivityWorld, refreshTokenOnFile } from '../simulation/activity-world.ts';
import {
  buildConnecting,
  buildSession,
  DAY,
  HOUR,
  KEY,
  MINUTE,
  NOW_MS,
  OTHER_PRINCIPAL,
  PRINCIPAL,
  SECOND,
} from '../simulation/builders.ts';
import { refusal, silence, success, tokens } from '../simulation/scripted-concur.ts';

let world: ActivityWorld;
let row: UnidentifiedConnect;
let endings: UnidentifiedEnding[];
let activities: ReturnType<typeof createUnidentifiedActivities>;
let introduced: string[];

beforeEach(() => {
  world = createActivityWorld();
  endings = [];
  introduced = [];
  activities = createUnidentifiedActivities({
    ...world.deps,
    intakes: createMemoryIntakes(),
    rng: { uuid: () => 'c1' },
    connects: { connect: async ({ principal }) => void introduced.push(principal) },
  });
  put({});
});

/** One row, whose other half is with the connections once it was handed over. */
function createMemoryIntakes(): IntakeStore {
  const troubles = new Map<string, number>();
  const note = (trouble: NonNullable<Changes['appTrouble']>): void => {
    const { dataCentre } = trouble;
    if (trouble.kind === 'cleared') troubles.delete(dataCentre);
    else troubles.set(dataCentre, (troubles.get(dataCentre) ?? 0) + 1);
  };
  const current = (): UnidentifiedConnect => {
    const handed = world.store.session(row.id);
    if (handed === undefined || handed === null) return row;
    const principal = world.store.trail(KEY).length > 0 ? PRINCIPAL : OTHER_PRINCIPAL;
    return { ...row, principal, status: handed.status, credential: null, answer: null };
  };
  return {
    open: async () => {},
    maybeOne: async () => current(),
    manyOverdue: async () => [],
    async transact(_app, _id, decide) {
      if (world.databaseIsAway) throw new Error('not in these tests');
      const appTroubles = [...troubles].map(([dataCentre, failures]) => ({
        ...{ dataCentre, failures, reason: 'client-secret-wrong', concurCode: 61, sinceMs: NOW_MS },
      }));
      const { result, after, appTrouble, ending } = decide({ row: current(), appTroubles });
      if (after !== undefined) row = after;
      if (appTrouble !== undefined) note(appTrouble);
      if (ending !== undefined) endings.push(ending);
      return result;
    },
  };
}

const login = serializeLogin({ username: 'ada', password: new Secret('correct horse') });
const legacy = serializeLegacyGrant({ legacyRefreshToken: new Secret('legacy-1'), legacyClientId: 'old' });

function put(overrides: Partial<UnidentifiedConnect>, secret = login): void {
  row = {
    id: 's1',
    app: KEY.app,
    kind: 'password',
    dataCentre: 'us2',
    principal: null,
    customerRef: null,
    actor: 'client:t',
    credential: world.vault.sealed(secret.reveal(), sealContexts.requestToken('s1')),
    uses: 0,
    status: 'completed',
    failure: null,
    nextTryAtMs: NOW_MS,
    expiresAtMs: NOW_MS + DAY,
    openUntilMs: null,
    answer: null,
    answerSentAtMs: null,
    ...overrides,
  };
}

function start(mintedPrincipal = OTHER_PRINCIPAL): Promise<UnidentifiedStep> {
  return activities.exchangeUnidentified({ app: KEY.app, sessionId: 's1', mintedPrincipal }, (cargo) => {
    world.carried.push(cargo);
  });
}
const step = () => world.clock.run(start());

const company = success({ id: PRINCIPAL, type: 'company' as const, name: 'Muster AG', domain: null });

describe('a connect whose principal nobody knows', () => {
  it('is handed over with its answer on file', async () => {
    world.concur.script('exchangePassword', tokens());
    world.concur.script('fetchPrincipal', company);
    expect(await step()).toEqual({ done: true, principal: PRINCIPAL });
    expect(world.store.one(KEY)).toMatchObject({
      connection: { state: 'connecting' },
      attempts: [{ id: 's1:answer', status: 'received' }],
    });
    expect(row).toMatchObject({ credential: null });
  });

  it('is handed over once: a process that was frozen does not bring older tokens over newer ones', async () => {
    world.concur.script('exchangePassword', tokens());
    world.concur.script('fetchPrincipal', { ...company, afterMs: HOUR / 2 }, company, company);
    const frozen = start();
    await world.clock.advance(SECOND);
    expect(await start()).toEqual({ done: true, principal: PRINCIPAL });
    await world.activities.exchangeRequestToken({ ...KEY, attemptId: 'a1', sessionId: 's1' });
    world.concur.script('refreshTokens', tokens({ refreshToken: 'refresh-2' }));
    await world.activities.refreshTokens({ ...KEY, attemptId: 'a2', cause: 'forced', expectedVersion: null });
    expect(refreshTokenOnFile(world)).toBe('refresh-2');
    expect(await world.clock.run(frozen)).toMatchObject({ done: false });
    expect(await start()).toEqual({ done: true, principal: PRINCIPAL });
    await world.activities.exchangeRequestToken({ ...KEY, attemptId: 'a3', sessionId: 's1' });
    expect(refreshTokenOnFile(world)).toBe('refresh-2');
    expect(world.store.session('s1')).toMatchObject({ status: 'connected' });
    expect(world.store.one(KEY)).toMatchObject({ connection: { version: 2 }, attempts: [] });
  });

  it('goes to one connection although two runs have minted two ids for a user without one', async () => {
    put({ kind: 'legacy-code', dataCentre: 'us2' }, new Secret('code-1'));
    world.concur.script('exchangeLegacyCode', tokens({ tokenType: 'OAuth' }));
    world.concur.script('fetchPrincipal', { ...refusal({ status: 404 }), afterMs: MINUTE });
    world.concur.always('fetchPrincipal', () => refusal({ status: 404 }));
    const frozen = start(OTHER_PRINCIPAL);
    await world.clock.advance(SECOND);
    const second = start(PRINCIPAL);
    await world.clock.advance(5 * SECOND);
    expect(await second).toEqual({ done: true, principal: PRINCIPAL });
    expect(await world.clock.run(frozen)).toMatchObject({ done: false });
    expect(await world.store.maybeOne({ app: KEY.app, principal: OTHER_PRINCIPAL })).toBeNull();
  });

  it('gets a minted id where the profile of a user of before 2017 has none that is a UUID', async () => {
    put({ kind: 'legacy-code' }, new Secret('code-1'));
    world.concur.script('exchangeLegacyCode', tokens({ tokenType: 'OAuth' }));
    world.concur.script('fetchPrincipal', success({ id: 'ada', type: 'user' as const, name: 'Ada', domain: null }));
    expect(await step()).toEqual({ done: true, principal: OTHER_PRINCIPAL });
  });

  it('is not asked for a second time while the first answer may come, however soon its time is over', async () => {
    put({ expiresAtMs: NOW_MS + MINUTE });
    world.concur.script('exchangePassword', { ...tokens(), afterMs: 2 * MINUTE });
    world.concur.script('fetchPrincipal', company);
    const first = start();
    await world.clock.advance(30 * SECOND);
    expect(await start()).toMatchObject({ done: false });
    await world.clock.advance(MINUTE);
    expect(await start()).toMatchObject({ done: false });
    expect(world.concur.sent('exchangePassword')).toHaveLength(1);
    expect(await world.clock.run(first)).toEqual({ done: true, principal: PRINCIPAL });
  });

  it('leaves Concur alone for five minutes after a time-out', async () => {
    world.concur.script('exchangePassword', silence(180 * SECOND));
    const said = await step();
    expect(said).toMatchObject({ done: false });
    expect(said.done ? 0 : said.nextTryAtMs).toBeGreaterThanOrEqual(NOW_MS + 75 * SECOND + 5 * MINUTE);
    expect(world.observer.seen.uncertain).toHaveLength(1);
  });

  it('does not end the call of another when a frozen process tells late that its own was refused', async () => {
    world.concur.script('exchangePassword', { ...refusal({ status: 500 }), afterMs: 8 * MINUTE });
    const frozen = start();
    await world.clock.advance(7 * MINUTE);
    world.concur.script('exchangePassword', { ...tokens(), afterMs: 170 * SECOND });
    world.concur.script('fetchPrincipal', company);
    const second = start();
    await world.clock.advance(MINUTE);
    await frozen;
    expect(row).toMatchObject({ uses: 2 });
    expect(row.openUntilMs).toBeGreaterThan(world.clock.now());
    expect(await world.clock.run(second)).toEqual({ done: true, principal: PRINCIPAL });
  });

  it('is on record when it fails, with what Concur said', async () => {
    world.concur.script('exchangePassword', refusal({ code: 5 }, { correlationId: 'corr-7' }));
    expect(await step()).toEqual({
      done: true,
      principal: null,
      trouble: { code: 'request-token-rejected', concurCode: 5, correlationId: 'corr-7' },
    });
    expect(row).toMatchObject({ status: 'failed', failure: 'connect-failed', credential: null });
    expect(endings).toEqual([{ reason: 'request-token-rejected', concurCode: 5, correlationId: 'corr-7' }]);
    expect(world.observer.seen.connected.flat()).toEqual([{ app: 'demo', outcome: 'dead' }]);
  });

  it('is on record when nobody tells whose the tokens are, and nothing can be revoked', async () => {
    world.concur.script('exchangePassword', tokens());
    world.concur.always('fetchPrincipal', () => refusal({ status: 403 }));
    expect(await step()).toMatchObject({ done: false });
    await world.clock.advance(HOUR);
    expect(await step()).toMatchObject({ done: false });
    expect(await step()).toEqual({ done: true, principal: null });
    expect(endings).toMatchObject([{ reason: 'identity-unknown', disposal: 'unrevoked' }]);
    expect(row).toMatchObject({ status: 'failed', answer: null });
  });

  it('is on record when its time is over without an answer', async () => {
    put({ expiresAtMs: NOW_MS });
    expect(await step()).toEqual({ done: true, principal: null });
    expect(row).toMatchObject({ status: 'failed', credential: null });
    expect(endings).toMatchObject([{ reason: 'no-answer-in-time' }]);
  });
});

describe('an app whose credentials are refused where such a connect is brought', () => {
  it('is blocked by the second answer; from then on no call is made, and the guardian looks after it', async () => {
    world.concur.always('exchangePassword', () => refusal({ code: 61 }));
    await step();
    expect(world.woken).toEqual([]);
    await world.clock.advance(2 * SECOND);
    await step();
    expect(world.woken).toEqual([['demo', 'tripped']]);
    await world.clock.advance(MINUTE);
    const calls = world.concur.calls.length;
    expect(await step()).toEqual({ done: false, nextTryAtMs: world.clock.now() + MINUTE });
    expect(world.concur.calls).toHaveLength(calls);
    expect(world.woken.at(-1)).toEqual(['demo', 'blocked']);
    expect(row).toMatchObject({ uses: 0, openUntilMs: null, status: 'completed' });
  });
});

it('of the flow of before 2017 is tried although its app is blocked there: nothing else tells when that is over', async () => {
  put({ kind: 'legacy-code' }, new Secret('code-1'));
  world.concur.always('exchangeLegacyCode', () => refusal({ code: 61 }));
  for (let n = 0; n < 3; n += 1) {
    await step();
    await world.clock.advance(MINUTE);
  }
  expect(world.concur.sent('exchangeLegacyCode')).toHaveLength(3);
  expect(row).toMatchObject({ uses: 0, status: 'completed' });
});

describe('a migration', () => {
  const grant = (subject: string | null, refreshToken = 'refresh-new') =>
    success({
      refreshToken: new Secret(refreshToken),
      refreshExpiresAtMs: null,
      scope: '',
      subject,
      principalType: null,
    });

  beforeEach(() => put({ kind: 'legacy-refresh-token', dataCentre: 'us2' }, legacy));

  it('keeps its only refresh token through an outage of days, and with whoever disabled the app meanwhile', async () => {
    world.concur.script('migrateLegacyToken', grant(PRINCIPAL));
    expect(await step()).toEqual({ done: true, principal: PRINCIPAL });
    for (let n = 0; n < 8; n += 1) {
      world.concur.script('refreshTokens', n % 2 === 0 ? refusal({ status: 503 }) : refusal({ code: 53 }));
      const { nextTryAtMs = 0 } = world.store.session('s1') ?? {};
      await world.clock.advance(Math.max(0, nextTryAtMs - world.clock.now()));
      await world.clock.run(world.activities.exchangeRequestToken({ ...KEY, attemptId: `a${n}`, sessionId: 's1' }));
    }
    expect(world.concur.sent('refreshTokens')).toHaveLength(8);
    expect(world.clock.now() - NOW_MS).toBeGreaterThan(2 * DAY);
    const { nextTryAtMs = 0 } = world.store.session('s1') ?? {};
    await world.clock.advance(nextTryAtMs - world.clock.now());
    world.concur.script('refreshTokens', tokens({ refreshToken: 'refresh-newer' }));
    world.concur.script('fetchPrincipal', company);
    await world.clock.run(world.activities.exchangeRequestToken({ ...KEY, attemptId: 'b', sessionId: 's1' }));
    expect(world.store.one(KEY).connection).toMatchObject({ state: 'active' });
    expect(refreshTokenOnFile(world)).toBe('refresh-newer');
  });

  it('that names nobody goes on with what each of its refreshes brings, until somebody tells', async () => {
    world.concur.script('migrateLegacyToken', grant(null));
    await step();
    expect(row).toMatchObject({ kind: 'refresh-token', status: 'completed', answer: null });
    world.concur.script('refreshTokens', tokens({ refreshToken: 'rotated-1' }));
    world.concur.always('fetchPrincipal', () => refusal({ status: 503 }));
    await step();
    await world.clock.advance(HOUR);
    await step();
    expect(row).toMatchObject({ kind: 'refresh-token', status: 'completed', answer: null });
    world.concur.script('refreshTokens', tokens({ refreshToken: 'rotated-2' }));
    world.concur.always('fetchPrincipal', () => company);
    expect(await step()).toEqual({ done: true, principal: PRINCIPAL });
    expect(world.concur.sent('refreshTokens')).toEqual(['refresh-new', 'rotated-1']);
    expect(endings).toEqual([]);
  });

  it('is not undone by a process that was frozen with its first answer', async () => {
    world.concur.script('migrateLegacyToken', { ...grant(null), afterMs: 10 * MINUTE });
    const frozen = start();
    await world.clock.advance(7 * MINUTE);
    world.concur.script('migrateLegacyToken', grant(null, 'refresh-2'));
    await start();
    world.concur.script('refreshTokens', tokens({ refreshToken: 'rotated-2' }));
    world.concur.always('fetchPrincipal', () => refusal({ status: 503 }));
    await world.clock.run(start());
    const before = row;
    expect(before.answer).not.toBeNull();
    expect(await world.clock.run(frozen)).toMatchObject({ done: false });
    expect(row).toEqual(before);
  });
});

describe('an import whose owner nobody tells', () => {
  it('asks anew with the refresh token that its first refresh brought, and loses none', async () => {
    const session = buildSession({ kind: 'refresh-token', dataCentre: 'us2' });
    world.connect(buildConnecting({ sessions: [session] }));
    const exchange = (attemptId: string) =>
      world.clock.run(world.activities.exchangeRequestToken({ ...KEY, attemptId, sessionId: 's1' }));
    world.concur.script('refreshTokens', tokens({ refreshToken: 'rotated-1' }));
    world.concur.always('fetchPrincipal', () => refusal({ status: 503 }));
    await expect(exchange('a1')).rejects.toMatchObject({ code: 'provider-unavailable' });
    await world.clock.advance(HOUR);
    await exchange('a2');
    expect(world.store.session('s1')).toMatchObject({ status: 'completed' });
    world.concur.script('refreshTokens', tokens({ refreshToken: 'rotated-2' }));
    world.concur.always('fetchPrincipal', () => company);
    await exchange('a3');
    expect(world.concur.sent('refreshTokens')).toEqual(['request-token', 'rotated-1']);
    expect(refreshTokenOnFile(world)).toBe('rotated-2');
    expect(world.store.one(KEY).connection).toMatchObject({ state: 'active', identity: 'proven' });
  });

  it('is told when a day is over', async () => {
    const session = buildSession({ kind: 'refresh-token', dataCentre: 'us2', expiresAtMs: NOW_MS + HOUR });
    world.connect(buildConnecting({ sessions: [session] }));
    world.concur.script('refreshTokens', tokens({ refreshToken: 'rotated-1' }));
    world.concur.always('fetchPrincipal', () => refusal({ status: 403 }));
    const exchange = (attemptId: string) =>
      world.clock.run(world.activities.exchangeRequestToken({ ...KEY, attemptId, sessionId: 's1' }));
    await expect(exchange('a1')).rejects.toThrow();
    await world.clock.advance(HOUR);
    await exchange('a2');
    expect(world.store.session('s1')).toMatchObject({ status: 'failed', failure: 'identity-mismatch' });
    expect(world.store.one(KEY)).toMatchObject({ connection: { state: 'connect-failed' }, attempts: [] });
  });
});
