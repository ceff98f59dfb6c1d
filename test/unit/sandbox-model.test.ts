import { beforeEach, describe, expect, it } from 'vitest';
import type { Rng } from '../../core/ports.ts';
import { ConcurModel } from '../../dev/sandbox/model/concur-model.ts';
import { grantByRefreshToken, grantByRequestToken } from '../../dev/sandbox/model/grants.ts';
import type { TokenGrant } from '../../dev/sandbox/model/grants.ts';
import { refusalFacts, Refusal } from '../../dev/sandbox/model/refusal.ts';
import type { App, Company } from '../../dev/sandbox/model/types.ts';

const DAY = 86_400_000;

/** Counts instead of drawing: the same run gives the same values. */
function countingRng(): Rng {
  let drawn = 0;
  return {
    uuid: () => `00000000-0000-4000-8000-${String(++drawn).padStart(12, '0')}`,
    token: (bytes) => `t${String(++drawn)}`.padEnd(Math.ceil((bytes * 4) / 3), 'x'),
  };
}

let nowMs: number;
let model: ConcurModel;
let app: App;
let company: Company;

beforeEach(() => {
  nowMs = 1_800_000_000_000;
  model = newModel();
  app = model.directory.addApp({ name: 'Demo' });
  company = model.directory.addCompany({ name: 'Aurora', dataCentre: 'us2' });
});

function newModel(settings: ConstructorParameters<typeof ConcurModel>[0]['settings'] = {}): ConcurModel {
  return new ConcurModel({
    clock: { now: () => nowMs },
    rng: countingRng(),
    dataCentres: ['glz', 'us2', 'eu2'],
    baseUri: (dataCentre) => `https://${dataCentre}.example`,
    settings,
  });
}

function connect(): TokenGrant {
  const principal = model.directory.onePrincipal(company.id);
  const { value } = model.tokens.issueRequestToken(app, principal, 'by-hand');
  return grantByRequestToken(model, {
    app,
    dataCentre: 'glz',
    scope: undefined,
    username: company.id,
    requestToken: value,
  });
}

function refresh(value: string | undefined): TokenGrant {
  return grantByRefreshToken(model, { app, dataCentre: 'us2', scope: undefined, refreshToken: value });
}

function codeOf(action: () => unknown): number | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

describe('the model of Concur', () => {
  it('keeps a grant alive for years when it is refreshed every five months, and no longer than six months otherwise', () => {
    let { refreshToken } = connect();
    for (let month = 0; month < 60; month += 5) {
      nowMs += 150 * DAY;
      refreshToken = refresh(refreshToken?.value).refreshToken;
    }
    nowMs += 180 * DAY - 1;
    expect(codeOf(() => refresh(refreshToken?.value))).toBeUndefined();
    nowMs += 180 * DAY;
    expect(codeOf(() => refresh(refreshToken?.value))).toBe(108);
  });

  it('gives the same values for the same run', () => {
    const first = connect();
    model = newModel();
    app = model.directory.addApp({ name: 'Demo' });
    company = model.directory.addCompany({ name: 'Aurora', dataCentre: 'us2' });
    const second = connect();
    expect(second.accessToken).toEqual(first.accessToken);
    expect(second.refreshToken).toEqual(first.refreshToken);
  });

  it('issues refresh tokens of 36 and of 30 characters', () => {
    const lengths = new Set(Array.from({ length: 10 }, () => connect().refreshToken?.value.length));
    expect([...lengths].sort()).toEqual([30, 36]);
  });

  it('stays small through a year of refreshes every quarter of an hour, whatever the rotation', () => {
    for (const rotation of ['same', 'lax', 'strict'] as const) {
      model = newModel({ rotation });
      app = model.directory.addApp({ name: 'Demo' });
      company = model.directory.addCompany({ name: 'Aurora', dataCentre: 'us2' });
      let { refreshToken } = connect();
      for (let quarter = 0; quarter < 35_000; quarter += 1) {
        nowMs += 900_000;
        refreshToken = refresh(refreshToken?.value).refreshToken;
      }
      expect(model.tokens.refreshTokens.size).toBeLessThanOrEqual(500);
      expect(model.tokens.accessTokens.size).toBeLessThanOrEqual(250);
      expect(codeOf(() => refresh(refreshToken?.value))).toBeUndefined();
    }
  }, 60_000);

  it('is the same after a snapshot, and a snapshot is plain JSON', () => {
    model.settings.rotation = 'strict';
    const { refreshToken } = connect();
    const current = refresh(refreshToken?.value).refreshToken;
    model.directory.move(company.id, 'eu2', 'serves');
    model.advanceClock(5 * DAY);
    const copy = newModel({ rotation: 'strict' });
    copy.restore(JSON.parse(JSON.stringify(model.snapshot())));
    model = copy;
    expect(model.now()).toBe(nowMs + 5 * DAY);
    expect(codeOf(() => refresh(refreshToken?.value))).toBe(108);
    expect(refresh(current?.value).dataCentre).toBe('eu2');
    expect(model.ledger.all().map(({ value }) => value)).toContain(current?.value);
  });

  it('does not restore a company into a data centre that it does not have', () => {
    const snapshot = JSON.parse(JSON.stringify(model.snapshot()).replaceAll('us2', 'us9'));
    expect(() => newModel().restore(snapshot)).toThrow(/us9/);
  });

  it('forgets the oldest issued secrets beyond its limit, and says so', () => {
    model = new ConcurModel({
      clock: { now: () => nowMs },
      rng: countingRng(),
      dataCentres: ['glz', 'us2'],
      baseUri: (dataCentre) => dataCentre,
      secretLimit: 100,
    });
    app = model.directory.addApp({});
    company = model.directory.addCompany({ name: 'Aurora' });
    expect(model.ledger.complete).toBe(true);
    for (let time = 0; time < 200; time += 1) connect();
    expect(model.ledger.complete).toBe(false);
    expect(model.ledger.all().length).toBeLessThanOrEqual(110);
  });
});

it('every code has a 4xx status, an OAuth error and a description; an unknown one reads as invalid_request', () => {
  for (const code of [5, 10, 16, 19, 53, 55, 59, 60, 61, 64, 100, 105, 107, 108, 123, 134, 135, 136]) {
    const facts = refusalFacts(code);
    expect(facts.status).toBeGreaterThanOrEqual(400);
    expect(facts.status).toBeLessThan(500);
    expect(facts.error).toMatch(/^[a-z_]+$/);
    expect(facts.description).not.toMatch(/^error \d+$/);
  }
  expect(refusalFacts(4711)).toEqual({ status: 400, error: 'invalid_request', description: 'error 4711' });
});
