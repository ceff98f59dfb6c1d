/**
 * The session store on PostgreSQL. Longer than 300 lines: each promise of the port has its case, most of them raced.
 */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Aggregate } from '../../core/aggregate.ts';
import type { CodeStore, CompleteResult, ConnectionStore, NewBrowserSession, SessionStore } from '../../core/stores.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createCodeStore } from '../../db/code-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createPool } from '../../db/pool.ts';
import { createSessionStore } from '../../db/session-store.ts';
import { createSweeper } from '../../db/sweeper.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { act, buildApp, buildKey, buildNewConnection, buildSession, NOW_MS } from './store-fixtures.ts';

const HOUR_MS = 3_600_000;

let database: TestDatabase;
let pool: Pool;
let sessions: SessionStore;
let codes: CodeStore;
let connections: ConnectionStore;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  sessions = createSessionStore(pool);
  codes = createCodeStore(pool);
  connections = createConnectionStore(pool);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

type Session = ReturnType<typeof buildSession>;

/** An app of its own, so that the limits by app start afresh. */
async function createApp(): Promise<string> {
  const app = `app-${randomUUID().slice(0, 8)}`;
  await createAppStore(pool).apply(buildApp({ app }));
  return app;
}

async function openSession(app: string, overrides: Partial<Session> = {}): Promise<Session> {
  const session = buildSession(buildKey(app), { addressFingerprint: randomUUID(), ...overrides });
  await sessions.open(session);
  return session;
}

async function createCode(app: string, overrides: Partial<Parameters<CodeStore['create']>[0]> = {}) {
  const fingerprint = randomUUID();
  const { id } = await codes.create({
    app,
    fingerprint,
    label: null,
    customerRef: null,
    principal: null,
    createdBy: 'cli:tester',
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + HOUR_MS,
    ...overrides,
  });
  return { id, fingerprint };
}

/** Completes as the API does: a first Connect makes the connection. */
function complete(
  session: Session,
  {
    codeFingerprint,
    ticketId,
    nowMs = NOW_MS + 1_000,
    address = session.addressFingerprint,
  }: {
    readonly codeFingerprint?: string;
    readonly ticketId?: string;
    readonly nowMs?: number;
    readonly address?: string;
  } = {},
): Promise<CompleteResult<Aggregate>> {
  const { app, id, principal } = session;
  const proof = {
    ...(codeFingerprint === undefined ? {} : { codeFingerprint }),
    ...(ticketId === undefined ? {} : { ticketId }),
  };
  return sessions.complete({ app, id, nowMs, addressFingerprint: address, ...proof }, (aggregate) => ({
    result: aggregate,
    changes: aggregate.connection === null ? { connection: buildNewConnection({ app, principal }) } : {},
  }));
}

async function sealedTokenOf(session: NewBrowserSession): Promise<string | null | undefined> {
  const { rows } = await pool.query<{ request_token: string | null }>(
    'SELECT request_token FROM connect_sessions WHERE id = $1',
    [session.id],
  );
  return rows[0]?.request_token;
}

describe('a browser session', () => {
  it('is found under its app and id, as it was opened', async () => {
    const app = await createApp();
    const session = await openSession(app);
    const { requestToken, addressFingerprint, ...visible } = session;
    expect([requestToken, addressFingerprint]).not.toContain(undefined);
    expect(await sessions.maybeOne(app, session.id)).toEqual({
      ...visible,
      ticket: null,
      status: 'open',
      failure: null,
      codeTries: 0,
      lastSeenAtMs: session.createdAtMs,
    });
    expect(await sessions.maybeOne(await createApp(), session.id)).toBeNull();
    expect(await sessions.maybeOne(app, randomUUID())).toBeNull();
  });

  it('is found with the others that began with the same request token, newest first', async () => {
    const app = await createApp();
    const first = await openSession(app);
    const { requestTokenFingerprint } = first;
    const second = await openSession(app, { requestTokenFingerprint, createdAtMs: NOW_MS + 1 });
    await openSession(app);
    await openSession(await createApp(), { requestTokenFingerprint });
    const found = await sessions.manyByRequestToken(app, requestTokenFingerprint);
    expect(found.map(({ id }) => id)).toEqual([second.id, first.id]);
  });

  it('remembers when it was last seen, never less', async () => {
    const app = await createApp();
    const session = await openSession(app);
    await sessions.touch(session.id, NOW_MS + 500);
    await sessions.touch(session.id, NOW_MS + 400);
    expect((await sessions.maybeOne(app, session.id))?.lastSeenAtMs).toBe(NOW_MS + 500);
  });
});

describe('completing a landing page', () => {
  it('hands the session to the decision and makes the connection, in one transaction', async () => {
    const app = await createApp();
    const session = await openSession(app);
    const done = await complete(session);
    if (done.outcome !== 'completed') throw new Error(`outcome was ${done.outcome}`);
    expect(done.result?.sessions).toEqual([
      {
        id: session.id,
        kind: 'request-token',
        requestToken: session.requestToken,
        dataCentre: null,
        userId: session.userId,
        customerRef: null,
        status: 'completed',
        uses: 0,
        nextTryAtMs: NOW_MS + 1_000,
        expiresAtMs: session.expiresAtMs,
        failure: null,
      },
    ]);
    expect((await connections.maybeOne(session))?.connection?.state).toBe('connecting');
  });

  it('is done once: a second click is told so, with the session as it stands', async () => {
    const app = await createApp();
    const session = await openSession(app);
    const both = await Promise.all([complete(session), complete(session)]);
    expect(both.map(({ outcome }) => outcome).sort()).toEqual(['already', 'completed']);
    const again = await complete(session);
    expect(again).toMatchObject({ outcome: 'already', session: { id: session.id, status: 'completed' } });
  });

  it('leaves the session open when the decision throws', async () => {
    const app = await createApp();
    const session = await openSession(app);
    const { fingerprint } = await createCode(app);
    const input = { ...session, nowMs: NOW_MS, codeFingerprint: fingerprint };
    const failing = sessions.complete(input, () => {
      throw new Error('decided against');
    });
    await expect(failing).rejects.toThrow('decided against');
    expect((await sessions.maybeOne(app, session.id))?.status).toBe('open');
    expect((await complete(session, { codeFingerprint: fingerprint })).outcome).toBe('completed');
  });

  it('comes too late once the request token is dead', async () => {
    const app = await createApp();
    const session = await openSession(app);
    expect(await complete(session, { nowMs: session.expiresAtMs })).toEqual({ outcome: 'expired' });
    expect((await complete(session, { nowMs: session.expiresAtMs - 1 })).outcome).toBe('completed');
  });

  it('is refused for a session that is not there or belongs to another app', async () => {
    const app = await createApp();
    const session = await openSession(app);
    await expect(complete({ ...session, app: await createApp() })).rejects.toMatchObject({ code: 'not-found' });
    await expect(complete({ ...session, id: randomUUID() })).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('the same request token in several browsers', () => {
  it('is won by the first to complete; the others are told, and hold no token any more', async () => {
    const app = await createApp();
    const requestTokenFingerprint = randomUUID();
    const { principal } = buildKey(app);
    const open = () => openSession(app, { principal, requestTokenFingerprint });
    const browsers = [await open(), await open(), await open()];
    const outcomes = await Promise.all(browsers.map((session) => complete(session)));
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['completed', 'lost', 'lost']);
    const tokens = await Promise.all(browsers.map(sealedTokenOf));
    expect(tokens.filter((token) => token !== null)).toHaveLength(1);

    const late = await open();
    expect((await complete(late)).outcome).toBe('lost');
    expect((await sessions.maybeOne(app, late.id))?.status).toBe('lost');
    expect(await sealedTokenOf(late)).toBeNull();
  });

  it('is not won twice by naming another principal', async () => {
    const app = await createApp();
    const requestTokenFingerprint = randomUUID();
    const browsers = [
      await openSession(app, { requestTokenFingerprint }),
      await openSession(app, { requestTokenFingerprint }),
    ];
    const outcomes = await Promise.all(browsers.map((session) => complete(session)));
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['completed', 'lost']);
  });

  it('may be tried again after a connect that failed', async () => {
    const app = await createApp();
    const requestTokenFingerprint = randomUUID();
    const { principal } = buildKey(app);
    const first = await openSession(app, { principal, requestTokenFingerprint });
    await complete(first);
    await connections.transact(first, ({ sessions: [session] }) => ({
      result: null,
      changes: session ? { sessions: [{ ...session, status: 'failed', failure: 'identity-mismatch' }] } : {},
    }));
    const second = await openSession(app, { principal, requestTokenFingerprint });
    expect((await complete(second)).outcome).toBe('completed');
  });

  it('is another token in another app', async () => {
    const requestTokenFingerprint = randomUUID();
    for (const app of [await createApp(), await createApp()]) {
      expect((await complete(await openSession(app, { requestTokenFingerprint }))).outcome).toBe('completed');
    }
  });
});

describe('a verification code', () => {
  it('opens the way once and gives its customer reference to the connect', async () => {
    const app = await createApp();
    const { fingerprint } = await createCode(app, { customerRef: 'ref-9' });
    const [left, right] = [await openSession(app), await openSession(app)];
    const outcomes = await Promise.all(
      [left, right].map((session) => complete(session, { codeFingerprint: fingerprint })),
    );
    const done = outcomes.flatMap((outcome) => (outcome.outcome === 'completed' ? [outcome.result] : []));
    expect(done).toHaveLength(1);
    expect(done[0]?.sessions[0]?.customerRef).toBe('ref-9');
    expect(outcomes).toContainEqual({ outcome: 'code-rejected', triesLeft: 4 });
  });

  it.each([
    ['wrong', async () => ({ fingerprint: randomUUID() })],
    ['of another app', async () => createCode(await createApp())],
    ['expired', (app: string) => createCode(app, { expiresAtMs: NOW_MS + 999 })],
    ['pinned to another principal', (app: string) => createCode(app, { principal: randomUUID() })],
  ])('that is %s is rejected', async (_, make) => {
    const app = await createApp();
    const session = await openSession(app);
    const { fingerprint } = await make(app);
    expect(await complete(session, { codeFingerprint: fingerprint })).toEqual({
      outcome: 'code-rejected',
      triesLeft: 4,
    });
    expect((await sessions.maybeOne(app, session.id))?.codeTries).toBe(1);
  });

  it('that was revoked is rejected; a used one cannot be revoked any more', async () => {
    const app = await createApp();
    const [revoked, used] = [await createCode(app), await createCode(app, { label: 'used' })];
    expect(await codes.revoke(app, revoked.id, NOW_MS, act)).toBe(true);
    expect(await codes.revoke(app, revoked.id, NOW_MS, act)).toBe(false);
    const session = await openSession(app);
    expect((await complete(session, { codeFingerprint: revoked.fingerprint })).outcome).toBe('code-rejected');
    expect((await complete(session, { codeFingerprint: used.fingerprint })).outcome).toBe('completed');
    expect(await codes.revoke(app, used.id, NOW_MS, act)).toBe(false);
    expect(await codes.many(app)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ id: revoked.id, revokedAtMs: NOW_MS, usedAtMs: null }),
        expect.objectContaining({ id: used.id, revokedAtMs: null, usedAtMs: NOW_MS + 1_000, label: 'used' }),
      ]),
    );
  });

  it('pinned to the principal of the session is accepted', async () => {
    const app = await createApp();
    const session = await openSession(app);
    const { fingerprint } = await createCode(app, { principal: session.principal });
    expect((await complete(session, { codeFingerprint: fingerprint })).outcome).toBe('completed');
  });

  it('may be mistyped five times in a session; the sixth try ends it, even with the right code', async () => {
    const app = await createApp();
    const session = await openSession(app);
    const { fingerprint } = await createCode(app);
    for (const triesLeft of [4, 3, 2, 1, 0]) {
      expect(await complete(session, { codeFingerprint: randomUUID() })).toEqual({
        outcome: 'code-rejected',
        triesLeft,
      });
    }
    expect(await complete(session, { codeFingerprint: fingerprint })).toEqual({ outcome: 'expired' });
    expect((await codes.many(app))[0]?.usedAtMs).toBeNull();
  });

  it('is not counted past five by tries that come at once', async () => {
    const app = await createApp();
    const session = await openSession(app);
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, () => complete(session, { codeFingerprint: randomUUID() })),
    );
    expect(outcomes.filter(({ outcome }) => outcome === 'code-rejected')).toHaveLength(5);
    expect(outcomes.filter(({ outcome }) => outcome === 'expired')).toHaveLength(7);
  });

  it('may be mistyped twenty times an hour from one address, over all apps and sessions', async () => {
    const address = randomUUID();
    const outcomes: CompleteResult<Aggregate>[] = [];
    for (let i = 0; i < 21; i += 1) {
      const session = await openSession(await createApp());
      outcomes.push(await complete(session, { codeFingerprint: randomUUID(), address, nowMs: NOW_MS + i }));
    }
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([...Array(20).fill('code-rejected'), 'rate-limited']);
    // The first of the twenty is an hour old at NOW + 1 h: then there is room for one more.
    expect(outcomes[20]).toEqual({ outcome: 'rate-limited', retryAfterMs: HOUR_MS - 20 });

    const app = await createApp();
    const { fingerprint } = await createCode(app, { expiresAtMs: NOW_MS + 2 * HOUR_MS });
    const session = await openSession(app);
    const right = { codeFingerprint: fingerprint, address };
    expect((await complete(session, { ...right, nowMs: NOW_MS + 30 })).outcome).toBe('rate-limited');
    expect((await complete(session, { ...right, nowMs: NOW_MS + HOUR_MS })).outcome).toBe('completed');
  });

  it('may be mistyped a hundred times an hour in an app, from wherever', async () => {
    const app = await createApp();
    await pool.query(
      `INSERT INTO verification_failures (app, address_fingerprint, at) SELECT $1, 'a' || n, $2 FROM generate_series(1, 99) n`,
      [app, new Date(NOW_MS)],
    );
    expect((await complete(await openSession(app), { codeFingerprint: randomUUID() })).outcome).toBe('code-rejected');
    expect((await complete(await openSession(app), { codeFingerprint: randomUUID() })).outcome).toBe('rate-limited');
    const elsewhere = await openSession(await createApp());
    expect((await complete(elsewhere, { codeFingerprint: randomUUID() })).outcome).toBe('code-rejected');
  });
});

describe('a ticket', () => {
  const act = { actor: 'client:c', reason: null, correlationId: 'r' };
  const TTL_MS = 120_000;

  async function issue(session: NewBrowserSession, overrides: { readonly nowMs?: number } = {}) {
    const { nowMs = NOW_MS } = overrides;
    const ticket = { app: session.app, id: session.id, ticketId: randomUUID(), nowMs };
    const customerRef = `customer of ${ticket.ticketId}`;
    const isIssued = await sessions.issueTicket({ ...ticket, customerRef, expiresAtMs: nowMs + TTL_MS }, act);
    return { ...ticket, customerRef, isIssued };
  }

  it('is found with the session, also by the name that the partner knows', async () => {
    const session = await openSession(await createApp());
    const { ticketId, customerRef } = await issue(session);
    const found = await sessions.maybeOneByRef(session.ref);
    expect(found?.ticket).toEqual({ id: ticketId, customerRef, expiresAtMs: NOW_MS + TTL_MS, isPresented: false });
    expect(found).toEqual(await sessions.maybeOne(session.app, session.id));
    expect(await sessions.maybeOneByRef(session.id)).toBeNull();
  });

  it('completes the session once, and names the customer of the connect', async () => {
    const session = await openSession(await createApp());
    const { ticketId, customerRef } = await issue(session);
    const outcomes = await Promise.all([complete(session, { ticketId }), complete(session, { ticketId })]);
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['already', 'completed']);
    const done = outcomes.find(({ outcome }) => outcome === 'completed');
    expect(done?.outcome === 'completed' && done.result?.sessions[0]?.customerRef).toBe(customerRef);
    expect((await sessions.maybeOne(session.app, session.id))?.ticket).toBeNull();
    expect((await issue(session)).isIssued).toBe(false);
  });

  it('takes the place of the one before, presented or not', async () => {
    const session = await openSession(await createApp());
    const first = await issue(session);
    expect(await sessions.presentTicket(first)).toBe(true);
    const second = await issue(session);
    expect((await sessions.maybeOne(session.app, session.id))?.ticket?.isPresented).toBe(false);
    expect(await sessions.presentTicket(first)).toBe(false);
    expect(await sessions.dropTicket(first, act)).toBe(false);
    expect((await complete(session, first)).outcome).toBe('ticket-rejected');
    expect((await complete(session, second)).outcome).toBe('completed');
  });

  it('counts until its last moment', async () => {
    const session = await openSession(await createApp());
    const ticket = await issue(session);
    const late = { ...ticket, nowMs: NOW_MS + TTL_MS };
    expect(await sessions.presentTicket(late)).toBe(false);
    expect((await complete(session, late)).outcome).toBe('ticket-expired');
    expect((await complete(session, { ...ticket, nowMs: late.nowMs - 1 })).outcome).toBe('completed');
  });

  it('is void once another browser has brought it, unless its own was first', async () => {
    const session = await openSession(await createApp());
    const stray = await issue(session);
    expect(await sessions.dropTicket({ ...stray, ticketId: 'another' }, act)).toBe(false);
    expect(await sessions.dropTicket(stray, act)).toBe(true);
    expect((await complete(session, stray)).outcome).toBe('ticket-rejected');
    const own = await issue(session);
    await sessions.presentTicket(own);
    expect(await sessions.dropTicket(own, act)).toBe(false);
    expect((await complete(session, own)).outcome).toBe('completed');
  });

  it('is made for open sessions of that app alone, and keeps them from idling', async () => {
    const session = await openSession(await createApp());
    expect((await issue({ ...session, app: await createApp() })).isIssued).toBe(false);
    expect((await issue({ ...session, id: randomUUID() })).isIssued).toBe(false);
    expect((await issue(session, { nowMs: session.expiresAtMs })).isIssued).toBe(false);
    expect((await issue(session, { nowMs: NOW_MS + 1_000 })).isIssued).toBe(true);
    expect((await sessions.maybeOne(session.app, session.id))?.lastSeenAtMs).toBe(NOW_MS + 1_000);
  });

  it('of none opens nothing', async () => {
    const session = await openSession(await createApp());
    expect((await complete(session, { ticketId: '' })).outcome).toBe('ticket-rejected');
    expect((await sessions.maybeOne(session.app, session.id))?.status).toBe('open');
  });
});

describe('the sweeper', () => {
  it('shreds the request tokens of visits that nobody finished, and leaves the rest', async () => {
    const app = await createApp();
    const [open, completed, alive] = [
      await openSession(app),
      await openSession(app),
      await openSession(app, { expiresAtMs: NOW_MS + 3 * 86_400_000 }),
    ];
    await complete(completed);
    await createSweeper(pool).sweep(NOW_MS + 2 * 86_400_000);
    expect(await sealedTokenOf(open)).toBeNull();
    expect(await sealedTokenOf(completed)).toBe(completed.requestToken);
    expect(await sealedTokenOf(alive)).toBe(alive.requestToken);
  });

  it('keeps the tokens of a dead connection for a month, in which it can be revived', async () => {
    const session = await openSession(await createApp());
    await complete(session);
    await connections.transact(session, ({ connection }) => ({
      result: null,
      changes: {
        ...(connection && { connection: { ...connection, state: 'reauthorization-required', stateSinceMs: NOW_MS } }),
        grant: { current: { sealed: 's', attemptId: 'a', refused: true }, previous: null },
      },
    }));
    const isOnFile = async () => (await connections.maybeOne(session))?.grant.current !== null;
    await createSweeper(pool).sweep(NOW_MS + 29 * 86_400_000);
    expect(await isOnFile()).toBe(true);
    await createSweeper(pool).sweep(NOW_MS + 31 * 86_400_000);
    expect(await isOnFile()).toBe(false);
  });

  it('deletes expired access tokens, clean attempts and old visits, and counts them', async () => {
    const app = await createApp();
    const session = await openSession(app);
    await complete(session, { codeFingerprint: randomUUID() });
    await complete(session);
    await connections.transact(session, ({ connection, sessions: [pending] }) => ({
      result: null,
      changes: {
        ...(connection && { connection: { ...connection, accessTokenExpiresAtMs: NOW_MS + 10 } }),
        accessToken: { sealed: 's', attemptId: 'a', tokenType: 'Bearer' },
        attempts: [
          {
            id: randomUUID(),
            kind: 'refresh',
            status: 'done',
            versionRead: 0,
            tokenAttemptId: null,
            sessionId: null,
            startedAtMs: NOW_MS,
            horizonAtMs: NOW_MS,
            answer: null,
            candidate: null,
          },
        ],
        ...(pending && { sessions: [{ ...pending, status: 'connected', requestToken: null }] }),
      },
    }));
    await createSweeper(pool).sweep(NOW_MS + 9);
    expect((await connections.maybeAccessToken(session))?.token).not.toBeNull();
    const swept = await createSweeper(pool).sweep(NOW_MS + 40 * 86_400_000);
    expect(swept.accessTokens).toBe(1);
    expect(swept.attempts).toBe(1);
    expect(swept.sessions).toBeGreaterThanOrEqual(1);
    expect(swept.verificationFailures).toBeGreaterThanOrEqual(1);
    expect((await connections.maybeAccessToken(session))?.token).toBeNull();
    expect(await sessions.maybeOne(app, session.id)).toBeNull();
  });
});
