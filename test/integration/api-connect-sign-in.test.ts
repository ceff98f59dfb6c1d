/**
 * Landing mode `sign-in`: the partner's backend, the administrator's browser, and those who should get nowhere. Longer
 * than 300 lines: one visit is told from every side, on one rig.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Landing } from '../../core/stores.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createPartnerRig, type PartnerRig, PUBLIC_URL } from './partner-rig.ts';
import { buildApp } from './store-fixtures.ts';
import { createVisitor, type Page, type Visitor } from './visitor.ts';

const SIGN_IN_URL = 'https://erp.test/login?from=concur&next=%2Fhome%20page';

const signIn = { mode: 'sign-in', signInUrl: SIGN_IN_URL, signUpUrl: 'https://erp.test/join' } as const;
/** Made before the first request: the API reads them anew every few seconds only. */
const apps = {
  'signs-in': signIn,
  'awkward-address': { ...signIn, signInUrl: 'https://erp.test/?session=old&a=1#/login' },
  'no-sign-up': { ...signIn, signUpUrl: null },
  'changes-its-mode': signIn,
} as const;

let rig: PartnerRig;
let token: string;
beforeAll(async () => {
  rig = await createPartnerRig();
  for (const [app, landing] of Object.entries(apps)) await applyApp(app, landing);
  ({ token } = await rig.mint());
});
afterAll(async () => {
  await rig.close();
});

async function applyApp(app: string, landing: Partial<Landing>): Promise<void> {
  const base = buildApp({ app });
  await createAppStore(rig.pool).apply({ ...base, landing: { ...base.landing, ...landing } });
}

interface Visit {
  readonly app: string;
  readonly visitor: Visitor;
  readonly principal: string;
  /** Of the landing page. */
  readonly path: string;
  readonly sessionId: string;
  /** What the partner's site is told. */
  readonly ref: string;
}

/** An administrator on the landing page, before he signs in. */
async function arrive({
  app = 'signs-in',
  visitor = createVisitor(rig.url, {}),
  requestToken = randomUUID(),
} = {}): Promise<Visit> {
  const principal = randomUUID();
  const { path } = await visitor.arrive(app, { id: principal, requestToken, userId: randomUUID() });
  const { text } = await visitor.get(path);
  const ref = /[?&]session=([\w-]+)"/.exec(text)?.[1] ?? '';
  return { app, visitor, principal, path, sessionId: path.split('/').at(-1) ?? '', ref };
}

/** What the partner's backend does. */
function complete(ref: string, customerRef = 'Acme & Söhne', bearer: string | null = token) {
  const path = `/v1/connect-sessions/${ref}/complete`;
  return rig.call('POST', path, { token: bearer, body: { customer_ref: customerRef } });
}

/** Path and query of the way back. */
async function signInFor({ ref }: Visit, customerRef?: string): Promise<string> {
  const { status, json } = await complete(ref, customerRef);
  expect(status).toBe(200);
  return String(json.return_url).slice(PUBLIC_URL.length);
}

function ticketIn(returnPath: string): string {
  return new URL(returnPath, PUBLIC_URL).searchParams.get('ticket') ?? '';
}

/** Follows the way back as a browser does: the page behind it. */
async function comeBack(visitor: Visitor, returnPath: string): Promise<Page> {
  const hop = await visitor.get(returnPath);
  return hop.location === null ? hop : await visitor.get(hop.location);
}

function fieldsOf({ text, csrf }: Page): { csrf: string; ticket: string } {
  return { csrf, ticket: /name="ticket" value="([^"]+)"/.exec(text)?.[1] ?? '' };
}

async function rowOf({ sessionId }: Visit): Promise<Record<string, unknown>> {
  const { rows } = await rig.pool.query<Record<string, unknown>>('SELECT * FROM connect_sessions WHERE id = $1', [
    sessionId,
  ]);
  return rows[0] ?? {};
}

/** Nothing was exchanged, nothing begun. */
async function expectOpen(visit: Visit): Promise<void> {
  expect((await rowOf(visit)).status).toBe('open');
  expect(await createConnectionStore(rig.pool).maybeOne(visit)).toBeNull();
  expect(rig.calls.filter(({ principal }) => principal === visit.principal)).toEqual([]);
}

async function age({ sessionId }: Visit, column: string, seconds: number): Promise<void> {
  const text = `UPDATE connect_sessions SET ${column} = ${column} - make_interval(secs => $2) WHERE id = $1`;
  await rig.pool.query(text, [sessionId, seconds]);
}

describe('the landing page', () => {
  it('leads to the sign-in and the sign-up with a name for the visit, and leaves the rest of the address alone', async () => {
    const visit = await arrive();
    const page = await visit.visitor.get(visit.path);
    expect(visit.ref).toMatch(/^[\w-]{22}$/);
    expect(page.text).toContain(
      `href="https://erp.test/login?from=concur&amp;next=%2Fhome%20page&amp;session=${visit.ref}"`,
    );
    expect(page.text).toContain(`href="https://erp.test/join?session=${visit.ref}"`);
    const known = [visit.sessionId, ...visit.visitor.cookies.values(), String((await rowOf(visit)).csrf)];
    for (const secret of known) expect(page.text).not.toContain(secret);
  });

  it('takes the place of a session parameter that is there, and keeps the fragment', async () => {
    const { visitor, path, ref } = await arrive({ app: 'awkward-address' });
    expect((await visitor.get(path)).text).toContain(`href="https://erp.test/?a=1&amp;session=${ref}#/login"`);
  });

  it('has no sign-up where none is configured', async () => {
    const { visitor, path } = await arrive({ app: 'no-sign-up' });
    expect((await visitor.get(path)).text).not.toContain('Sign up');
  });
});

describe('an administrator who signs in', () => {
  it('sees whom he connects with whom, and completes the page', async () => {
    const visit = await arrive();
    const { visitor, path } = visit;
    const reply = await complete(visit.ref);
    expect([reply.status, reply.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(reply.json).toEqual({
      return_url: expect.stringMatching(new RegExp(`^${PUBLIC_URL}${path}/return\\?ticket=[\\w-]{43}$`)) as string,
    });
    const returnPath = String(reply.json.return_url).slice(PUBLIC_URL.length);
    const hop = await visitor.get(returnPath);
    expect([hop.status, hop.location]).toEqual([303, `${path}/return`]);
    expect(hop.headers.get('referrer-policy')).toBe('no-referrer');
    const page = await visitor.get(`${path}/return`);
    expect([page.status, page.headers.get('cache-control')]).toEqual([200, 'no-store']);
    for (const said of ['SAP Concur', 'Demo ERP', visit.principal, 'Acme &amp; Söhne'])
      expect(page.text).toContain(said);
    expect(page.text).toContain(`action="${path}"`);
    expect(page.text).toContain(`href="${path}"`);
    await expectOpen(visit);

    const done = await visitor.submit(path, fieldsOf(page));
    expect([done.status, done.location]).toEqual([303, `${path}/progress`]);
    expect((await visitor.get(`${path}/progress`)).outcome).toBe('pending');
    const aggregate = await createConnectionStore(rig.pool).maybeOne(visit);
    expect(aggregate?.connection).toMatchObject({ state: 'connecting', customerRef: 'Acme & Söhne' });
    expect(aggregate?.sessions).toMatchObject([{ id: visit.sessionId, customerRef: 'Acme & Söhne' }]);
    expect(await rowOf(visit)).toMatchObject({ ticket_id: null, ticket_customer_ref: null, ticket_presented_at: null });
  });

  it('is asked in German where the browser likes that best', async () => {
    const visitor = createVisitor(rig.url, { 'accept-language': 'de-AT' });
    const visit = await arrive({ visitor });
    const page = await comeBack(visitor, await signInFor(visit));
    expect(page.text).toContain('Möchten Sie dieses Unternehmen mit diesem Konto verbinden?');
    expect((await visitor.get(`${visit.path}/return?ticket=x`)).text).toContain('Zurück zur Anmeldung');
  });

  it('may load the last page again, and open the address once more, as long as the ticket lives', async () => {
    const visit = await arrive();
    const returnPath = await signInFor(visit);
    const first = fieldsOf(await comeBack(visit.visitor, returnPath));
    expect(first.ticket).toBe(ticketIn(returnPath));
    expect(fieldsOf(await visit.visitor.get(`${visit.path}/return`))).toEqual(first);
    expect(fieldsOf(await comeBack(visit.visitor, returnPath))).toEqual(first);
  });

  it('sends the page twice and connects once', async () => {
    const visit = await arrive();
    const fields = fieldsOf(await comeBack(visit.visitor, await signInFor(visit)));
    const pages = await Promise.all([
      visit.visitor.submit(visit.path, fields),
      visit.visitor.submit(visit.path, fields),
    ]);
    for (const page of pages) expect([page.status, page.location]).toEqual([303, `${visit.path}/progress`]);
    const events = await createConnectionStore(rig.pool).events(visit, { limit: 10 });
    expect(events.items).toHaveLength(1);
  });

  it('finds his progress when he goes back, and nothing to be sent', async () => {
    const visit = await arrive();
    const returnPath = await signInFor(visit);
    await visit.visitor.submit(visit.path, fieldsOf(await comeBack(visit.visitor, returnPath)));
    for (const path of [returnPath, `${visit.path}/return`, visit.path]) {
      const page = await visit.visitor.get(path);
      expect([page.status, page.location]).toEqual([303, `${visit.path}/progress`]);
    }
  });

  it('is told when the same Connect was completed in another browser meanwhile', async () => {
    const requestToken = randomUUID();
    const [late, early] = [await arrive({ requestToken }), await arrive({ requestToken })];
    const fields = fieldsOf(await comeBack(late.visitor, await signInFor(late)));
    const winner = await comeBack(early.visitor, await signInFor(early));
    await early.visitor.submit(early.path, fieldsOf(winner));
    const told = await late.visitor.submit(late.path, fields);
    expect([told.status, told.location]).toEqual([303, `${late.path}/progress`]);
    expect((await late.visitor.get(`${late.path}/progress`)).outcome).toBe('failed');
    expect((await complete(late.ref)).status).toBe(410);
  });
});

describe('the way back is refused', () => {
  it.each([
    ['without a ticket', '', 403, 'You have not signed in yet'],
    ['with an empty ticket', '?ticket=', 403, 'You have not signed in yet'],
    ['with a ticket that nobody made', '?ticket=AAAAAAAAAAAAAAAAAAAAAA', 403, 'not valid any more'],
    ['with a ticket of any size', `?ticket=${'x'.repeat(5_000)}`, 403, 'not valid any more'],
  ])('%s, before anybody has signed in', async (_what, query, status, said) => {
    const visit = await arrive();
    const page = await visit.visitor.get(`${visit.path}/return${query}`);
    expect([page.status, page.title.startsWith('Error: ')]).toEqual([status, true]);
    expect(page.text).toContain(said);
    expect(page.text).toMatch(new RegExp(`href="${visit.path}"[^>]*>Back to the sign-in<`));
    await expectOpen(visit);
  });

  it('with the ticket twice', async () => {
    const visit = await arrive();
    const returnPath = await signInFor(visit);
    const page = await visit.visitor.get(`${returnPath}&ticket=${ticketIn(returnPath)}`);
    expect(page.status).toBe(403);
  });

  it('with a ticket that is two minutes old, also for the page that is open already', async () => {
    const visit = await arrive();
    const returnPath = await signInFor(visit);
    const fields = fieldsOf(await comeBack(visit.visitor, returnPath));
    await age(visit, 'ticket_expires_at', 119);
    expect((await comeBack(visit.visitor, returnPath)).status).toBe(200);
    await age(visit, 'ticket_expires_at', 2);
    for (const page of [
      await visit.visitor.get(returnPath),
      await visit.visitor.get(`${visit.path}/return`),
      await visit.visitor.submit(visit.path, fields),
    ]) {
      expect(page.status).toBe(410);
      expect(page.text).toContain('You signed in too long ago');
      expect(page.text).toContain(`href="${visit.path}"`);
    }
    await expectOpen(visit);
    const again = await comeBack(visit.visitor, await signInFor(visit));
    expect((await visit.visitor.submit(visit.path, fieldsOf(again))).status).toBe(303);
  });

  it('with a ticket in whose place a new one has come, so that what is connected is what the page named', async () => {
    const visit = await arrive();
    const first = await signInFor(visit, 'first customer');
    const fields = fieldsOf(await comeBack(visit.visitor, first));
    const second = await signInFor(visit, 'second customer');
    // Two tabs: the one with the first customer is still open.
    expect((await visit.visitor.submit(visit.path, fields)).status).toBe(403);
    expect((await visit.visitor.get(first)).status).toBe(403);
    expect((await visit.visitor.get(`${visit.path}/return`)).status).toBe(403);
    await expectOpen(visit);
    const page = await comeBack(visit.visitor, second);
    expect(page.text).toContain('second customer');
    await visit.visitor.submit(visit.path, fieldsOf(page));
    expect((await createConnectionStore(rig.pool).maybeOne(visit))?.connection?.customerRef).toBe('second customer');
  });

  it('with the ticket of another session of the same browser', async () => {
    const one = await arrive();
    const two = await arrive({ visitor: one.visitor });
    const [ofOne, ofTwo] = [await signInFor(one, 'one'), await signInFor(two, 'two')];
    expect((await one.visitor.get(`${one.path}/return?ticket=${ticketIn(ofTwo)}`)).status).toBe(403);
    const [pageOne, pageTwo] = [await comeBack(one.visitor, ofOne), await comeBack(one.visitor, ofTwo)];
    const mixed = { csrf: pageOne.csrf, ticket: fieldsOf(pageTwo).ticket };
    expect((await one.visitor.submit(one.path, mixed)).status).toBe(403);
    expect((await one.visitor.submit(one.path, fieldsOf(pageTwo))).status).toBe(403);
    await expectOpen(one);
    await expectOpen(two);
    // Two companies in two tabs do not disturb each other.
    for (const [visit, page] of [
      [two, pageTwo],
      [one, pageOne],
    ] as const) {
      expect((await visit.visitor.submit(visit.path, fieldsOf(page))).status).toBe(303);
    }
  });

  it.each([
    ['without a ticket', ({ csrf }: { csrf: string }) => ({ csrf })],
    ['with an empty one', ({ csrf }: { csrf: string }) => ({ csrf, ticket: '' })],
    ['with a made-up one', ({ csrf }: { csrf: string }) => ({ csrf, ticket: 'x'.repeat(43) })],
    ['without csrf', ({ ticket }: { ticket: string }) => ({ ticket })],
    ['with a foreign csrf', ({ ticket }: { ticket: string }) => ({ ticket, csrf: 'A'.repeat(22) })],
  ])('for a form %s', async (_what, spoil: (fields: { csrf: string; ticket: string }) => Record<string, string>) => {
    const visit = await arrive();
    const fields = fieldsOf(await comeBack(visit.visitor, await signInFor(visit)));
    const page = await visit.visitor.submit(visit.path, spoil(fields));
    expect([page.status, page.headers.get('content-type')]).toEqual([403, 'text/html; charset=utf-8']);
    await expectOpen(visit);
    expect((await visit.visitor.submit(visit.path, fields)).status).toBe(303);
  });

  it('after an idle hour', async () => {
    const visit = await arrive();
    const returnPath = await signInFor(visit);
    await age(visit, 'last_seen_at', 3_700);
    expect((await visit.visitor.get(returnPath)).status).toBe(410);
    expect((await complete(visit.ref)).status).toBe(410);
  });

  it('in another landing mode', async () => {
    const visit = await arrive({ app: 'changes-its-mode' });
    await signInFor(visit);
    await applyApp(visit.app, {});
    await expect
      .poll(async () => (await complete(visit.ref)).json.code, { timeout: 15_000, interval: 250 })
      .toBe('conflict');
    expect((await visit.visitor.get(`${visit.path}/return`)).location).toBe(visit.path);
    // The customer that was named for a ticket is none that any visitor may take.
    const { csrf } = await visit.visitor.get(visit.path);
    await visit.visitor.submit(visit.path, { csrf });
    expect((await createConnectionStore(rig.pool).maybeOne(visit))?.connection?.customerRef).toBeNull();
  });
});

describe('somebody who lures a customer to sign in for a visit that he began himself', () => {
  async function lure() {
    const attacker = await arrive();
    const before = await attacker.visitor.get(attacker.path);
    // The victim opens signInUrl?session=…, signs in, and the partner's backend does what it always does.
    const returnPath = await signInFor(attacker, 'the victim');
    return { attacker, before, returnPath, victim: createVisitor(rig.url, {}) };
  }

  it('gets nothing: the victim has no cookie of the visit, sees why, and the ticket is void', async () => {
    const { attacker, victim, returnPath } = await lure();
    const page = await victim.get(returnPath);
    expect([page.status, page.title]).toEqual([403, expect.stringContaining('Nothing has been connected')]);
    expect(page.text).not.toMatch(/<form|the victim/);
    expect(page.text).not.toContain(attacker.principal);
    expect(victim.cookies.size).toBe(0);
    // Even if the address reached the attacker, from a history, a proxy or over the shoulder.
    expect((await attacker.visitor.get(returnPath)).status).toBe(403);
    const { csrf = '' } = (await rowOf(attacker)) as { csrf?: string };
    expect((await attacker.visitor.submit(attacker.path, { csrf, ticket: ticketIn(returnPath) })).status).toBe(403);
    await expectOpen(attacker);
  });

  it('learns nothing either: his pages stay as they are', async () => {
    const { attacker, before, returnPath } = await lure();
    const { visitor, path } = attacker;
    const landing = await visitor.get(path);
    expect(landing.text).toBe(before.text);
    expect((await visitor.get(`${path}/progress`)).location).toBe(path);
    const back = await visitor.get(`${path}/return`);
    expect([back.status, back.title]).toEqual([403, expect.stringContaining('You have not signed in yet')]);
    for (const page of [landing, back]) {
      expect(page.text).not.toContain(ticketIn(returnPath));
      expect(page.text).not.toContain('the victim');
      expect(JSON.stringify([...page.headers])).not.toContain(ticketIn(returnPath));
    }
    await expectOpen(attacker);
  });

  it('cannot void a ticket that the right browser has brought already', async () => {
    const visit = await arrive();
    const returnPath = await signInFor(visit);
    const fields = fieldsOf(await comeBack(visit.visitor, returnPath));
    expect((await createVisitor(rig.url, {}).get(returnPath)).status).toBe(403);
    expect((await visit.visitor.submit(visit.path, fields)).status).toBe(303);
  });

  it('gets no further with the cookie of a session of his own', async () => {
    const { returnPath } = await lure();
    const own = await arrive();
    expect((await own.visitor.get(returnPath)).status).toBe(403);
    const moved = `${own.path}/return?ticket=${ticketIn(returnPath)}`;
    expect((await own.visitor.get(moved)).status).toBe(403);
  });
});

describe('POST /v1/connect-sessions/{ref}/complete', () => {
  it('is for callers with the scope, and says nothing of sessions of other apps and principals', async () => {
    const visit = await arrive();
    const tokenOf = async (client: Parameters<PartnerRig['mint']>[0]) => (await rig.mint(client)).token;
    expect((await complete(visit.ref, 'c', null)).status).toBe(401);
    expect((await complete(visit.ref, 'c', 'nonsense')).status).toBe(401);
    expect((await complete(visit.ref, 'c', await tokenOf({ scopes: ['connections:write'] }))).status).toBe(403);
    const unknown = await complete(randomUUID());
    const foreign = [
      await complete(visit.ref, 'c', await tokenOf({ apps: ['other'] })),
      await complete(visit.ref, 'c', await tokenOf({ apps: [] })),
      await complete(visit.ref, 'c', await tokenOf({ principals: [randomUUID()] })),
      await complete(visit.sessionId),
      await complete('..'),
      await complete('a%20b'),
      await complete('x'.repeat(400)),
    ];
    expect(unknown.status).toBe(404);
    for (const { status, json } of foreign) {
      expect(status).toBe(404);
      if (json.code !== undefined) expect(json.code).toBe('not-found');
    }
    for (const { json } of foreign.slice(0, 4)) expect(json.detail).toBe(unknown.json.detail);
    expect((await rowOf(visit)).ticket_id).toBeNull();
    const own = await tokenOf({ apps: [visit.app], principals: [visit.principal] });
    expect((await complete(visit.ref, 'c', own)).status).toBe(200);
  });

  it('wants a customer_ref, and nothing else', async () => {
    const { ref } = await arrive();
    const path = `/v1/connect-sessions/${ref}/complete`;
    for (const body of [
      undefined,
      {},
      { customer_ref: '' },
      { customer_ref: 7 },
      { customer_ref: 'a\nb' },
      { customer_ref: 'a', more: 1 },
      [],
    ]) {
      const reply = await rig.call('POST', path, { token, body });
      expect.soft([body, reply.status, reply.json.code]).toEqual([body, 400, 'bad-request']);
    }
    expect((await rig.call('GET', path, { token })).status).toBe(405);
  });

  it('gives a new ticket at every call, keeps none of them, and puts on record who asked', async () => {
    const visit = await arrive();
    const { token: own, id } = await rig.mint({ apps: [visit.app] });
    const tickets: string[] = [];
    for (let n = 0; n < 2; n += 1)
      tickets.push(ticketIn(String((await complete(visit.ref, 'C-1', own)).json.return_url)));
    expect(new Set(tickets).size).toBe(2);
    const { rows } = await rig.pool.query<Record<string, unknown>>(
      'SELECT * FROM audit_events WHERE subject = $1 ORDER BY id',
      [visit.sessionId],
    );
    expect(rows).toMatchObject(
      tickets.map(() => ({
        type: 'session.signed-in',
        actor: `client:${id}`,
        subject: visit.sessionId,
        facts: { principal: visit.principal, customerRef: 'C-1' },
      })),
    );
    const stored = JSON.stringify([await rowOf(visit), rows]);
    for (const ticket of tickets) expect(stored).not.toContain(ticket);
  });

  it('is over with the session', async () => {
    const visit = await arrive();
    await visit.visitor.submit(visit.path, fieldsOf(await comeBack(visit.visitor, await signInFor(visit))));
    const late = await complete(visit.ref);
    expect([late.status, late.json.code]).toEqual([410, 'session-expired']);
    const aged = await arrive();
    await age(aged, 'expires_at', 86_400);
    expect((await complete(aged.ref)).json.code).toBe('session-expired');
  });
});
