/**
 * The landing page over HTTP, without a browser. Longer than 300 lines: all of it shares one rig, and follows the
 * route table.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { networkOf } from '../../api/connect/address.ts';
import { type ConnectRig, createConnectRig } from './connect-rig.ts';
import type { Visitor } from './visitor.ts';

const HOUR_MS = 3_600_000;

let rig: ConnectRig;
beforeAll(async () => {
  rig = await createConnectRig();
});
afterAll(async () => {
  await rig.close();
});

function redirectOf(overrides: Readonly<Record<string, string>> = {}) {
  return { id: randomUUID(), requestToken: randomUUID(), userId: randomUUID(), ...overrides };
}

/** A browser on the landing page. */
async function land(app: string, parameters = redirectOf(), visitor = rig.visitor()) {
  const { path, csrf } = await visitor.arrive(app, parameters);
  const sessionId = path.split('/').at(-1) ?? '';
  return { visitor, path, csrf, sessionId, parameters, key: { app, principal: parameters.id.toLowerCase() } };
}

async function sessionCount(app: string): Promise<number> {
  const { rows } = await rig.pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM connect_sessions WHERE app = $1',
    [app],
  );
  return rows[0]?.n ?? -1;
}

async function enterWrongCodes(visitor: Visitor, path: string, csrf: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const page = await visitor.submit(path, { csrf, code: 'AAAAA-AAAAA' });
    expect(page.status).toBe(422);
  }
}

describe("Concur's redirect", () => {
  it('opens a session for this browser alone and seals the request token', async () => {
    const app = await rig.addApp();
    const visitor = rig.visitor();
    const parameters = redirectOf({ id: randomUUID().toUpperCase() });
    const page = await visitor.get(`/connect/${app}?${new URLSearchParams(parameters)}`);
    expect(page.status).toBe(303);
    const sid = /^\/connect\/app-\w+\/s\/([\w-]{22})$/.exec(page.location ?? '')?.[1] ?? '';
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('set-cookie')).toMatch(
      new RegExp(`^evergrant_${sid}=[\\w-]{43}; Path=/; HttpOnly; SameSite=Lax$`),
    );
    const { rows } = await rig.pool.query<Record<string, unknown>>('SELECT * FROM connect_sessions WHERE id = $1', [
      sid,
    ]);
    expect(rows[0]).toMatchObject({
      status: 'open',
      principal: parameters.id.toLowerCase(),
      user_id: parameters.userId,
    });
    const row = JSON.stringify(rows[0]);
    for (const secret of [parameters.requestToken, ...visitor.cookies.values()]) expect(row).not.toContain(secret);
    expect(rig.pokes.filter(({ sessionId }) => sessionId === sid)).toEqual([]);
  });

  it('takes userID for userId, and ignores what it does not know', async () => {
    const { userId, ...rest } = redirectOf();
    const app = await rig.addApp();
    const page = await rig
      .visitor()
      .get(`/connect/${app}?${new URLSearchParams({ ...rest, userID: userId, more: '1' })}`);
    expect(page.status).toBe(303);
  });

  it.each([
    ['nothing at all', () => '', ['id', 'requestToken', 'userId']],
    ['no request token', () => 'id=6d8b9a10-6b1f-4c1e-9a53-0d6d0f7a0001&userId=u', ['requestToken']],
    ['an empty request token', () => `${new URLSearchParams(redirectOf({ requestToken: '' }))}`, ['requestToken']],
    [
      'a request token with a blank',
      () => `${new URLSearchParams(redirectOf({ requestToken: 'a b' }))}`,
      ['requestToken'],
    ],
    [
      'a request token of 513 characters',
      () => `${new URLSearchParams(redirectOf({ requestToken: 'x'.repeat(513) }))}`,
      ['requestToken'],
    ],
    ['an id that is no UUID', () => `${new URLSearchParams(redirectOf({ id: 'aurora' }))}`, ['id']],
    ['a doubled id', () => `${new URLSearchParams(redirectOf())}&id=${randomUUID()}`, ['id']],
    ['a doubled token', () => `${new URLSearchParams(redirectOf())}&requestToken=x`, ['requestToken']],
    ['both userId and userID', () => `${new URLSearchParams(redirectOf())}&userID=x`, ['userId']],
    ["a legacy app's code", () => 'code=abc', ['id', 'requestToken', 'userId']],
  ])('is refused with a page that names what is wrong: %s', async (_what, query, wrong) => {
    const app = await rig.addApp();
    const page = await rig.visitor().get(`/connect/${app}?${query()}`);
    expect(page.status).toBe(400);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect([...page.text.matchAll(/<code>(\w+)<\/code>/g)].map(([, name]) => name)).toEqual(wrong);
    expect(page.text).toContain('press Connect again');
    expect(page.text).toContain('Demo ERP');
    expect(await sessionCount(app)).toBe(0);
  });

  it('is refused for an app that nobody knows', async () => {
    const page = await rig.visitor().get(`/connect/nobody?${new URLSearchParams(redirectOf())}`);
    expect(page.status).toBe(404);
    expect(page.title).toContain('There is no such application');
  });

  it('begins nothing for HEAD', async () => {
    const app = await rig.addApp();
    const page = await rig.visitor().get(`/connect/${app}?${new URLSearchParams(redirectOf())}`, { method: 'HEAD' });
    expect([page.status, page.headers.get('set-cookie')]).toEqual([200, null]);
    expect(await sessionCount(app)).toBe(0);
  });

  it('goes on with the same session in the same browser, and opens another in another', async () => {
    const app = await rig.addApp();
    const first = await land(app);
    const again = await land(app, first.parameters, first.visitor);
    expect(again.path).toBe(first.path);
    const other = await land(app, first.parameters);
    expect(other.path).not.toBe(first.path);
    const newToken = await land(app, redirectOf({ id: first.parameters.id }), first.visitor);
    expect(newToken.path).not.toBe(first.path);
    expect((await first.visitor.get(first.path)).status).toBe(200);
    expect(await sessionCount(app)).toBe(3);
  });

  it('keeps the cookies of a browser few', async () => {
    const app = await rig.addApp();
    const visitor = rig.visitor();
    let last = '';
    for (let n = 0; n < 25; n += 1) last = (await land(app, redirectOf(), visitor)).path;
    expect(visitor.cookies.size).toBe(20);
    expect((await visitor.get(last)).status).toBe(200);
  });
});

describe('the landing page', () => {
  it('shows the app, the company, and that nothing has happened yet', async () => {
    const { visitor, path, parameters, csrf } = await land(await rig.addApp());
    const page = await visitor.get(path);
    expect(page.status).toBe(200);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.title).toContain('Connect SAP Concur to Demo ERP');
    expect(page.text).toContain(parameters.id);
    expect(csrf).toMatch(/^[\w-]{22}$/);
    expect(page.text).not.toContain(parameters.requestToken);
  });

  it('is shown in German to those who prefer it', async () => {
    const { visitor, path } = await land(await rig.addApp());
    expect((await visitor.get(path, { headers: { 'accept-language': 'de-AT,en;q=0.5' } })).text).toContain('lang="de"');
    const lost = await visitor.get('/connect/nobody', { headers: { 'accept-language': 'de' } });
    expect(lost.text).toContain('lang="de"');
    for (const { headers } of [lost, await visitor.get(path, { headers: { 'accept-language': 'de;q=0.1' } })]) {
      expect([headers.get('vary'), headers.get('content-language')]).toEqual(['Accept-Language', 'de']);
    }
  });

  it("names the user's id for an app that is the user's alone", async () => {
    const { visitor, path, parameters } = await land(await rig.addApp({}, { principal: 'user' }));
    const { text } = await visitor.get(path);
    expect(text).toContain('User ID at SAP Concur');
    expect(text).toContain(parameters.id);
    expect(text).not.toContain('Company ID');
  });

  it('is kept from every other browser', async () => {
    const app = await rig.addApp();
    const { path, csrf, sessionId } = await land(app);
    const stranger = rig.visitor();
    expect((await stranger.get(path)).status).toBe(403);
    expect((await stranger.get(`${path}/progress`)).status).toBe(403);
    expect((await stranger.submit(path, { csrf })).status).toBe(403);
    stranger.cookies.set(`evergrant_${sessionId}`, 'A'.repeat(43));
    expect((await stranger.get(path)).status).toBe(403);
    // A cookie of its own session opens no other.
    const own = await land(app, redirectOf(), stranger);
    stranger.cookies.set(`evergrant_${sessionId}`, stranger.cookies.get(`evergrant_${own.sessionId}`) ?? '');
    expect((await stranger.get(path)).status).toBe(403);
  });

  it.each(['unknown', 'a'.repeat(200), '%00', '%ff'])(
    'answers 404 for a session that does not exist: %s',
    async (sid) => {
      const { visitor, key } = await land(await rig.addApp());
      const page = await visitor.get(`/connect/${key.app}/s/${sid}`);
      expect(page.status).toBe(404);
      expect(page.headers.get('content-type')).toContain('text/html');
    },
  );

  it("does not know another app's session", async () => {
    const { visitor, sessionId } = await land(await rig.addApp());
    expect((await visitor.get(`/connect/${await rig.addApp()}/s/${sessionId}`)).status).toBe(404);
  });

  it('leads to the partner in mode sign-in, and cannot be completed by itself', async () => {
    const app = await rig.addApp({ mode: 'sign-in', signInUrl: 'https://erp.test/login?from=concur' });
    const { visitor, path, sessionId } = await land(app);
    const page = await visitor.get(path);
    const { ref = '', csrf = '' } = (await rig.sessions.maybeOne(app, sessionId)) ?? {};
    expect(page.text).toContain(`https://erp.test/login?from=concur&amp;session=${ref}`);
    for (const secret of [sessionId, ...visitor.cookies.values()]) expect(page.text).not.toContain(secret);
    expect((await visitor.submit(path, { csrf })).status).toBe(403);
    expect((await rig.sessions.maybeOne(app, sessionId))?.status).toBe('open');
  });

  it('answers other methods with what is allowed', async () => {
    const { visitor, path } = await land(await rig.addApp());
    const page = await visitor.get(path, { method: 'DELETE' });
    expect([page.status, page.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
  });
});

describe('completing the landing page', () => {
  it('records the connect, tells Temporal and leads to the progress page', async () => {
    const { visitor, path, csrf, key, sessionId, parameters } = await land(await rig.addApp());
    const page = await visitor.submit(path, { csrf });
    expect([page.status, page.location]).toEqual([303, `${path}/progress`]);
    const aggregate = await rig.connections.maybeOne(key);
    expect(aggregate?.connection).toMatchObject({ state: 'connecting', principalType: 'company' });
    expect(aggregate?.sessions).toMatchObject([{ id: sessionId, userId: parameters.userId }]);
    expect(rig.pokes.filter((poke) => poke.sessionId === sessionId)).toEqual([{ key, sessionId }]);
    expect((await rig.connections.events(key, { limit: 10 })).items[0]).toMatchObject({
      actor: 'concur-admin',
      userId: parameters.userId,
    });
    const shown = await visitor.get(`${path}/progress`);
    expect([shown.status, shown.outcome]).toEqual([200, 'pending']);
    expect(shown.text).toContain('http-equiv="refresh"');
    expect(shown.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'self'/);
    expect((await visitor.get(path)).location).toBe(`${path}/progress`);
  });

  it('holds back the answer to a few at a time only, as each one looks for news again and again', async () => {
    const { visitor, path, csrf } = await land(await rig.addApp());
    await visitor.submit(path, { csrf });
    const looks = vi.spyOn(rig.sessions, 'maybeOne');
    try {
      const headers = { prefer: 'wait=5' };
      const pages = await Promise.all(Array.from({ length: 40 }, () => visitor.get(`${path}/progress`, { headers })));
      expect(new Set(pages.map(({ outcome }) => outcome))).toEqual(new Set(['pending']));
      // One of each request, and twenty of each that is held back; a slow machine may be done with some before the last comes.
      expect(looks.mock.calls.length).toBeGreaterThanOrEqual(40 + 20);
      expect(looks.mock.calls.length).toBeLessThan(40 + 15 * 20);
    } finally {
      looks.mockRestore();
    }
  });

  it.each([
    ['none', ''],
    ['a foreign one', 'csrf=AAAAAAAAAAAAAAAAAAAAAA'],
    ['another name', 'token=x'],
  ])('is refused without the csrf of this page: %s', async (_what, body) => {
    const { visitor, path, key } = await land(await rig.addApp());
    expect((await visitor.submit(path, body)).status).toBe(403);
    expect(await rig.connections.maybeOne(key)).toBeNull();
  });

  it('is refused with the csrf of another session', async () => {
    const app = await rig.addApp();
    const one = await land(app);
    const two = await land(app, redirectOf(), one.visitor);
    expect((await one.visitor.submit(one.path, { csrf: two.csrf })).status).toBe(403);
  });

  it('takes forms only, once each field, up to 64 KiB', async () => {
    const { visitor, path, csrf } = await land(await rig.addApp());
    const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ csrf }) };
    expect((await visitor.get(path, json)).status).toBe(415);
    expect((await visitor.submit(path, `csrf=${csrf}&csrf=${csrf}`)).status).toBe(400);
    const large = await visitor.submit(path, `csrf=${csrf}&more=${'x'.repeat(70_000)}`);
    expect(large.status).toBe(413);
    expect(large.headers.get('content-type')).toContain('text/html');
    expect((await visitor.submit(path, { csrf })).status).toBe(303);
  });

  it('starts one connect for a double click', async () => {
    const { visitor, path, csrf, key, sessionId } = await land(await rig.addApp());
    const pages = await Promise.all([visitor.submit(path, { csrf }), visitor.submit(path, { csrf })]);
    for (const page of pages) expect([page.status, page.location]).toEqual([303, `${path}/progress`]);
    expect(rig.pokes.filter((poke) => poke.sessionId === sessionId)).toHaveLength(1);
    expect((await rig.connections.events(key, { limit: 10 })).items).toHaveLength(1);
  });

  it('is over once the connect has ended, and says where to look', async () => {
    const { visitor, path, csrf, key } = await land(await rig.addApp());
    await visitor.submit(path, { csrf });
    await rig.settle(key, { company: 'Aurora' });
    const page = await visitor.submit(path, { csrf });
    expect(page.status).toBe(410);
    expect(page.text).toContain(`href="${path}/progress"`);
  });

  it('lets the first of two browsers win and tells the other', async () => {
    const first = await land(await rig.addApp());
    const second = await land(first.key.app, first.parameters);
    const third = await land(first.key.app, first.parameters);
    expect((await second.visitor.submit(second.path, { csrf: second.csrf })).status).toBe(303);
    // One finds out when it sends its page, the other when it loads it again.
    const late = await first.visitor.submit(first.path, { csrf: first.csrf });
    expect([late.status, late.location]).toEqual([303, `${first.path}/progress`]);
    const told = await first.visitor.get(`${first.path}/progress`);
    expect([told.outcome, told.text.includes('another browser')]).toEqual(['failed', true]);
    expect((await third.visitor.get(third.path)).location).toBe(`${third.path}/progress`);
    expect((await second.visitor.get(`${second.path}/progress`)).outcome).toBe('pending');
    // Whoever opens the link now is told at once when he sends the page.
    const fourth = await land(first.key.app, first.parameters);
    await fourth.visitor.submit(fourth.path, { csrf: fourth.csrf });
    expect((await fourth.visitor.get(`${fourth.path}/progress`)).outcome).toBe('failed');
  });
});

describe('the progress page', () => {
  it('names the company that was found', async () => {
    const { visitor, path, csrf, key } = await land(await rig.addApp());
    await visitor.submit(path, { csrf });
    await rig.settle(key, { company: 'Aurora & Söhne' });
    const page = await visitor.get(`${path}/progress`);
    expect([page.status, page.outcome]).toEqual([200, 'connected']);
    expect(page.text).toContain('Aurora &amp; Söhne');
    expect(page.text).toContain('Import your expense reports.');
    expect(page.text).not.toContain('http-equiv="refresh"');
  });

  it('holds its answer back until there is news, so that nobody reads a page that is over', async () => {
    const { visitor, path, csrf, key } = await land(await rig.addApp());
    await visitor.submit(path, { csrf });
    expect((await visitor.get(`${path}/progress`)).outcome).toBe('pending');
    const wait = { headers: { prefer: 'wait=10' } };
    const [page] = await Promise.all([visitor.get(`${path}/progress`, wait), rig.settle(key, { company: 'Aurora' })]);
    expect(page.outcome).toBe('connected');
  });

  it('says so when it takes long', async () => {
    const { visitor, path, csrf } = await land(await rig.addApp());
    await visitor.submit(path, { csrf });
    expect((await visitor.get(`${path}/progress`)).text).toContain('takes a few seconds');
    rig.skip(20_000);
    expect((await visitor.get(`${path}/progress`)).text).toContain('We try again by ourselves');
  });

  it('says how to try again after a failure', async () => {
    const { visitor, path, csrf, key } = await land(await rig.addApp());
    await visitor.submit(path, { csrf });
    await rig.settle(key, { failure: 'request-token-rejected' });
    const page = await visitor.get(`${path}/progress`);
    expect([page.status, page.outcome]).toEqual([200, 'failed']);
    expect(page.text).toContain('press Connect again');
  });

  it('leads back to a landing page that is not completed', async () => {
    const { visitor, path } = await land(await rig.addApp());
    const page = await visitor.get(`${path}/progress`);
    expect([page.status, page.location]).toEqual([303, path]);
  });

  it('tells Temporal again when it was away, every five seconds', async () => {
    const { visitor, path, csrf, sessionId } = await land(await rig.addApp());
    const pokes = () => rig.pokes.filter((poke) => poke.sessionId === sessionId).length;
    rig.temporal.isAway = true;
    try {
      expect((await visitor.submit(path, { csrf })).status).toBe(303);
      expect((await visitor.get(`${path}/progress`)).outcome).toBe('pending');
      expect((await visitor.get(`${path}/progress`)).outcome).toBe('pending');
      expect(pokes()).toBe(1);
      rig.skip(5_000);
      await visitor.get(`${path}/progress`);
      await visitor.get(`${path}/progress`);
      expect(pokes()).toBe(2);
    } finally {
      rig.temporal.isAway = false;
    }
  });
});

describe('verification codes', () => {
  async function landForCode() {
    const app = await rig.addApp({ mode: 'verification-code' });
    return { app, ...(await land(app)) };
  }

  it('completes with the right code, however it is typed, once', async () => {
    const { app, visitor, path, csrf, key } = await landForCode();
    const code = await rig.addCode(app, { customerRef: 'C-17' });
    const typed = ` ${code.toLowerCase().replace('-', ' ')} `;
    expect((await visitor.submit(path, { csrf, code: typed })).location).toBe(`${path}/progress`);
    expect((await rig.connections.maybeOne(key))?.connection?.customerRef).toBe('C-17');
    const other = await land(app);
    const used = await other.visitor.submit(other.path, { csrf: other.csrf, code });
    expect(used.status).toBe(422);
  });

  it('says the same of a wrong, a used and an expired code', async () => {
    const { app, visitor, path, csrf } = await landForCode();
    const expired = await rig.addCode(app, { expiresAtMs: Date.now() - HOUR_MS });
    const foreign = await rig.addCode(await rig.addApp({ mode: 'verification-code' }));
    const texts = new Set<string>();
    for (const code of ['AAAAA-AAAAA', 'no code at all!', expired, foreign]) {
      const page = await visitor.submit(path, { csrf, code });
      expect([page.status, page.title.startsWith('Error: ')]).toEqual([422, true]);
      expect(page.text).toContain('role="alert"');
      expect(page.text).not.toContain(code);
      expect(page.csrf).toBe(csrf);
      texts.add(page.text);
    }
    expect(texts.size).toBe(1);
  });

  it('asks for a code when none was typed, without counting it', async () => {
    const { app, visitor, path, csrf, sessionId } = await landForCode();
    for (const fields of [{ csrf }, { csrf, code: '  ' }]) {
      const page = await visitor.submit(path, fields);
      expect(page.status).toBe(422);
      expect(page.text).toContain('Enter your verification code.');
    }
    expect((await rig.sessions.maybeOne(app, sessionId))?.codeTries).toBe(0);
  });

  it('ends the session with the sixth try, even with a right code', async () => {
    const { app, visitor, path, csrf } = await landForCode();
    await enterWrongCodes(visitor, path, csrf, 5);
    const page = await visitor.submit(path, { csrf, code: await rig.addCode(app) });
    expect(page.status).toBe(410);
    expect(page.title).toContain('Too many wrong codes');
    expect((await visitor.get(path)).status).toBe(410);
  });

  it('ends it for tries that come all at once', async () => {
    const { visitor, path, csrf } = await landForCode();
    const tries = Array.from({ length: 9 }, () => visitor.submit(path, { csrf, code: 'AAAAA-AAAAA' }));
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([410, 410, 410, 410, 422, 422, 422, 422, 422].toSorted());
  });

  it('listens to an address no more after twenty wrong codes within the hour', async () => {
    const app = await rig.addApp({ mode: 'verification-code' });
    const address = { 'x-forwarded-for': '192.0.2.77' };
    for (let n = 0; n < 4; n += 1) {
      const { visitor, path, csrf } = await land(app, redirectOf(), rig.visitor(address));
      await enterWrongCodes(visitor, path, csrf, 5);
    }
    const next = await land(app, redirectOf(), rig.visitor(address));
    const code = await rig.addCode(app);
    const refused = await next.visitor.submit(next.path, { csrf: next.csrf, code });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_500);
    expect(refused.title).toContain('Too many tries');
    const elsewhere = await land(app);
    expect((await elsewhere.visitor.submit(elsewhere.path, { csrf: elsewhere.csrf, code })).status).toBe(303);
  });

  it('takes all addresses of an IPv6 network for one', () => {
    const networks = ['2001:db8::1', '2001:0db8:0:0:ffff::2', '2001:db8:0:0:1:2:3:4', '2001:DB8::'].map(networkOf);
    expect(new Set(networks)).toEqual(new Set(['2001:db8:0:0']));
    expect(networkOf('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0');
    expect(networkOf('::1')).toBe('0:0:0:0');
  });
});

describe('time', () => {
  it('ends a session after an idle hour, not while it is looked at', async () => {
    const { visitor, path, csrf } = await land(await rig.addApp());
    for (let n = 0; n < 3; n += 1) {
      rig.skip(HOUR_MS / 2);
      expect((await visitor.get(path)).status).toBe(200);
    }
    rig.skip(HOUR_MS + 1_000);
    expect((await visitor.get(path)).status).toBe(410);
    expect((await visitor.submit(path, { csrf })).status).toBe(410);
    expect((await visitor.get(`${path}/progress`)).status).toBe(410);
  });

  it('begins anew where the idle session was', async () => {
    const first = await land(await rig.addApp());
    rig.skip(HOUR_MS + 1_000);
    const again = await land(first.key.app, first.parameters, first.visitor);
    expect(again.path).not.toBe(first.path);
    expect((await again.visitor.submit(again.path, { csrf: again.csrf })).status).toBe(303);
  });

  it("ends with the request token's life", async () => {
    const { visitor, path, csrf } = await land(await rig.addApp());
    for (let n = 0; n < 48; n += 1) {
      rig.skip(HOUR_MS / 2);
      await visitor.get(path);
    }
    expect((await visitor.get(path)).status).toBe(410);
    expect((await visitor.submit(path, { csrf })).status).toBe(410);
  });
});

describe('an address from which sessions are begun without end', () => {
  it('has to wait, for nothing is kept of what it sends; what it has begun goes on, and others come in', async () => {
    const busy = await createConnectRig({ mostArrivals: 3 });
    try {
      const app = await busy.addApp();
      const headers = { 'x-forwarded-for': '192.0.2.7' };
      const [first, ...others] = [busy.visitor(headers), busy.visitor(headers), busy.visitor(headers)];
      const parameters = redirectOf();
      const { path } = await first.arrive(app, parameters);
      for (const visitor of others) await visitor.arrive(app, redirectOf());
      const target = `/connect/${app}?${new URLSearchParams(redirectOf())}`;
      const refused = await busy.visitor(headers).get(target);
      expect([refused.status, refused.location]).toEqual([429, null]);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(refused.headers.get('set-cookie')).toBeNull();
      const { rows } = await busy.pool.query('SELECT FROM connect_sessions WHERE app = $1', [app]);
      expect(rows).toHaveLength(3);

      expect((await first.arrive(app, parameters)).path).toBe(path);
      expect((await busy.visitor().get(target)).status).toBe(303);
      busy.skip(2_000);
      expect((await busy.visitor(headers).get(target)).status).toBe(303);
    } finally {
      await busy.close();
    }
  });
});

describe('behind https', () => {
  it('ties the cookie to this very host', async () => {
    const secure = await createConnectRig({ publicUrl: 'https://connect.partner.test' });
    try {
      const app = await secure.addApp();
      const visitor = secure.visitor();
      const page = await visitor.get(`/connect/${app}?${new URLSearchParams(redirectOf())}`);
      expect(page.headers.get('set-cookie')).toMatch(
        /^__Host-evergrant_[\w-]{22}=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
      );
      expect((await visitor.get(page.location ?? '')).status).toBe(200);
    } finally {
      await secure.close();
    }
  });
});

describe('the policy of the pages', () => {
  it('lets an image come from nowhere but the place of the app’s own logo, on every page of the app', async () => {
    const app = await rig.addApp({ logoUrl: 'https://cdn.partner.test:8443/logo.svg' });
    const { visitor, path, csrf } = await land(app);
    const pages = [
      await visitor.get(path),
      await visitor.get(`/connect/${app}?id=cut`),
      await rig.visitor().get(path),
      await visitor.submit(path, { csrf }).then(() => visitor.get(`${path}/progress`)),
    ];
    expect(pages.map(({ status }) => status)).toEqual([200, 400, 403, 200]);
    for (const { headers } of pages) {
      expect(headers.get('content-security-policy')).toContain("; img-src 'self' https://cdn.partner.test:8443; ");
    }
    const plain = await land(await rig.addApp({ logoUrl: null }));
    for (const target of [plain.path, '/connect/nobody']) {
      const { headers } = await plain.visitor.get(target);
      expect(headers.get('content-security-policy')).toContain("; img-src 'self'; ");
    }
  });
});

describe('stylesheets and icon', () => {
  it('lie where the pages say, to be kept for ever, and fit the policy of the pages', async () => {
    const { visitor, path } = await land(await rig.addApp({ color: '#0f6e56' }));
    const page = await visitor.get(path);
    const addresses = [...page.text.matchAll(/<link rel="[a-z]+" href="([^"]+)"/g)].map(([, address = '']) => address);
    expect(addresses).toHaveLength(3);
    for (const address of addresses) {
      const asset = await visitor.get(address);
      expect(asset.status).toBe(200);
      expect(asset.headers.get('content-type')).toMatch(/^(text\/css; charset=utf-8|image\/svg\+xml)$/);
      expect(asset.headers.get('cache-control')).toContain('immutable');
    }
    expect(page.text).not.toMatch(/<style|<script| style=| on[a-z]+=/);
    expect((await visitor.get('/assets/old/styles.css')).headers.get('cache-control')).toBe('no-cache');
    expect((await visitor.get('/assets/x/secret.txt')).status).toBe(404);
  });
});
