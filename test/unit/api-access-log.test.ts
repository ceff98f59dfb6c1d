/** How loud the access log is: an operator reads it for what went wrong, not for what machines ask all the time. */
import { describe, expect, it } from 'vitest';
import { callerSlot } from '../../api/auth/authorize.ts';
import { accessLog } from '../../api/middleware/access-log.ts';
import { problems } from '../../api/middleware/problems.ts';
import { requestIdSlot } from '../../api/middleware/request-id.ts';
import { createRequestRecord } from '../../api/request-record.ts';
import type { Context } from '../../api/route.ts';
import { AppError } from '../../core/errors.ts';

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** What is logged of one request. */
async function linesOf(route: string, act: (ctx: Context) => void): Promise<readonly Line[]> {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const ctx = {
    state: {},
    method: 'GET',
    path: '/',
    status: 200,
    _matchedRoute: route,
    set: () => undefined,
  } as unknown as Context;
  requestIdSlot.set(ctx, 'r1');
  const guard = problems({ log, renderPage: async () => '' });
  await accessLog(createRequestRecord({ log, measure: { observe: () => undefined } }))(ctx, async () => {
    await guard(ctx, async () => act(ctx));
  });
  return lines;
}

async function requestLine(route: string, act: (ctx: Context) => void): Promise<Line | undefined> {
  return (await linesOf(route, act)).find(({ message }) => message === 'request');
}

const fail = (error: Error) => () => {
  throw error;
};

describe('the line of a request', () => {
  it('is information, with the route and the request id', async () => {
    expect(await requestLine('/v1/apps/:app/connections', () => undefined)).toMatchObject({
      level: 'info',
      fields: { route: '/v1/apps/:app/connections', status: 200, request_id: 'r1' },
    });
  });

  it.each(['/healthz', '/readyz', '/metrics', '/v1/apps/:app/connections/:principal/token'])(
    'is a detail for %s',
    async (route) => {
      expect((await requestLine(route, () => undefined))?.level).toBe('debug');
    },
  );

  it('is a detail for a process that is not ready: its state is logged where it changes', async () => {
    const notReady = (ctx: Context) => {
      ctx.status = 503;
    };
    expect((await requestLine('/readyz', notReady))?.level).toBe('debug');
    expect((await requestLine('/metrics', fail(new Error('a bug'))))?.level).toBe('error');
  });

  it('is an error for a defect, and a warning with its code for what is away', async () => {
    expect(await requestLine('/docs', fail(new Error('a bug')))).toMatchObject({
      level: 'error',
      fields: { status: 500, code: 'internal' },
    });
    const away = new AppError('database-unavailable', 'away');
    expect(await requestLine('/v1/apps/:app/connections/:principal/token', fail(away))).toMatchObject({
      level: 'warn',
      fields: { status: 503, code: 'database-unavailable' },
    });
  });

  it.each([
    ['unauthenticated', 401],
    ['forbidden', 403],
    ['rate-limited', 429],
  ] as const)('tells of a refusal (%s) on every route, and of whom', async (code, status) => {
    const line = await requestLine('/v1/apps/:app/connections/:principal/token', (ctx) => {
      callerSlot.set(ctx, { clientId: 'c1', actor: 'client:c1', scopes: new Set(), apps: [], principals: null });
      throw new AppError(code, 'no');
    });
    expect(line).toMatchObject({ level: 'info', fields: { status, code, client: 'c1' } });
  });

  it('names the code of a mistake of the caller', async () => {
    expect(await requestLine('/connect/:app', fail(new AppError('bad-request', 'no')))).toMatchObject({
      level: 'info',
      fields: { status: 400, code: 'bad-request' },
    });
  });
});
