/**
 * The verbs of the command line against a real database. Longer than 300 lines: one noun after another, on one
 * installation.
 */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { Secret } from '../../core/secret.ts';
import { normaliseVerificationCode, verificationCodeContext } from '../../core/verification-code.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createClientStore } from '../../db/client-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createDataKeyStore } from '../../db/data-key-store.ts';
import { createIssuerKeyStore } from '../../db/issuer-key-store.ts';
import { createPool } from '../../db/pool.ts';
import { createSessionStore } from '../../db/session-store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createLocalIssuer } from '../../vault/local-issuer.ts';
import { createVault } from '../../vault/vault.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';
import {
  buildApp,
  buildEntry,
  buildFullConnection,
  buildKey,
  buildNewConnection,
  buildSession,
} from './store-fixtures.ts';

const NOWHERE = '127.0.0.1:1';
const keks = `k1:${randomBytes(32).toString('base64url')}`;

let database: TestDatabase;
let pool: Pool;
/** What a reader has: an address of the database and nothing else. */
let reader: Record<string, string>;
/** What an administrator has. */
let keeper: Record<string, string>;
let home: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  home = await mkdtemp(join(tmpdir(), 'evergrant-cli-'));
  reader = { DATABASE_URL: database.url, EVERGRANT_HOME: home };
  keeper = { ...reader, EVERGRANT_KEKS: keks, PUBLIC_URL: 'https://connect.example.com', TEMPORAL_ADDRESS: NOWHERE };
  const landing = { ...buildApp().landing, listingUrl: 'https://appcenter.example.com/demo' };
  await createAppStore(pool).apply(buildApp({ landing }));
  await createAppStore(pool).addSecret('demo', { id: 's1', sealed: 'sealed-value', fingerprint: 'f', createdAtMs: 0 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

async function addConnection(overrides: Parameters<typeof buildFullConnection>[1] = {}): Promise<ConnectionKey> {
  const key = buildKey();
  const connection = buildFullConnection(key, overrides);
  const grant = { current: { sealed: 's', attemptId: 'a', refused: false }, previous: null };
  await createConnectionStore(pool).transact(key, () => ({
    result: null,
    changes: { connection, grant, events: [buildEntry({ userId: 'user-1' })] },
  }));
  return key;
}

describe('the command line', () => {
  it('shows what there is and exits with 2 when it is asked nothing', async () => {
    const { code, err } = await evergrant({}, []);
    expect(code).toBe(2);
    for (const noun of ['connections', 'apps', 'clients', 'codes', 'migrate']) expect(err).toContain(noun);
    expect((await evergrant({}, ['connections'])).code).toBe(2);
    expect(await evergrant({}, ['--help'])).toMatchObject({ code: 0, err: '' });
    expect(await evergrant({}, ['clients', 'create', '--help'])).toMatchObject({ code: 0, err: '' });
  });

  it.each([
    [['conections', 'list']],
    [['connections', 'list']],
    [['connections', 'list', 'No App']],
    [['connections', 'list', 'demo', '--limit', '0']],
    [['connections', 'list', 'demo', '--state', 'well']],
    [['connections', 'show', 'demo', 'not-a-uuid']],
    [['connections', 'show', 'demo', randomUUID(), 'more']],
    [['clients', 'create', '--name', 'n']],
    [['clients', 'create', '--name', 'n', '--app', 'demo', '--scope', 'all']],
    [['clients', 'create', '--name', 'n', '--app', 'demo', '--scope', 'tokens:read', '--ttl', '91d']],
    [['codes', 'create', 'demo', '--ttl', '31d']],
  ])('takes %j for wrong use: exit 2, before it looks at any environment', async (argv) => {
    const { code, out, err } = await evergrant({}, argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).not.toBe('');
  });

  it('exits with 78 and names what is missing or wrong in the environment', async () => {
    const missing = await evergrant({ EVERGRANT_HOME: home }, ['apps', 'list']);
    expect(missing.code).toBe(78);
    expect(missing.err).toContain('DATABASE_URL');
    const keyless = await evergrant(reader, ['codes', 'create', 'demo']);
    expect(keyless.code).toBe(78);
    expect(keyless.err).toContain('EVERGRANT_KEKS');
  });

  it('exits with 75 when the database is away, and says where it looked', async () => {
    const { code, err } = await evergrant({ DATABASE_URL: `postgres://nobody:secret@${NOWHERE}/none` }, [
      'apps',
      'list',
    ]);
    expect(code).toBe(75);
    expect(err).toContain('127.0.0.1:1/none');
    expect(err).not.toContain('secret');
  });

  it('exits with 1 for what is not there', async () => {
    for (const argv of [
      ['connections', 'show', 'demo', randomUUID()],
      ['connections', 'events', 'demo', randomUUID()],
      ['connections', 'list', 'nobody'],
      ['connections', 'pause', 'demo', randomUUID()],
      ['apps', 'show', 'nobody'],
      ['clients', 'revoke', 'nobody'],
      ['codes', 'revoke', 'demo', 'nothing'],
    ]) {
      expect(await evergrant(keeper, argv), argv.join(' ')).toMatchObject({ code: 1, out: '' });
    }
  });

  it('takes a file that cannot be read for wrong use, and names it', async () => {
    const argv = ['clients', 'create', '--name', 'n', '--scope', 'tokens:read', '--app', 'demo', '--jwk'];
    const missing = await evergrant(keeper, [...argv, join(home, 'none.jwk')]);
    expect(missing).toMatchObject({ code: 2, out: '', err: expect.stringContaining('none.jwk') });
    expect(missing.err).toContain('ENOENT');
    expect(missing.err).not.toMatch(/\n\s+at /);
    expect(await evergrant(keeper, [...argv, home])).toMatchObject({ code: 2, err: expect.stringContaining('EISDIR') });
  });

  it('warns when a client is made for an app that nobody knows, as it may be a slip of the pen', async () => {
    const argv = ['clients', 'create', '--name', 'n', '--scope', 'tokens:read', '--app', 'demmo', '--app', 'demo'];
    const { code, err } = await evergrant(keeper, argv);
    expect(code).toBe(0);
    expect(err).toContain('There is no app demmo yet');
    expect(err).not.toContain('app demo yet');
  });

  it('says of an app without endpoints for webhooks where they are named', async () => {
    const { code, out } = await evergrant(reader, ['webhooks', 'list', 'demo']);
    expect({ code, out }).toEqual({
      code: 0,
      out: 'App demo has no endpoints: they are named in the apps file (webhooks).\n',
    });
  });

  it('gives out no token in production that no API would take', async () => {
    const argv = ['clients', 'create', '--name', 'n', '--scope', 'tokens:read', '--app', 'demo', '--json'];
    const { PUBLIC_URL: _unset, ...nameless } = keeper;
    expect(await evergrant(nameless, argv)).toMatchObject({
      code: 78,
      out: '',
      err: expect.stringContaining('PUBLIC_URL'),
    });
  });

  it('says of a database without a schema what to do', async () => {
    const empty = await createEmptyDatabase();
    try {
      const { code, err } = await evergrant({ ...reader, DATABASE_URL: empty.url }, ['apps', 'list']);
      expect(code).toBe(1);
      expect(err).toContain('evergrant migrate');
      expect(err).not.toMatch(/\n\s+at /);
    } finally {
      await empty.drop();
    }
  });

  it('finds the database, the keys and the address of a running npm start by itself', async () => {
    const started = await mkdtemp(join(tmpdir(), 'evergrant-cli-home-'));
    await writeFile(join(started, 'keks'), `${keks}\n`);
    const environment = {
      EVERGRANT_MODE: 'production',
      PUBLIC_URL: 'https://started.example.com',
      EVERGRANT_KEKS_FILE: join(started, 'keks'),
    };
    const running = { pid: 1, databaseUrl: database.url, temporalAddress: NOWHERE, environment };
    await writeFile(join(started, 'running.json'), JSON.stringify(running));
    const argv = ['clients', 'create', '--name', 'n', '--scope', 'tokens:read', '--app', '*', '--json'];
    for (const given of [{}, { EVERGRANT_KEKS: keks }, { DATABASE_URL: database.url }]) {
      const created = await evergrant({ EVERGRANT_HOME: started, ...given }, argv);
      expect(created).toMatchObject({ code: 0, err: '' });
      expect(decodeJwt(String(created.json().token)).iss).toBe('https://started.example.com');
    }
    // An address that was given wins, and with it everything else: nothing of a sandbox is sent elsewhere.
    const elsewhere = { EVERGRANT_HOME: started, DATABASE_URL: `postgres://nobody@${NOWHERE}/none` };
    expect((await evergrant(elsewhere, ['apps', 'list'])).code).toBe(75);
    expect((await evergrant({ EVERGRANT_HOME: started, EVERGRANT_MODE: 'production' }, ['apps', 'list'])).code).toBe(
      78,
    );
    await rm(started, { recursive: true });
  });
});

describe('connections', () => {
  it('are listed for people in a table and for programs as the API has them', async () => {
    const key = await addConnection({ customerRef: 'cli-list' });
    const table = await evergrant(reader, ['connections', 'list', 'demo', '--customer-ref', 'cli-list']);
    expect(table).toMatchObject({ code: 0, err: '' });
    expect(table.out).toMatch(/^PRINCIPAL +COMPANY +CUSTOMER +STATE/);
    expect(table.out).toContain(key.principal);
    const { items, next_cursor } = (
      await evergrant(reader, ['connections', 'list', 'demo', '--customer-ref', 'cli-list', '--json'])
    ).json();
    expect(next_cursor).toBeNull();
    const shown = (
      await evergrant(reader, ['connections', 'show', 'demo', key.principal.toUpperCase(), '--json'])
    ).json();
    expect(items).toEqual([shown]);
    expect(shown).toMatchObject({
      app: 'demo',
      principal_id: key.principal,
      state: 'paused',
      upkeep: 'idle',
      workflow_id: `concur-connection:demo:${key.principal}`,
      listing_url: 'https://appcenter.example.com/demo',
      access_token_expires_at: '2026-08-20T13:00:00.124Z',
      last_error: { code: 'provider-unavailable', concur_code: 134, correlation_id: 'corr-1' },
    });
  });

  it('are shown with their facts, and a company’s name cannot speak to the terminal', async () => {
    const key = await addConnection({ company: { name: 'Evil \u001b[31m\u202eCo', domain: null } });
    const { out } = await evergrant(reader, ['connections', 'show', 'demo', key.principal]);
    expect(out).toContain('provider-unavailable');
    expect(out).toContain('Evil');
    expect(out).not.toMatch(/[\u001b\u202e]/);
  });

  it('are listed page by page', async () => {
    for (let i = 0; i < 3; i += 1) await addConnection({ dataCentre: 'apj1' });
    const list = ['connections', 'list', 'demo', '--data-center', 'apj1', '--limit', '2'];
    const first = await evergrant(reader, list);
    const [, cursor = ''] = /--cursor (\S+)/.exec(first.err) ?? [];
    const second = await evergrant(reader, [...list, '--cursor', cursor]);
    expect(second).toMatchObject({ code: 0, err: '' });
    expect(second.out.trim().split('\n')).toHaveLength(2);
    expect((await evergrant(reader, [...list, '--cursor', 'nonsense'])).code).toBe(2);
  });

  it('have an audit trail', async () => {
    const key = await addConnection();
    const { items } = (await evergrant(reader, ['connections', 'events', 'demo', key.principal, '--json'])).json();
    expect(items).toMatchObject([
      { type: 'connection.connected', state_from: 'connecting', state_to: 'active', user_id: 'user-1' },
    ]);
    const { out } = await evergrant(reader, ['connections', 'events', 'demo', key.principal]);
    expect(out).toContain('connecting -> active');
  });

  it('are paused on record, even while Temporal is away: exit 75, and the actor is named', async () => {
    const key = await addConnection({ state: 'active', reason: null, resumeState: null });
    const paused = await evergrant(keeper, [
      'connections',
      'pause',
      'demo',
      key.principal,
      '--reason',
      'audit',
      '--json',
    ]);
    expect(paused.code).toBe(75);
    expect(paused.err).toContain(NOWHERE);
    expect(paused.json()).toMatchObject({ state: 'paused', reason: 'audit' });
    const { items } = await createConnectionStore(pool).events(key, { limit: 1 });
    expect(items).toMatchObject([{ type: 'command.paused', actor: 'cli:tester', reason: 'audit' }]);
  });

  it('stop being read as soon as a revoke is asked for, even while Temporal is away', async () => {
    const key = await addConnection({ state: 'active', reason: null, resumeState: null });
    const revoked = await evergrant(keeper, ['connections', 'revoke', 'demo', key.principal, '--json']);
    expect(revoked.code).toBe(75);
    expect(revoked.json()).toMatchObject({ state: 'revoking' });
  });

  it('cannot be refreshed while Temporal is away, nor once they are revoked', async () => {
    const alive = await addConnection({ state: 'active', reason: null, resumeState: null });
    expect(await evergrant(keeper, ['connections', 'refresh', 'demo', alive.principal])).toMatchObject({
      code: 75,
      out: '',
    });
    const over = await addConnection({ state: 'revoked', resumeState: null });
    const refused = await evergrant(keeper, ['connections', 'refresh', 'demo', over.principal]);
    expect(refused.code).toBe(1);
    expect((await evergrant(keeper, ['connections', 'revoke', 'demo', over.principal])).code).toBe(0);
  });
});

describe('apps', () => {
  it('are listed and shown without their secrets', async () => {
    expect((await evergrant(reader, ['apps', 'list'])).out).toContain('Demo ERP');
    const shown = await evergrant(reader, ['apps', 'show', 'demo', '--json']);
    expect(shown.json()).toMatchObject({
      app: 'demo',
      clientId: 'client-1',
      secrets: [{ id: 's1', created_at: '1970-01-01T00:00:00.000Z' }],
    });
    const facts = await evergrant(reader, ['apps', 'show', 'demo']);
    for (const { out } of [shown, facts]) expect(out).not.toContain('sealed-value');
    expect((await evergrant(reader, ['apps', 'list', '--json'])).json()).toMatchObject({ items: [{ app: 'demo' }] });
  });

  it('take a further client secret from a file or standard input, recorded even while Temporal is away', async () => {
    const file = join(home, 'client-secret');
    await writeFile(file, 'from-a-file\n');
    const added = await evergrant(keeper, ['apps', 'secret-add', 'demo', '--secret-file', file, '--json']);
    expect(added.code).toBe(75);
    expect(added.json()).toMatchObject({
      app: 'demo',
      outcome: 'added',
      secrets: [{ retired_at: null }, { id: 's1' }],
    });
    expect((await evergrant(keeper, ['apps', 'secret-add', 'demo', '--json'], 'from-a-file')).json()).toMatchObject({
      outcome: 'known',
    });
    for (const wrong of ['', 'two\nlines', 'bl ank']) {
      expect((await evergrant(keeper, ['apps', 'secret-add', 'demo'], wrong)).code).toBe(2);
    }
    expect((await evergrant(keeper, ['apps', 'secret-add', 'nobody'], 'x')).code).toBe(1);
  });

  it('retire a client secret, and take it back, but do not guess which to keep', async () => {
    const guess = await evergrant(keeper, ['apps', 'secret-retire', 'demo']);
    expect([guess.code, guess.err]).toEqual([1, expect.stringContaining('name one')]);
    const shown = await evergrant(reader, ['apps', 'show', 'demo', '--json']);
    const [{ id }] = shown.json().secrets as [{ id: string }];
    const retired = await evergrant(keeper, ['apps', 'secret-retire', 'demo', id, '--json']);
    expect(retired.json()).toMatchObject({
      retired: [id],
      secrets: [{ id, retired_at: expect.any(String) }, { id: 's1' }],
    });
    expect((await evergrant(keeper, ['apps', 'secret-retire', 'demo', id])).code).toBe(1);
    const back = await evergrant(keeper, ['apps', 'secret-add', 'demo', '--json'], 'from-a-file');
    expect(back.json()).toMatchObject({ outcome: 'revived', secrets: [{ id, retired_at: null }, { id: 's1' }] });
  });

  it('are shown with their troubles and brakes, and release the brake even while Temporal is away', async () => {
    await pool.query(`INSERT INTO app_trouble VALUES ('demo', 'us2', 2, 'client-secret-wrong', 64, now())`);
    await pool.query(`INSERT INTO brakes VALUES ('demo', 'eu2', now())`);
    expect((await evergrant(reader, ['apps', 'show', 'demo', '--json'])).json()).toMatchObject({
      troubles: [{ data_center: 'us2', blocked: true, reason: 'client-secret-wrong', concur_code: 64, failures: 2 }],
      brakes: [{ data_center: 'eu2', on: true, released_at: null }],
    });
    const { out } = await evergrant(reader, ['apps', 'show', 'demo']);
    expect(out).toContain('us2: blocked since');
    expect(out).toContain('eu2: the brake is on');
    const released = await evergrant(keeper, ['apps', 'release', 'demo', '--json']);
    expect([released.code, released.json()]).toEqual([75, { app: 'demo', released: ['eu2'] }]);
    expect((await evergrant(keeper, ['apps', 'release', 'demo', '--json'])).json()).toEqual({
      app: 'demo',
      released: [],
    });
  });
});

describe('clients', () => {
  const issue = ['clients', 'create', '--name', 'Expenses', '--scope', 'tokens:read', '--scope', 'connections:read'];

  it('get a bearer token of the built-in issuer, shown once, for what was asked and no more', async () => {
    const principal = randomUUID();
    const argv = [...issue, '--app', 'demo', '--principal', principal.toUpperCase(), '--ttl', '12h', '--json'];
    const created = await evergrant(keeper, argv);
    expect(created).toMatchObject({ code: 0, err: '' });
    expect(Object.keys(created.json())).toEqual(['client_id', 'token', 'expires_at']);
    const { client_id: id, token, expires_at } = created.json();
    const vault = await createVault({
      keks: [{ kid: 'k1', key: new Secret(keks.slice(3)) }],
      dataKeys: createDataKeyStore(pool),
    });
    const issuer = createLocalIssuer({ keys: createIssuerKeyStore(pool), vault, clock: systemClock });
    const { keys } = await issuer.jwks();
    const { payload } = await jwtVerify(String(token), createLocalJWKSet({ keys: [...keys] }), {
      issuer: 'https://connect.example.com',
      audience: 'evergrant',
    });
    expect(payload).toMatchObject({
      sub: id,
      client_id: id,
      scope: 'tokens:read connections:read',
      app: ['demo'],
      principal: [principal],
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(12 * 3_600);
    expect(new Date(String(expires_at)).getTime()).toBe((payload.exp ?? 0) * 1_000);

    const stored = await createClientStore(pool).maybeOne(String(id));
    expect(stored).toMatchObject({ name: 'Expenses', apps: ['demo'], principals: [principal], jwk: null });
    const list = await evergrant(reader, ['clients', 'list']);
    expect(list.out).toContain(String(id));
    expect(list.out).not.toContain(String(token));
  });

  it('are told for people too, for all apps and thirty days by default', async () => {
    const { code, out, err } = await evergrant(keeper, [...issue, '--app', '*']);
    expect(code).toBe(0);
    expect(out).toMatch(/^client id +\S+\ntoken +eyJ\S+\nexpires at +\S+\n$/);
    expect(err).toContain('not shown again');
  });

  it('are revoked, and the list says since when', async () => {
    const { client_id: id } = (await evergrant(keeper, [...issue, '--app', 'demo', '--json'])).json();
    expect((await evergrant(reader, ['clients', 'revoke', String(id)])).code).toBe(0);
    const again = (await evergrant(reader, ['clients', 'revoke', String(id), '--json'])).json();
    const { items } = (await evergrant(reader, ['clients', 'list', '--json'])).json();
    expect(items).toContainEqual(again);
    expect(again.revoked_at).toMatch(/Z$/);
  });

  it('may sign for themselves: their public key is kept, from a file or standard input', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' });
    const file = join(home, 'client.jwk');
    await writeFile(file, JSON.stringify(jwk));
    const byFile = await evergrant(reader, [...issue, '--app', 'demo', '--jwk', file, '--json']);
    expect(byFile.json()).toEqual({ client_id: expect.any(String), token: null, expires_at: null });
    const byInput = await evergrant(reader, [...issue, '--app', 'demo', '--jwk', '-', '--json'], JSON.stringify(jwk));
    expect((await createClientStore(pool).maybeOne(String(byInput.json().client_id)))?.jwk).toEqual(jwk);

    for (const wrong of [
      JSON.stringify(privateKey.export({ format: 'jwk' })),
      JSON.stringify({ kty: 'oct', k: 'c2VjcmV0' }),
      JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }),
      JSON.stringify(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })),
      'nonsense',
      '[]',
    ]) {
      const refused = await evergrant(reader, [...issue, '--app', 'demo', '--jwk', '-'], wrong);
      expect(refused).toMatchObject({ code: 2, out: '' });
      expect(refused.err).not.toContain(wrong);
    }
    const both = await evergrant(reader, [...issue, '--app', 'demo', '--jwk', file, '--ttl', '1d']);
    expect(both.code).toBe(2);
  });

  it('may have any kind of key that the API verifies', async () => {
    const pairs = [
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ];
    for (const { publicKey } of pairs) {
      const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));
      const made = await evergrant(reader, [...issue, '--app', 'demo', '--jwk', '-', '--json'], jwk);
      expect(made).toMatchObject({ code: 0, err: '' });
    }
    const other = JSON.stringify(
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' }),
    );
    expect((await evergrant(reader, [...issue, '--app', 'demo', '--jwk', '-'], other)).code).toBe(2);
  });

  it('may be for several apps and principals, each named once however often it was given', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    const several = ['--app', 'demo', '--app', 'other', '--app', 'demo', '--principal', one, '--principal', two];
    const { client_id: id } = (await evergrant(keeper, [...issue, ...several, '--principal', one, '--json'])).json();
    const { items } = (await evergrant(reader, ['clients', 'list', '--json'])).json();
    expect(items).toContainEqual({
      client_id: id,
      name: 'Expenses',
      scope: 'tokens:read connections:read',
      app: ['demo', 'other'],
      principal: [one, two],
      kind: 'token',
      created_at: expect.stringMatching(/Z$/),
      expires_at: expect.stringMatching(/Z$/),
      revoked_at: null,
    });
  });

  it('get no token when the built-in issuer is off', async () => {
    const issuers = JSON.stringify([
      { issuer: 'https://idp.example.com', audience: 'evergrant', apps: '*', scopes: '*' },
    ]);
    const { code, err } = await evergrant({ ...keeper, AUTH_ISSUERS: issuers }, [...issue, '--app', 'demo']);
    expect(code).toBe(78);
    expect(err).toContain('AUTH_ISSUERS');
  });

  it('are not made with keys that do not belong to the database', async () => {
    const foreign = { ...keeper, EVERGRANT_KEKS: `k1:${randomBytes(32).toString('base64url')}` };
    expect((await evergrant(foreign, [...issue, '--app', 'demo'])).code).toBe(78);
    expect((await evergrant({ ...keeper, EVERGRANT_MODE: 'development' }, [...issue, '--app', 'demo'])).code).toBe(78);
  });
});

describe('codes', () => {
  it('are made for one Connect, shown once, and open the way when typed', async () => {
    const argv = ['codes', 'create', 'demo', '--label', 'Letter', '--customer-ref', 'ref-1', '--ttl', '1d', '--json'];
    const made = (await evergrant(keeper, argv)).json();
    expect(Object.keys(made)).toEqual(['code', 'expires_at']);
    const code = normaliseVerificationCode(String(made.code).toLowerCase());
    const vault = await createVault({
      keks: [{ kid: 'k1', key: new Secret(keks.slice(3)) }],
      dataKeys: createDataKeyStore(pool),
    });
    const codeFingerprint = await vault.fingerprint(new Secret(code ?? ''), verificationCodeContext('demo'));
    const session = buildSession(buildKey());
    const sessions = createSessionStore(pool);
    const nowMs = Date.now();
    await sessions.open({ ...session, expiresAtMs: nowMs + 1_000 });
    const { app, id, principal, addressFingerprint } = session;
    const done = await sessions.complete({ app, id, nowMs, codeFingerprint, addressFingerprint }, (aggregate) => ({
      result: aggregate.sessions[0]?.customerRef,
      changes: { connection: buildNewConnection({ app, principal }) },
    }));
    expect(done).toEqual({ outcome: 'completed', result: 'ref-1' });

    const list = await evergrant(reader, ['codes', 'list', 'demo']);
    expect(list.out).toContain('Letter');
    expect(list.out).not.toContain(String(made.code));
  });

  it('are revoked while they have not been used', async () => {
    const { out } = await evergrant(keeper, ['codes', 'create', 'demo', '--label', 'to revoke']);
    const [, id = ''] = /^id +(\S+)$/m.exec(out) ?? [];
    expect((await evergrant(reader, ['codes', 'revoke', 'demo', id])).code).toBe(0);
    const { items } = (await evergrant(reader, ['codes', 'list', 'demo', '--json'])).json();
    expect(items).toContainEqual(expect.objectContaining({ id, label: 'to revoke', revoked_at: expect.any(String) }));
    const used = (items as { id: string; used_at: string | null }[]).find(({ used_at }) => used_at !== null);
    expect((await evergrant(reader, ['codes', 'revoke', 'demo', used?.id ?? ''])).code).toBe(1);
  });

  it('are made with a warning for an app whose landing page asks for none', async () => {
    const { code, err } = await evergrant(keeper, ['codes', 'create', 'demo', '--json']);
    expect({ code, err }).toEqual({
      code: 0,
      err: 'The landing page of demo asks for no code: its mode is confirm.\n',
    });
  });

  it('are not made for an app that is not there', async () => {
    expect((await evergrant(keeper, ['codes', 'create', 'nobody'])).code).toBe(1);
  });
});

describe('migrate', () => {
  it('brings an empty database up to date with the owner’s role', async () => {
    const empty = await createEmptyDatabase();
    const variables = { DATABASE_URL: empty.url, MIGRATION_DATABASE_URL: empty.ownerUrl, EVERGRANT_HOME: home };
    const first = await evergrant(variables, ['migrate', '--json']);
    expect(first.code).toBe(0);
    expect(first.json().applied).not.toHaveLength(0);
    expect(await evergrant(variables, ['migrate'])).toMatchObject({ code: 0, out: 'The schema is up to date.\n' });
    await empty.drop();
  });
});
