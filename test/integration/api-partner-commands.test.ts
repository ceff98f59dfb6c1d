/** Refresh, revoke, pause and resume: what they answer, leave in the database and tell the workflow. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionState } from '../../core/connection.ts';
import { AppError } from '../../core/errors.ts';
import { createPartnerRig, type PartnerRig } from './partner-rig.ts';

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

async function eventsOf(path: string) {
  const { json } = await call('GET', `${path}/events`);
  return json.items as readonly Record<string, unknown>[];
}

/** What the worker does meanwhile. */
async function move(
  key: { readonly app: string; readonly principal: string },
  state: ConnectionState,
  version?: number,
): Promise<void> {
  await rig.connections.transact(key, ({ connection }) => ({
    result: null,
    changes:
      connection === null ? {} : { connection: { ...connection, state, version: version ?? connection.version } },
  }));
}

describe('a refresh', () => {
  it('shows the connection as it is afterwards', async () => {
    const { path, connection } = await rig.addConnection({ version: 7 });
    rig.script.refresh = async (key) => {
      await move(key, 'active', 8);
      return { settled: true, state: 'active', version: 8 };
    };
    const reply = await call('POST', `${path}/refresh`, { reason: 'support case 1' });
    expect([reply.status, reply.json.version]).toEqual([200, 8]);
    const correlationId = reply.headers.get('x-request-id');
    expect(rig.calls).toEqual([
      {
        name: 'refresh',
        principal: connection.principal,
        with: { actor: `client:${client.id}`, reason: 'support case 1', correlationId },
      },
    ]);
  });

  it('is 202 while it goes on, and 503 with Temporal away', async () => {
    const { path } = await rig.addConnection();
    expect((await call('POST', `${path}/refresh`)).status).toBe(202);
    rig.temporal.isAway = true;
    const away = await call('POST', `${path}/refresh`);
    expect([away.status, away.json.code]).toEqual([503, 'temporal-unavailable']);
  });

  it.each(['retrying', 'suspended', 'blocked'] as const)('may be forced while the connection is %s', async (state) => {
    const { path } = await rig.addConnection({ state });
    expect((await call('POST', `${path}/refresh`)).status).toBe(202);
    expect(rig.calls).toHaveLength(1);
  });

  it.each([
    ['paused', 409, 'connection-paused'],
    ['connecting', 409, 'connection-pending'],
    ['revoking', 409, 'connection-revoked'],
    ['revoked', 409, 'connection-revoked'],
    ['reauthorization-required', 409, 'reauthorization-required'],
    ['connect-failed', 404, 'not-found'],
  ] as const)('makes no sense while the connection is %s', async (state, status, code) => {
    const { path } = await rig.addConnection({ state });
    const reply = await call('POST', `${path}/refresh`);
    expect([reply.status, reply.json.code]).toEqual([status, code]);
    expect(rig.calls).toEqual([]);
  });
});

describe('a revoke', () => {
  const confirm = async (key: { readonly app: string; readonly principal: string }) => {
    await move(key, 'revoked');
    return { settled: true, state: 'revoked' as const, version: 7 };
  };

  it('is 200 once Concur has confirmed it, and again without another call', async () => {
    const { path, connection } = await rig.addConnection();
    rig.script.command = async (_name, key) => await confirm(key);
    const reply = await call('POST', `${path}/revoke`, { reason: 'contract ended' });
    expect([reply.status, reply.json.state]).toEqual([200, 'revoked']);
    const again = await call('POST', `${path}/revoke`);
    expect([again.status, again.json.state]).toEqual([200, 'revoked']);
    const by = { actor: `client:${client.id}`, reason: 'contract ended' };
    const requestId = reply.headers.get('x-request-id');
    const input = { ...by, correlationId: requestId, waitMs: 10_000 };
    expect(rig.calls).toEqual([{ name: 'revoke', principal: connection.principal, with: input }]);
    const event = { type: 'command.revoked', state_to: 'revoking', ...by, correlation_id: requestId };
    expect((await eventsOf(path))[0]).toMatchObject(event);
  });

  it('is 202 while Concur or Temporal is away: it is on record, once', async () => {
    const { path } = await rig.addConnection();
    expect((await call('POST', `${path}/revoke`)).json.state).toBe('revoking');
    rig.temporal.isAway = true;
    const again = await call('POST', `${path}/revoke`);
    expect([again.status, again.json.state]).toEqual([202, 'revoking']);
    const revokes = (await eventsOf(path)).filter(({ type }) => type === 'command.revoked');
    expect(revokes).toHaveLength(1);
  });

  it('with nothing to revoke is done at once, and the run is told so that it ends', async () => {
    const { path } = await rig.addConnection({ state: 'connecting', version: 0 });
    const reply = await call('POST', `${path}/revoke`);
    expect([reply.status, reply.json.state]).toEqual([200, 'revoked']);
    expect(rig.calls.map(({ name }) => name)).toEqual(['revoke']);
  });

  it('of a connection that was never made is 404', async () => {
    const { path } = await rig.addConnection({ state: 'connect-failed' });
    expect((await call('POST', `${path}/revoke`)).status).toBe(404);
    expect(rig.calls).toEqual([]);
  });

  it('passes on what is not an outage', async () => {
    const { path } = await rig.addConnection();
    rig.script.command = async () => {
      throw new AppError('internal', 'something that nobody outside should read');
    };
    const reply = await call('POST', `${path}/revoke`);
    expect([reply.status, reply.json.code]).toEqual([500, 'internal']);
    expect(reply.text).not.toContain('nobody outside');
  });
});

describe('pause and resume', () => {
  it('hold at once, with Temporal away too, and asking twice changes nothing', async () => {
    const { path } = await rig.addConnection();
    rig.temporal.isAway = true;
    for (const [name, state] of [
      ['pause', 'paused'],
      ['pause', 'paused'],
      ['resume', 'active'],
      ['resume', 'active'],
    ] as const) {
      const reply = await call('POST', `${path}/${name}`, { reason: 'move of office' });
      expect([reply.status, reply.json.state]).toEqual([200, state]);
    }
    expect((await eventsOf(path)).map(({ type }) => type)).toEqual([
      'command.resumed',
      'command.paused',
      'connection.connected',
    ]);
  });

  it.each([
    ['connecting', 409, 'connection-pending'],
    ['revoking', 409, 'connection-revoked'],
    ['revoked', 409, 'connection-revoked'],
    ['reauthorization-required', 409, 'reauthorization-required'],
    ['connect-failed', 404, 'not-found'],
  ] as const)('are refused while the connection is %s', async (state, status, code) => {
    const { path } = await rig.addConnection({ state });
    for (const name of ['pause', 'resume']) {
      const reply = await call('POST', `${path}/${name}`);
      expect([name, reply.status, reply.json.code]).toEqual([name, status, code]);
    }
    expect(rig.calls).toEqual([]);
  });
});
