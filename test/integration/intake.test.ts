/**
 * Connects without a landing page, from the API's side to the sandbox: what each brings, whose it is found to be, and
 * what is never touched. Longer than 300 lines: each way in is walked to its end on one stack.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createIntake } from '../../api/intake.ts';
import type { IntakeRequest } from '../../api/intake-port.ts';
import { createLifecycleGateway } from '../../api/lifecycle-gateway.ts';
import { serializeLegacyGrant, serializeLogin } from '../../core/intake-credential.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { Secret } from '../../core/secret.ts';
import { createIntakeStore } from '../../db/intake-store.ts';
import { createPool } from '../../db/pool.ts';
import { systemClock } from '../../runtime/clock.ts';
import { systemRng } from '../../runtime/rng.ts';
import { buildApp } from '../simulation/builders.ts';
import { type Backend, createBackend } from './backend.ts';

const silent = (): void => {};
const log = { debug: silent, info: silent, warn: silent, error: silent };

let backend: Backend;
let intake: ReturnType<typeof createIntake>;
let intakes: ReturnType<typeof createIntakeStore>;
/** The same, but what it asks for first is not on file yet: as for a caller whom another one overtakes right then. */
let overtaken: ReturnType<typeof createIntake>;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  backend = await createBackend();
  const pool = createPool({ url: backend.database.url, log });
  const lifecycle = createLifecycleGateway({ client: backend.client, taskQueue: 'evergrant', clock: systemClock, log });
  closing.push(
    () => lifecycle.close(),
    () => pool.end(),
  );
  intakes = createIntakeStore(pool);
  const deps = {
    clock: systemClock,
    rng: systemRng,
    vault: backend.vault,
    policy: defaultRefreshPolicy,
    requestTokenTtlMs: 86_400_000,
    connections: backend.connections,
    intakes,
    lifecycle,
  };
  intake = createIntake(deps);
  const asked = new Set<string>();
  const maybeOne: typeof intakes.maybeOne = async (app, id) => {
    if (asked.has(id)) return await intakes.maybeOne(app, id);
    asked.add(id);
    return null;
  };
  overtaken = createIntake({ ...deps, intakes: { ...intakes, maybeOne } });
  await backend.startWorker();
}, 60_000);

afterAll(async () => {
  for (const close of closing) await close();
  await backend.close();
});

function addCompany(dataCentre = 'us2') {
  return backend.sandbox.addCompany({ name: 'Borealis', domain: `${randomUUID()}.example`, dataCentre });
}

/** A refresh token of a company that another program has looked after so far. */
async function refreshTokenOf(principalId: string): Promise<string> {
  const { clientId, secrets } = backend.concurApp;
  const { value } = backend.sandbox.requestToken({ clientId, principalId });
  const response = await fetch(`${backend.sandbox.baseUris.glz}/oauth2/v0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      client_id: clientId,
      client_secret: secrets.at(-1)?.value ?? '',
      grant_type: 'password',
      credtype: 'authtoken',
      username: principalId,
      password: value,
    }).toString(),
  });
  const body = (await response.json()) as { readonly refresh_token: string };
  return body.refresh_token;
}

/** Of the App Center flow of before 2017, and the one that its tokens migrate to. */
async function addLegacyApps() {
  const name = randomUUID().slice(0, 8);
  const legacyFacts = { flow: 'app-center-legacy', principal: 'user' } as const;
  const legacy = await backend.addApp(`old-${name}`, 'same', {
    atConcur: { flow: 'app-center-legacy' },
    facts: legacyFacts,
  });
  const facts = { principal: 'user', legacyClientId: legacy.clientId } as const;
  const next = await backend.addApp(`new-${name}`, 'same', { atConcur: { legacyClientId: legacy.clientId }, facts });
  return {
    legacy: { ...legacy, app: buildApp({ app: `old-${name}`, clientId: legacy.clientId, ...legacyFacts }) },
    next: { ...next, app: buildApp({ app: `new-${name}`, clientId: next.clientId, ...facts }) },
  };
}

function legacyGrant(refreshToken: string, legacyClientId: string): string {
  return serializeLegacyGrant({ legacyRefreshToken: new Secret(refreshToken), legacyClientId }).reveal();
}

function bring(given: Partial<IntakeRequest> & { readonly secret: string }, by = intake): Promise<unknown> {
  const { secret, ...rest } = given;
  return by.connect({
    app: buildApp({ app: 'demo', clientId: backend.concurApp.clientId }),
    kind: 'request-token',
    principal: null,
    credential: new Secret(secret),
    dataCentre: null,
    customerRef: null,
    replace: false,
    actor: 'client:test',
    ...rest,
  });
}

describe('a manual connect', () => {
  it('exchanges the request token that a customer created by hand, and connects again with another', async () => {
    const { id: principal } = addCompany();
    const { clientId } = backend.concurApp;
    const first = backend.sandbox.requestToken({ clientId, principalId: principal }).value;
    expect(await bring({ principal, secret: first, customerRef: 'customer-7' })).toEqual({
      outcome: 'connected',
      principal,
      isNew: true,
    });
    const key = { app: 'demo', principal };
    expect(await backend.connection(key)).toMatchObject({ state: 'active', version: 1, customerRef: 'customer-7' });
    const second = backend.sandbox.requestToken({ clientId, principalId: principal }).value;
    expect(await bring({ principal, secret: second })).toMatchObject({ outcome: 'connected', isNew: false });
    expect(await backend.connection(key)).toMatchObject({ version: 2, customerRef: 'customer-7' });
  });

  it('tells that Concur refused the request token, and leaves a living connection as it is', async () => {
    const { key } = await backend.connect();
    const before = await backend.connection(key);
    expect(await bring({ principal: key.principal, secret: 'never-issued' })).toEqual({
      outcome: 'failed',
      code: 'request-token-rejected',
    });
    expect(await backend.connection(key)).toEqual(before);
  });

  it('joins the session of the same id instead of bringing the token twice', async () => {
    const { id: principal } = addCompany();
    const { clientId } = backend.concurApp;
    const secret = backend.sandbox.requestToken({ clientId, principalId: principal }).value;
    const sessionId = randomUUID();
    const both = await Promise.all([bring({ principal, secret, sessionId }), bring({ principal, secret, sessionId })]);
    expect(both).toEqual([
      { outcome: 'connected', principal, isNew: true },
      { outcome: 'connected', principal, isNew: true },
    ]);
    expect(await intake.look('demo', sessionId)).toEqual(both[0]);
    expect(await intake.look('other', sessionId)).toBeNull();
    expect(await backend.connection({ app: 'demo', principal })).toMatchObject({ version: 1 });
  });

  it('is not taken up again by a caller whom the one that settled it overtook', async () => {
    const { id: principal } = addCompany();
    const { clientId } = backend.concurApp;
    const secret = backend.sandbox.requestToken({ clientId, principalId: principal }).value;
    const sessionId = randomUUID();
    const first = await bring({ principal, secret, sessionId });
    const settled = await intakes.maybeOne('demo', sessionId);
    const before = await backend.connection({ app: 'demo', principal });
    expect(await bring({ principal, secret, sessionId }, overtaken)).toEqual(first);
    expect(await intakes.maybeOne('demo', sessionId)).toEqual(settled);
    expect(await backend.connection({ app: 'demo', principal })).toEqual(before);
  });

  it('tells of the failure that the one who overtook met, and tries nothing again', async () => {
    const { id: principal } = addCompany();
    const sessionId = randomUUID();
    const brought = { principal, secret: 'never-issued', sessionId };
    const first = await bring(brought);
    expect(first).toEqual({ outcome: 'failed', code: 'request-token-rejected' });
    const settled = await intakes.maybeOne('demo', sessionId);
    expect(await bring(brought, overtaken)).toEqual(first);
    expect(await intakes.maybeOne('demo', sessionId)).toEqual(settled);
  });
});

describe('an import', () => {
  it('is proven by a refresh at its data centre before the connection is active', async () => {
    const { id: principal } = addCompany('eu2');
    const secret = await refreshTokenOf(principal);
    const imported = await bring({ kind: 'refresh-token', principal, secret, dataCentre: 'eu2' });
    expect(imported).toEqual({ outcome: 'connected', principal, isNew: true });
    expect(await backend.connection({ app: 'demo', principal })).toMatchObject({
      state: 'active',
      identity: 'proven',
      dataCentre: 'eu2',
      company: { name: 'Borealis' },
    });
  });

  it('of a token that Concur calls dead ends as one that the administrator has to authorise again', async () => {
    const { id: principal } = addCompany();
    const brought = { kind: 'refresh-token', principal, secret: 'dead-token', dataCentre: 'us2' } as const;
    expect(await bring(brought)).toEqual({ outcome: 'failed', code: 'reauthorization-required' });
    expect(await backend.connection({ app: 'demo', principal })).toMatchObject({ state: 'connect-failed', version: 0 });
  });

  it("never stores another company's grant, and does not end it either", async () => {
    const owner = addCompany();
    const { id: principal } = addCompany();
    const secret = await refreshTokenOf(owner.id);
    const brought = { kind: 'refresh-token', principal, secret, dataCentre: 'us2' } as const;
    expect(await bring(brought)).toEqual({ outcome: 'failed', code: 'identity-mismatch' });
    expect(await backend.connection({ app: 'demo', principal })).toMatchObject({ state: 'connect-failed', version: 0 });
    const again = { kind: 'refresh-token', principal: owner.id, secret, dataCentre: 'us2' } as const;
    expect(await bring(again)).toMatchObject({ outcome: 'connected', principal: owner.id });
  });

  it('takes the place of a living connection only when that is said', async () => {
    const { key } = await backend.connect();
    const secret = await refreshTokenOf(key.principal);
    const brought = { kind: 'refresh-token', principal: key.principal, secret, dataCentre: 'us2' } as const;
    await expect(bring(brought)).rejects.toMatchObject({ code: 'conflict' });
    expect(await backend.connection(key)).toMatchObject({ version: 1 });
    const sessionId = randomUUID();
    const replacing = { ...brought, replace: true, sessionId };
    expect(await bring(replacing)).toMatchObject({ outcome: 'connected', isNew: false });
    expect(await bring({ ...brought, sessionId }, overtaken)).toMatchObject({ outcome: 'connected', isNew: false });
    expect(await backend.connection(key)).toMatchObject({ state: 'active', version: 2 });
  });
});

describe('a developer login', () => {
  it("makes the user's own connection, whose id nobody has said", async () => {
    const company = addCompany('eu2');
    const user = backend.sandbox.addUser({ companyId: company.id });
    const secret = serializeLogin({ username: user.login, password: new Secret(user.password) }).reveal();
    // The user lives elsewhere: Concur says where.
    expect(await bring({ kind: 'password', secret, dataCentre: 'us2' })).toEqual({
      outcome: 'connected',
      principal: user.id,
      isNew: true,
    });
    expect(await backend.connection({ app: 'demo', principal: user.id })).toMatchObject({
      state: 'active',
      principalType: 'user',
      identity: 'proven',
      dataCentre: 'eu2',
    });
  });

  it('with a wrong password fails, and keeps nothing of it', async () => {
    const user = backend.sandbox.addUser({ companyId: addCompany().id });
    const sessionId = randomUUID();
    const secret = serializeLogin({ username: user.login, password: new Secret('guessed') }).reveal();
    expect(await bring({ kind: 'password', secret, sessionId })).toEqual({ outcome: 'failed', code: 'connect-failed' });
    expect(await intakes.maybeOne('demo', sessionId)).toMatchObject({
      status: 'failed',
      credential: null,
      answer: null,
    });
  });
});

describe('the App Center flow of before 2017', () => {
  it('keeps its one-year token like a grant: read, refreshed with itself, revoked', async () => {
    const { legacy } = await addLegacyApps();
    const user = backend.sandbox.addUser({ companyId: addCompany('eu2').id, webServicesAdmin: true });
    const { clientId, app } = legacy;
    const { requestToken } = backend.sandbox.pressConnect({ clientId, principalId: user.id, userId: user.id });
    const done = await bring({ app, kind: 'legacy-code', secret: requestToken, dataCentre: 'www' });
    expect(done).toMatchObject({ outcome: 'connected', isNew: true });
    const { principal } = done as { readonly principal: string };
    const key = { app: app.app, principal };
    const connection = await backend.connection(key);
    expect(connection).toMatchObject({ state: 'active', principalType: 'legacy-user', dataCentre: 'eu1', version: 1 });
    const stored = await backend.connections.maybeAccessToken(key);
    expect(stored?.token?.tokenType).toBe('OAuth');

    await backend.handle(key).executeUpdate('refresh', { args: [{}] });
    expect(await backend.connection(key)).toMatchObject({ state: 'active', version: 2 });
    await backend.handle(key).executeUpdate('revoke', { args: [{}] });
    expect(await backend.connection(key)).toMatchObject({ state: 'revoked' });
    expect(backend.sandbox.isConnected({ clientId, principalId: user.id })).toBe(false);
  });

  it('refuses a code that Concur does not know', async () => {
    const { legacy } = await addLegacyApps();
    const brought = { app: legacy.app, kind: 'legacy-code', secret: 'made-up', dataCentre: 'www' } as const;
    expect(await bring(brought)).toMatchObject({ outcome: 'failed' });
  });

  it('is left without the customer: its refresh token becomes one of OAuth2', async () => {
    const { legacy, next } = await addLegacyApps();
    const user = backend.sandbox.addUser({ companyId: addCompany('us2').id });
    const old = backend.sandbox.legacyToken({ clientId: legacy.clientId, userId: user.id });
    const secret = legacyGrant(old.refreshValue ?? '', legacy.clientId);
    const brought = { app: next.app, kind: 'legacy-refresh-token', secret, dataCentre: 'us2' } as const;
    expect(await bring(brought)).toEqual({ outcome: 'connected', principal: user.id, isNew: true });
    expect(await backend.connection({ app: next.app.app, principal: user.id })).toMatchObject({
      state: 'active',
      principalType: 'user',
      identity: 'proven',
      dataCentre: 'us2',
    });
  });

  it('fails a migration of a token that is none, and leaves it with who brought it', async () => {
    const { legacy, next } = await addLegacyApps();
    const secret = legacyGrant('made-up', legacy.clientId);
    const brought = { app: next.app, kind: 'legacy-refresh-token', secret, dataCentre: 'us2' } as const;
    expect(await bring(brought)).toEqual({ outcome: 'failed', code: 'connect-failed' });
  });
});
