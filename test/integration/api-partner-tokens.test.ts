/** The token endpoint in every state of a connection, and reports of tokens that Concur refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionState } from '../../core/connection.ts';
import { createPartnerRig, LISTING_URL, type PartnerRig } from './partner-rig.ts';

let rig: PartnerRig;
let client: { readonly id: string; readonly token: string };
beforeAll(async () => {
  rig = await createPartnerRig();
  client = await rig.mint();
});
afterAll(async () => {
  await rig.close();
});
beforeEach(() => rig.script.reset());

function call(method: string, path: string, body?: unknown) {
  return rig.call(method, path, { token: client.token, body });
}

describe('a token', () => {
  it('is given out without asking Temporal while it is fresh, and must not be kept', async () => {
    const { path, accessToken, connection } = await rig.addConnection();
    const reply = await call('GET', `${path}/token`);
    expect(reply.status).toBe(200);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(reply.json).toMatchObject({
      access_token: accessToken,
      token_type: 'Bearer',
      geolocation: connection.geolocation,
      version: connection.version,
    });
    expect(reply.json.expires_in).toBeGreaterThan(3_500);
    await expect
      .poll(async () => {
        await call('GET', `${path}/token`);
        return rig.sources.at(-1);
      })
      .toBe('memory');
    expect(rig.calls).toEqual([]);
  });

  it('is not given out once a revoke is recorded, even with Temporal away', async () => {
    const { path } = await rig.addConnection();
    expect((await call('GET', `${path}/token`)).status).toBe(200);
    rig.temporal.isAway = true;
    expect((await call('POST', `${path}/revoke`)).status).toBe(202);
    await expect.poll(async () => (await call('GET', `${path}/token`)).json.code).toBe('connection-revoked');
  });

  const problems: readonly (readonly [ConnectionState, number, string])[] = [
    ['active', 503, 'provider-unavailable'],
    ['retrying', 503, 'provider-unavailable'],
    ['blocked', 503, 'app-blocked'],
    ['suspended', 409, 'connection-suspended'],
    ['paused', 409, 'connection-paused'],
    ['connecting', 409, 'connection-pending'],
    ['revoking', 409, 'connection-revoked'],
    ['revoked', 409, 'connection-revoked'],
    ['reauthorization-required', 409, 'reauthorization-required'],
    ['connect-failed', 404, 'not-found'],
  ];
  it.each(problems)('that is stale, of a connection that is %s, is a %i %s', async (state, status, code) => {
    const { path } = await rig.addConnection({ state }, { lifeMs: 1 });
    const reply = await call('GET', `${path}/token`);
    expect([reply.status, reply.json.code]).toEqual([status, code]);
    if (status === 503) expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    if (code === 'reauthorization-required') expect(reply.json.listing_url).toBe(LISTING_URL);
    const asked = rig.calls.map(({ name }) => name);
    expect(new Set(asked)).toEqual(new Set(state === 'active' ? ['ensureFresh'] : []));
  });

  it.each(['active', 'retrying', 'blocked', 'suspended'] as const)(
    'that is fresh is given out while the connection is %s',
    async (state) => {
      const { path, accessToken } = await rig.addConnection({ state });
      expect((await call('GET', `${path}/token`)).json.access_token).toBe(accessToken);
      expect(rig.calls).toEqual([]);
    },
  );

  it.each(['paused', 'connecting', 'revoking', 'revoked', 'reauthorization-required'] as const)(
    'is not given out, however fresh, while the connection is %s',
    async (state) => {
      const { path, accessToken } = await rig.addConnection({ state });
      const reply = await call('GET', `${path}/token`);
      expect(reply.status).toBe(409);
      expect(reply.text).not.toContain(accessToken);
    },
  );

  it('may be asked to live for half an hour more', async () => {
    const { path } = await rig.addConnection({}, { lifeMs: 600_000 });
    expect((await call('GET', `${path}/token?min_ttl=300`)).status).toBe(200);
    expect(rig.calls).toEqual([]);
    expect((await call('GET', `${path}/token?min_ttl=1800`)).status).toBe(200);
    expect(rig.calls.map(({ name }) => name)).toContain('ensureFresh');
    for (const wrong of ['-1', '1801', 'x', '1.5', '', '5&min_ttl=5']) {
      expect((await call('GET', `${path}/token?min_ttl=${wrong}`)).status).toBe(400);
    }
  });
});

describe('a row that is older than its workflow, as after a restore,', () => {
  it('has the workflow refresh what is on file now, once', async () => {
    const { path, connection } = await rig.addConnection({ version: 7 }, { lifeMs: 1 });
    const answer = { settled: true, state: 'active' as const, version: 9 };
    rig.script.ensureFresh = async () => answer;
    rig.script.refresh = async (key) => {
      await rig.connections.transact(key, ({ connection: before }) => {
        if (before === null) throw new Error('there is no such connection');
        return { result: null, changes: { connection: { ...before, version: 8, state: 'suspended' } } };
      });
      return { settled: true, state: 'suspended', version: 8 };
    };
    const replies = await Promise.all([1, 2, 3].map(() => call('GET', `${path}/token`)));
    expect(replies.map(({ json }) => json.code)).toEqual(replies.map(() => 'connection-suspended'));
    // Whoever comes a moment later asks for himself, under the same update id: the refresh is one all the same.
    const asked = rig.calls.map(({ name, principal }) => [name, principal]);
    expect(asked.filter(([name]) => name === 'refresh')).toEqual([['refresh', connection.principal]]);
    expect(asked.filter(([name]) => name !== 'refresh')).toContainEqual(['ensureFresh', connection.principal]);
  });

  it('is not what a row is that was refreshed meanwhile', async () => {
    const { path } = await rig.addConnection({ version: 7 }, { lifeMs: 1 });
    rig.script.ensureFresh = async (key) => {
      await rig.connections.transact(key, ({ connection: before }) => {
        if (before === null) throw new Error('there is no such connection');
        const expiresAtMs = Date.now() + 3_600_000;
        const connection = { ...before, version: 8, accessTokenExpiresAtMs: expiresAtMs };
        return { result: null, changes: { connection: { ...connection, accessTokenSentAtMs: Date.now() } } };
      });
      return { settled: true, state: 'active', version: 8 };
    };
    const reply = await call('GET', `${path}/token`);
    expect([reply.status, reply.json.version]).toEqual([200, 8]);
    expect(rig.calls.map(({ name }) => name)).toEqual(['ensureFresh']);
  });
});

describe('a report of a rejected token', () => {
  const report = (path: string, body: unknown) => call('POST', `${path}/token-rejected`, body);

  it('reaches the workflow once, with the status and who reported it', async () => {
    const { path, connection } = await rig.addConnection({ version: 7 });
    const first = await report(path, { version: 7, status: 403 });
    expect(first.status).toBe(202);
    for (let n = 0; n < 2; n += 1) expect((await report(path, { version: 7, status: 403 })).status).toBe(202);
    const correlationId = first.headers.get('x-request-id');
    expect(rig.calls).toEqual([
      {
        name: 'tokenRejected',
        principal: connection.principal,
        with: { version: 7, status: 403, actor: `client:${client.id}`, correlationId },
      },
    ]);
  });

  it.each([
    ['an older version', { version: 6 }, 'active'],
    ['a version that was never given out', { version: 8 }, 'active'],
    ['a connection that was revoked', { version: 7 }, 'revoked'],
    ['a connection that has to be made again', { version: 7 }, 'reauthorization-required'],
  ] as const)('changes nothing for %s', async (_what, body, state) => {
    const { path } = await rig.addConnection({ version: 7, state });
    expect((await report(path, body)).status).toBe(202);
    expect(rig.calls).toEqual([]);
  });

  it.each([{}, { version: '7' }, { version: 1.5 }, { version: -1 }, { version: 7, status: 99 }, { version: 1e300 }])(
    'must not be %j',
    async (body) => {
      const { path } = await rig.addConnection();
      expect((await report(path, body)).status).toBe(400);
    },
  );
});
