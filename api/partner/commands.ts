/**
 * What a partner can ask of a connection. Pause, resume and revoke are on file before the workflow hears of them, so
 * they hold even while Temporal is away; a revoke stops the reads in that very transaction.
 */
import { applyCommand, type CommandName } from '../../core/command-transaction.ts';
import { isEnded, isLiving, type Connection, type ConnectionKey } from '../../core/connection.ts';
import { AppError, isAppError } from '../../core/errors.ts';
import { connectionWorkflowId } from '../../workflows/contract.ts';
import { actOf, authenticate, keyOf, requireApp, requirePrincipal, requireScope } from '../auth/authorize.ts';
import { problemOfState } from '../connection-problems.ts';
import type { ApiDeps, GatewayCommand } from '../deps.ts';
import { bodyInput } from '../input.ts';
import type { Context, Route } from '../route.ts';
import { connectionParams, reasonBody } from '../schemas/inputs.ts';
import type { Scope } from '../schemas/operation.ts';
import { connectionResource } from '../schemas/resources.ts';
import { oneConnection, resourceOf } from './resource.ts';

/** A caller waits so long for SAP Concur to confirm a revoke. */
const REVOKE_WAIT_MS = 10_000;
/** The workflow only has to hear of it: the command is on file. */
const POKE_WAIT_MS = 3_000;

export function createCommandRoutes(deps: ApiDeps): readonly Route[] {
  return [
    command(deps, 'refresh', 'connections:refresh', 'Refreshes now', refresh),
    command(deps, 'revoke', 'connections:write', 'Ends the connection at SAP Concur, for good', revoke),
    command(deps, 'pause', 'connections:write', 'Stops the upkeep but for the keep-alive', pause),
    command(deps, 'resume', 'connections:write', 'Goes on after a pause', resume),
  ];
}

type Act = (deps: ApiDeps, key: ConnectionKey, given: GatewayCommand, ctx: Context) => Promise<void>;

function command(deps: ApiDeps, name: string, scope: Scope, summary: string, act: Act): Route {
  const body = bodyInput(reasonBody);
  return {
    method: 'post',
    path: `/v1/apps/:app/connections/:principal/${name}`,
    operation: {
      id: `${name}Connection`,
      summary,
      scope,
      params: connectionParams,
      body: { schema: reasonBody, isRequired: false, example: { reason: 'asked for by the customer' } },
      answers: [
        { status: 200, description: 'Done', body: connectionResource },
        ...(name === 'refresh' || name === 'revoke'
          ? [{ status: 202, description: 'Goes on by itself', body: connectionResource }]
          : []),
      ],
    },
    steps: [
      authenticate(deps),
      requireScope(scope),
      requireApp,
      requirePrincipal,
      body.read,
      (ctx) => act(deps, keyOf(ctx), actOf(ctx, body.get(ctx).reason), ctx),
    ],
  };
}

async function refresh(deps: ApiDeps, key: ConnectionKey, given: GatewayCommand, ctx: Context): Promise<void> {
  const before = await oneConnection(deps, key);
  assertRefreshable(deps, before.connection, before.app.landing.listingUrl);
  const result = await deps.lifecycle.refresh(key, given);
  const { app, connection } = await oneConnection(deps, key);
  ctx.status = result === null && connection.version === before.connection.version ? 202 : 200;
  ctx.body = resourceOf(deps, app, connection);
}

/** Where a refresh can bring nothing, the state says why. */
function assertRefreshable({ clock }: ApiDeps, connection: Connection, listingUrl: string | null): void {
  if (isLiving(connection.state) && connection.state !== 'paused') return;
  throw problemOfState(connection, listingUrl, clock.now());
}

async function revoke(deps: ApiDeps, key: ConnectionKey, given: GatewayCommand, ctx: Context): Promise<void> {
  const { connection: recorded, isChanged } = await record(deps, key, 'revoke', given);
  // Also where there was nothing to revoke: the run waits for an exchange or a Connect, and should end.
  if (recorded.state === 'revoking' || isChanged) {
    await deps.lifecycle.command('revoke', key, given, REVOKE_WAIT_MS).catch(goOnWithout(deps, key));
  }
  const { app, connection } = await oneConnection(deps, key);
  ctx.status = connection.state === 'revoked' ? 200 : 202;
  ctx.body = resourceOf(deps, app, connection);
}

async function pause(deps: ApiDeps, key: ConnectionKey, given: GatewayCommand, ctx: Context): Promise<void> {
  await recordAndTell(deps, key, 'pause', given, ctx, ({ state }) => state === 'paused');
}

async function resume(deps: ApiDeps, key: ConnectionKey, given: GatewayCommand, ctx: Context): Promise<void> {
  await recordAndTell(deps, key, 'resume', given, ctx, ({ state }) => isLiving(state) && state !== 'paused');
}

async function recordAndTell(
  deps: ApiDeps,
  key: ConnectionKey,
  name: 'pause' | 'resume',
  given: GatewayCommand,
  ctx: Context,
  isDone: (connection: Connection) => boolean,
): Promise<void> {
  const { connection: recorded } = await record(deps, key, name, given);
  const { app } = await oneConnection(deps, key);
  if (!isDone(recorded)) throw problemOfState(recorded, app.landing.listingUrl, deps.clock.now());
  await deps.lifecycle.command(name, key, given, POKE_WAIT_MS).catch(goOnWithout(deps, key));
  const { connection } = await oneConnection(deps, key);
  ctx.body = resourceOf(deps, app, connection);
}

async function record(
  deps: ApiDeps,
  key: ConnectionKey,
  name: CommandName,
  given: GatewayCommand,
): Promise<{ readonly connection: Connection; readonly isChanged: boolean }> {
  const { clock, policy, connections } = deps;
  const workflowId = connectionWorkflowId(key);
  const { before, connection } = await connections.transact(key, (aggregate) => {
    const command = { name, ...given, nowMs: clock.now(), policy, workflowId };
    const { result, changes } = applyCommand(aggregate, command);
    return { result: { before: aggregate.connection, connection: result }, changes };
  });
  const isUnknown = connection === null || (isEnded(connection.state) && connection.state !== 'revoked');
  if (isUnknown) throw new AppError('not-found', 'There is no such connection.');
  return { connection, isChanged: connection.state !== before?.state };
}

/** The command is on file: the workflow learns of it at its next turn, or when it is started again. */
function goOnWithout({ log }: ApiDeps, key: ConnectionKey): (error: unknown) => null {
  return (error) => {
    if (!isAppError(error, 'temporal-unavailable')) throw error;
    log.warn({ err: error, app: key.app }, 'a command is on file, but the workflow could not be told');
    return null;
  };
}
