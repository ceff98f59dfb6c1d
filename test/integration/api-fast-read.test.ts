/**
 * The read of a token in front of Koa says what Koa says, to the byte. Every request is sent twice: as it is, and with the
 * empty query `?`, which means the same and which Koa alone answers.
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHandler } from '../../api/app.ts';
import { type Listener, listen } from '../../api/listen.ts';
import type { Connection } from '../../core/connection.ts';
import type { Log } from '../../core/ports.ts';
import { notifyStatement } from '../../db/notice-channel.ts';
import { createPartnerRig, type PartnerRig } from './partner-rig.ts';

/** Everything that one request leaves behind. */
interface Trace {
  readonly answer: string;
  readonly logged: readonly unknown[];
  readonly measured: readonly unknown[];
  readonly source: string | undefined;
  /** Whether Koa was asked. */
  readonly isByKoa: boolean;
}

let rig: PartnerRig;
let listener: Listener;
let caller: { readonly id: string; readonly token: string };
const logged: unknown[] = [];
const measured: unknown[] = [];
let authentications = 0;

beforeAll(async () => {
  rig = await createPartnerRig();
  caller = await rig.mint({ scopes: ['tokens:read'], apps: ['demo'] });
  const at = (level: string) => (fields: object, message: string) => {
    // Times differ.
    const { ms: _, ...rest } = fields as { readonly ms?: number };
    logged.push([level, rest, message]);
  };
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const { authenticator } = rig.deps;
  const handler = createHandler(
    {
      ...rig.deps,
      log,
      // As in production: with the longest list of headers.
      publicUrl: 'https://connect.example',
      authenticator: {
        ...authenticator,
        authenticate(bearer, from) {
          authentications += 1;
          return authenticator.authenticate(bearer, from);
        },
      },
    },
    { serve: ['partner'], trustedProxies: [], measure: { observe: (labels) => void measured.push(labels) } },
  );
  listener = await listen(handler, { host: '127.0.0.1', port: 0, variable: 'PORT' });
});
afterAll(async () => {
  await listener.close();
  await rig.close();
});

async function send(head: readonly string[]): Promise<Trace> {
  const before = authentications;
  logged.length = 0;
  measured.length = 0;
  rig.sources.length = 0;
  const socket = connect(listener.port, '127.0.0.1');
  // Not the end yet: a server of Node hangs up on who has said all.
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  const answer = Buffer.concat(await socket.toArray()).toString();
  const isByKoa = authentications > before;
  return { answer, logged: [...logged], measured: [...measured], source: rig.sources.at(-1), isByKoa };
}

/** What differs from one request to the next: when it was, and ids that nobody gave. */
function masked(trace: Trace): Omit<Trace, 'isByKoa'> {
  const { isByKoa: _, ...rest } = trace;
  const text = JSON.stringify(rest)
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => (trace.answer.includes(`-id: ${id}`) ? 'ID' : id))
    .replace(/Date: .*? GMT/, 'DATE')
    .replace(/expires_in\\":\d+/, 'LEFT')
    .replace(/retry-after: \d+/, 'LATER');
  return JSON.parse(text) as Omit<Trace, 'isByKoa'>;
}

/** The request in front of Koa, and the same by Koa. Both by a caller who has been here before. */
async function bothWays(
  path: string,
  headers: readonly string[] = [],
  { token = caller.token, version = '1.1', forget = async () => {} } = {},
): Promise<readonly [Trace, Trace]> {
  const head = (target: string) => [
    `GET ${target} HTTP/${version}`,
    'Host: localhost',
    'Connection: close',
    `Authorization: Bearer ${token}`,
    ...headers,
  ];
  await send(head(`${path}?`));
  await forget();
  const fast = await send(head(path));
  await forget();
  return [fast, await send(head(`${path}?`))];
}

function expectSame([fast, byKoa]: readonly [Trace, Trace], status: number): void {
  expect([fast.isByKoa, byKoa.isByKoa]).toEqual([false, true]);
  expect(fast.answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(fast.logged.length).toBeGreaterThan(0);
  expect(fast.measured).toHaveLength(1);
  expect(masked(fast)).toEqual(masked(byKoa));
}

/** As another process does that has changed something. */
async function notify({ app, principal, version }: Connection): Promise<void> {
  const { text, values = [] } = notifyStatement({ kind: 'connection', app, principal, version });
  await rig.pool.query(text, [...values]);
}

describe('a read of a token in front of Koa', () => {
  it.each([
    ['nothing else said', []],
    ['a request id', ['x-request-id: abc-1.2_3']],
    ['a request id that will not do', ['x-request-id: a b']],
    ['two request ids', ['x-request-id: a', 'x-request-id: b']],
    ['JSON asked for', ['accept: application/json']],
    ['JSON asked for before others', ['accept: application/json, text/plain, */*']],
    ['anything taken', ['accept: */*']],
    ['a condition that no token meets', ['if-none-match: *', 'if-modified-since: Sat, 21 Nov 2026 00:00:00 GMT']],
    ['part of it asked for', ['range: bytes=0-1']],
    ['another encoding taken', ['accept-encoding: gzip']],
  ])('says the same from memory, with %s', async (_what, headers) => {
    const { path, accessToken } = await rig.addConnection();
    const [fast, byKoa] = await bothWays(`${path}/token`, headers);
    expect([fast.source, byKoa.source]).toEqual(['memory', 'memory']);
    expect(fast.answer).toContain(accessToken);
    expectSame([fast, byKoa], 200);
  });

  it('says the same to who writes the principal in capitals, and to who speaks HTTP/1.0', async () => {
    const { connection } = await rig.addConnection();
    const path = `/v1/apps/demo/connections/${connection.principal.toUpperCase()}/token`;
    expectSame(await bothWays(path), 200);
    expectSame(await bothWays(path, [], { version: '1.0' }), 200);
  });

  it('says the same from the database', async () => {
    const added = await rig.addConnection();
    const [fast, byKoa] = await bothWays(`${added.path}/token`, [], {
      async forget() {
        await notify(added.connection);
        await expect.poll(() => rig.deps.tokens.maybeFromMemory(added.connection, 0, someone)).toBeNull();
      },
    });
    expect([fast.source, byKoa.source]).toEqual(['database', 'database']);
    expectSame([fast, byKoa], 200);
  });

  it.each([
    ['retrying', 503],
    ['blocked', 503],
    ['suspended', 409],
    ['paused', 409],
    ['connecting', 409],
    ['revoking', 409],
    ['reauthorization-required', 409],
    ['connect-failed', 404],
    ['active', 503],
  ] as const)('says the same of a connection that is %s and has no token to give: %i', async (state, status) => {
    const { path } = await rig.addConnection({ state }, { lifeMs: 1 });
    expectSame(await bothWays(`${path}/token`, ['x-request-id: r1']), status);
  });

  it('says the same of a connection that nobody knows, and of a defect', async () => {
    const unknown = `/v1/apps/demo/connections/${randomUUID()}/token`;
    expectSame(await bothWays(unknown), 404);
    const { path, connection } = await rig.addConnection();
    await rig.pool.query(`UPDATE access_tokens SET sealed = 'x.y' WHERE connection_id = $1`, [connection.id]);
    expectSame(await bothWays(`${path}/token`), 500);
  });
});

describe('what is left to Koa', () => {
  it('is everything but the plain read of a token by a caller who is known and may', async () => {
    const { path } = await rig.addConnection();
    const token = `${path}/token`;
    const authorization = `Authorization: Bearer ${caller.token}`;
    const host = 'Host: localhost';
    const get = `GET ${token} HTTP/1.1`;
    await send([get, host, authorization, 'Connection: close']);
    expect((await send([get, host, authorization, 'Connection: close'])).isByKoa).toBe(false);
    const cases: readonly (readonly [head: readonly string[], status: number])[] = [
      [[`HEAD ${token} HTTP/1.1`, host, authorization], 200],
      [[`POST ${token} HTTP/1.1`, host, authorization], 405],
      [[`GET ${token}?min_ttl=60 HTTP/1.1`, host, authorization], 200],
      [[`GET ${token}/ HTTP/1.1`, host, authorization], 404],
      [[`GET ${token.replace('demo', '%64emo')} HTTP/1.1`, host, authorization], 200],
      [[`GET http://localhost${token} HTTP/1.1`, host, authorization], 200],
      [[get, authorization], 400],
      [[get, host], 401],
      [[get, host, `${authorization}x`], 401],
      [[get, host, authorization, 'accept: text/html'], 406],
      [[get, host, authorization, 'accept: application/json;q=0'], 406],
    ];
    for (const [head, status] of cases) {
      const { answer, measured: measures } = await send([...head, 'Connection: close']);
      expect(answer, head.join('\n')).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(measures).toHaveLength(1);
    }
  });

  it('is whoever may not: another scope, another app, another principal, a client that was revoked', async () => {
    const { path, connection } = await rig.addConnection();
    const others = await Promise.all([
      rig.mint({ scopes: ['connections:read'] }),
      rig.mint({ apps: ['other'] }),
      rig.mint({ principals: [randomUUID()] }),
    ]);
    for (const { token } of others) {
      const traces = await bothWays(`${path}/token`, [], { token });
      expect(traces.map(({ isByKoa }) => isByKoa)).toEqual([true, true]);
      for (const { answer } of traces) expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    }
    const own = await rig.mint({ principals: [connection.principal] });
    expectSame(await bothWays(`${path}/token`, [], { token: own.token }), 200);
    await rig.clients.revoke(own.id, Date.now(), { actor: 'test', reason: null, correlationId: null });
    await expect
      .poll(async () => (await bothWays(`${path}/token`, [], { token: own.token }))[0].answer)
      .toMatch(/^HTTP\/1\.1 401 /);
  });
});

const someone = { actor: 'client:someone', reason: null, correlationId: null };
