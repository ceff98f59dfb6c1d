/**
 * Connects without a landing page: by a request token that was handed over, an import, a developer's own login, the
 * migration of a legacy grant. What was asked for, and what became of it.
 */
import { AppError, type ErrorCode, errorTable } from '../../core/errors.ts';
import type { RecordedAnswer } from '../../core/idempotency.ts';
import type { App } from '../../core/stores.ts';
import { actOf, appOf, authenticate, beyondToken, callerSlot, requireApp, requireScope } from '../auth/authorize.ts';
import { mayUsePrincipal } from '../auth/caller.ts';
import type { ApiDeps } from '../deps.ts';
import { parsedBody, parseInput } from '../input.ts';
import type { IntakeResult } from '../intake-port.ts';
import { buildIntakeRequest } from '../intake-request.ts';
import type { Context, Route, Step } from '../route.ts';
import { connectBody, parseConnectBody } from '../schemas/connects.ts';
import { appParams, connectParams, idempotencyHeaders } from '../schemas/inputs.ts';
import {
  connectionOrConnect,
  connectionResource,
  connectResource,
  type ConnectResource,
} from '../schemas/resources.ts';
import { answerOnce } from './answer-once.ts';
import { oneApp, oneConnection, resourceOf } from './resource.ts';

const FINGERPRINT = 'idempotency_keys';

export function createConnectRoutes(deps: ApiDeps): readonly Route[] {
  return [connect(deps), showConnect(deps)];
}

function connect(deps: ApiDeps): Route {
  const body = parsedBody(parseConnectBody);
  return {
    method: 'post',
    path: '/v1/apps/:app/connections',
    operation: {
      id: 'connect',
      summary: 'Connects without a landing page',
      description:
        'By a request token, an existing refresh token, a login (where the app allows it), or a legacy refresh token. ' +
        'A caller that is limited to some principals has to name one of them, so logins and migrations are not for it.',
      scope: 'connections:connect',
      params: appParams,
      headers: idempotencyHeaders,
      body: {
        schema: connectBody,
        isRequired: true,
        example: {
          principal_id: '8568a4cd-8ffc-49d6-9417-be2d69aa0001',
          request_token: '2b9f7c1e5a',
          customer_ref: 'customer-4711',
        },
      },
      answers: [
        { status: 201, description: 'Connected for the first time', body: connectionResource },
        { status: 200, description: 'Connected again', body: connectionResource },
        {
          status: 202,
          description: 'Goes on by itself; `location` tells what becomes of it',
          body: connectionOrConnect,
          headers: { location: 'The connection, or, while nobody knows whose it is, the connect' },
        },
      ],
    },
    steps: [
      authenticate(deps),
      requireScope('connections:connect'),
      requireApp,
      body.read,
      requireOwnPrincipal((ctx) => body.get(ctx).principal),
      async (ctx) => {
        const order = body.get(ctx);
        const caller = callerSlot.get(ctx);
        const { 'idempotency-key': key } = parseInput(idempotencyHeaders, headersOf(ctx));
        const app = await oneApp(deps, appOf(ctx));
        const { dataCentres, intake } = deps;
        const request = buildIntakeRequest(order, { app, ...actOf(ctx), dataCentres });
        const act = async (sessionId: string): Promise<RecordedAnswer> =>
          answerOf(deps, app, await intake.connect({ ...request, sessionId }), sessionId);
        const answer =
          key === undefined
            ? await act(deps.rng.uuid())
            : await answerOnce(
                deps,
                {
                  app: app.app,
                  clientId: caller.clientId,
                  key,
                  fingerprint: await deps.vault.fingerprint(order.canonical, FINGERPRINT),
                },
                act,
              );
        give(ctx, answer);
      },
    ],
  };
}

/** What becomes of a connect of which nobody knew whose it is: where the `location` of its 202 leads. */
function showConnect(deps: ApiDeps): Route {
  return {
    method: 'get',
    path: '/v1/apps/:app/connects/:id',
    operation: {
      id: 'showConnect',
      summary: 'What became of a connect whose principal was not known when it began',
      scope: 'connections:connect',
      params: connectParams,
      answers: [{ status: 200, description: 'The connect', body: connectResource }],
    },
    steps: [
      authenticate(deps),
      requireScope('connections:connect'),
      requireApp,
      requireOwnPrincipal(() => null),
      async (ctx) => {
        const { app, id } = parseInput(connectParams, ctx.params);
        const result = await deps.intake.look(app, id);
        if (result === null) throw new AppError('not-found', 'There is no such connect.');
        ctx.body = buildConnect(id, result);
      },
    ],
  };
}

/** A caller with some principals only can't begin what may turn out to be anybody's. */
function requireOwnPrincipal(principalOf: (ctx: Context) => string | null): Step {
  return (ctx, next) => {
    const caller = callerSlot.get(ctx);
    const principal = principalOf(ctx);
    if (principal === null && caller.principals !== null) {
      throw beyondToken(
        'This caller is limited to some principals, and nobody knows yet whose connection this will be.',
      );
    }
    if (principal !== null && !mayUsePrincipal(caller, principal)) {
      throw beyondToken('This caller may not use that principal.');
    }
    return next() as Promise<void>;
  };
}

/** A repeated header reaches us joined by a comma and a space, which no key has. */
function headersOf(ctx: Context): Readonly<Record<string, unknown>> {
  const key = ctx.headers['idempotency-key'];
  return key === undefined ? {} : { 'idempotency-key': key };
}

async function answerOf(deps: ApiDeps, app: App, result: IntakeResult, sessionId: string): Promise<RecordedAnswer> {
  if (result.outcome === 'failed') throw failureOf(result.code, app);
  const { principal } = result;
  if (principal === null) {
    const location = `/v1/apps/${app.app}/connects/${sessionId}`;
    return { status: 202, location, body: buildConnect(sessionId, result) };
  }
  const { connection } = await oneConnection(deps, { app: app.app, principal });
  const status = result.outcome === 'pending' ? 202 : result.isNew ? 201 : 200;
  const location = status === 200 ? null : `/v1/apps/${app.app}/connections/${principal}`;
  return { status, location, body: resourceOf(deps, app, connection) };
}

function buildConnect(id: string, result: IntakeResult): ConnectResource {
  switch (result.outcome) {
    case 'connected':
      return { id, status: 'connected', principal_id: result.principal, code: null };
    case 'pending':
      return { id, status: 'pending', principal_id: result.principal, code: null };
    case 'failed':
      return { id, status: 'failed', principal_id: null, code: result.code };
  }
}

function failureOf(code: ErrorCode, app: App): AppError {
  const listingUrl = app.landing.listingUrl;
  const details = code === 'reauthorization-required' && listingUrl !== null ? { listing_url: listingUrl } : {};
  return new AppError(code, errorTable[code].title, { details });
}

function give(ctx: Context, answer: RecordedAnswer): void {
  if ('problem' in answer) throw new AppError(answer.problem, answer.message, { details: answer.details });
  ctx.status = answer.status;
  if (answer.location !== null) ctx.set('location', answer.location);
  ctx.set('cache-control', 'no-store');
  ctx.body = answer.body;
}
