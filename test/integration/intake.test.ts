/**
 * Connects without a landing page, from the API's side to the sandbox: what each brings, whose it is found to be, and
 * what is never touched.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createIntake, type IntakeRequest } from '../../api/intake.ts';
import { createLifecycleGateway } from '../../api/lifecycle-gateway.ts';
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
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  backend = await createBackend();
  const pool = createPool({ url: backend.database.url, log });
  const lifecycle = createLifecycleGateway({ client: backend.client, taskQueue: 'evergrant', clock: systemClock, log });
  closing.push(
    () => lifecycle.close(),
    () => pool.end(),
  );
  intake = createIntake({
    clock: systemClock,
    rng: systemRng,
    vault: backend.vault,
    policy: defaultRefreshPolicy,
    requestTokenTtlMs: 86_400_000,
    connections: backend.connections,
    intakes: createIntakeStore(pool),
    lifecycle,
  });
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

function bring(given: Partial<IntakeRequest> & { readonly secret: string }): Promise<unknown> {
  const { secret, ...rest } = given;
  return intake.connect({
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
    expect(await bring({ ...brought, replace: true })).toMatchObject({ outcome: 'connected', isNew: false });
    expect(await backend.connection(key)).toMatchObject({ state: 'active', version: 2 });
  });
});
