/** Who asks too often is told so, and when to come again; nobody else notices. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCallerLimits } from '../../api/auth/caller-limits.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createPartnerRig, type PartnerRig, type Reply } from './partner-rig.ts';

const LIST = '/v1/apps/demo/connections';

let rig: PartnerRig;
beforeAll(async () => {
  // Small enough to be met, and slow enough that nothing comes back meanwhile.
  const client = { perSecond: 0.1, burst: 5, capacity: 100 };
  const stranger = { perSecond: 0.1, burst: 8, capacity: 100 };
  rig = await createPartnerRig({ limits: createCallerLimits(systemClock, { client, stranger }) });
});
afterAll(async () => {
  await rig.close();
});

function expectTooMany(reply: Reply): void {
  expect([reply.status, reply.json.code]).toEqual([429, 'rate-limited']);
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  const seconds = Number(reply.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(10);
  expect(reply.headers.has('www-authenticate')).toBe(false);
}

describe('a client that asks too often', () => {
  it('is told to wait, on every route, while others go on', async () => {
    const { token } = await rig.mint();
    const { path } = await rig.addConnection();
    const statuses = [];
    for (let request = 0; request < 5; request += 1) statuses.push((await rig.call('GET', LIST, { token })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200]);
    expectTooMany(await rig.call('GET', LIST, { token }));
    expectTooMany(await rig.call('POST', `${path}/pause`, { token, body: {} }));
    expect(rig.calls).toEqual([]);
    expect((await rig.call('GET', LIST, { token: (await rig.mint()).token })).status).toBe(200);
  });

  it('may read tokens twenty times as often as anything else', async () => {
    const { token } = await rig.mint();
    const { path } = await rig.addConnection();
    for (let read = 0; read < 99; read += 1) {
      expect((await rig.call('GET', `${path}/token`, { token })).status).toBe(200);
    }
    expectTooMany(await rig.call('GET', LIST, { token }));
  });

  it('has one limit for all tokens it has', async () => {
    const { id, token } = await rig.mint();
    for (let request = 0; request < 5; request += 1) await rig.call('GET', LIST, { token });
    const { token: another } = await rig.mintAgain(id);
    expect(another).not.toBe(token);
    expectTooMany(await rig.call('GET', LIST, { token: another }));
  });
});

describe('an address that brings no token that holds', () => {
  it('is refused so many times, then told to wait; who is known goes on from there', async () => {
    const { token } = await rig.mint();
    const { token: unseen } = await rig.mint();
    expect((await rig.call('GET', LIST, { token })).status).toBe(200);
    const attempts = [null, 'x', 'a.b.c', null, 'x', 'a.b.c', null, `${token}x`];
    for (const attempt of attempts) {
      const reply = await rig.call('GET', LIST, { token: attempt });
      expect([reply.status, reply.headers.has('www-authenticate')]).toEqual([401, true]);
    }
    for (const attempt of [null, 'x', 'a.b.c']) expectTooMany(await rig.call('GET', LIST, { token: attempt }));
    // A token that nobody has seen yet may be anybody's; one that has been verified is its client's.
    expectTooMany(await rig.call('GET', LIST, { token: unseen }));
    expect((await rig.call('GET', LIST, { token })).status).toBe(200);
    expect((await rig.call('GET', '/healthz')).status).toBe(200);
  });
});
