import type { Command } from 'commander';
import { applyCommand } from '../core/command-transaction.ts';
import { type Connection, type ConnectionKey, type ConnectionState, isEnded } from '../core/connection.ts';
import { buildConnectionResource, type ConnectionResource } from '../core/connection-resource.ts';
import { buildEventResource } from '../core/event-resource.ts';
import { AppError, isAppError } from '../core/errors.ts';
import { upkeepOf } from '../core/refresh-policy.ts';
import { refreshPolicyOf } from '../runtime/config.ts';
import { connectionWorkflowId } from '../workflows/contract.ts';
import type { LifecycleCommand } from './lifecycle-client.ts';
import { parseApp, parseLimit, parsePrincipal, parseState, parseText } from './parse.ts';
import { printConnection, printConnections, printEvents, printJson } from './print.ts';
import type { Toolbox } from './toolbox.ts';
import { addVerb, type Bench } from './verb.ts';

interface ListOptions {
  readonly json?: true;
  readonly state?: ConnectionState;
  readonly dataCenter?: string;
  readonly customerRef?: string;
  readonly cursor?: string;
  readonly limit: number;
}

interface CommandOptions {
  readonly json?: true;
  readonly reason?: string;
}

const PAGE = 50;

/** `evergrant connections …` */
export function addConnections(program: Command, bench: Bench): void {
  const noun = program.command('connections').description('connections of customers to SAP Concur');
  addReadingVerbs(noun, bench);
  addCommand(noun, bench, 'refresh', 'refresh the tokens now');
  addCommand(noun, bench, 'revoke', 'end the connection at SAP Concur, for good');
  addCommand(noun, bench, 'pause', 'stop the upkeep but for the keep-alive');
  addCommand(noun, bench, 'resume', 'go on after a pause');
  addRevive(noun, bench);
}

/** How long the tokens may take to show whether they live. */
const REVIVE_MS = 20_000;

function addRevive(noun: Command, bench: Bench): void {
  const { terminal, tools } = bench;
  addVerb(noun, 'revive', 'ask SAP Concur once more with the tokens of a connection that needs reauthorization')
    .argument('<app>', 'name of the app', parseApp)
    .argument('<principal>', 'UUID of the company or user', parsePrincipal)
    .option('--reason <text>', 'why, for the audit trail', parseText)
    .action(async (app: string, principal: string, { json, reason }: CommandOptions) => {
      const key = { app, principal };
      await revive(bench, key, reason ?? null);
      const resource = await oneResource(tools(), key);
      if (json) printJson(terminal, resource);
      else printConnection(terminal, resource);
    });
}

async function revive(bench: Bench, key: ConnectionKey, reason: string | null): Promise<void> {
  const tools = bench.tools();
  const before = await oneConnection(tools, key);
  if (before.state !== 'reauthorization-required') {
    const details = { state: before.state };
    throw new AppError('conflict', `The connection is ${before.state}: only a dead one can be revived`, { details });
  }
  const recorded = await record(tools, key, 'revive', reason);
  if (recorded.state === before.state) {
    throw new AppError('reauthorization-required', 'No token is left on file: only a new Connect helps');
  }
  try {
    // It is no pause that ends: any command makes the workflow read the row.
    await (await tools.lifecycle()).command(key, 'resume', inputOf(tools, null));
  } catch (error) {
    if (!isAppError(error, 'temporal-unavailable')) throw error;
    bench.tryAgain(`revive: recorded. ${error.message}; the rest follows when it is back.`);
    return;
  }
  const untilMs = tools.clock.monotonic() + REVIVE_MS;
  while ((await oneConnection(tools, key)).reason === 'revived') {
    if (tools.clock.monotonic() > untilMs) return bench.tryAgain('revive: still at work; it goes on by itself.');
    await tools.clock.sleep(200);
  }
}

function addReadingVerbs(noun: Command, { terminal, tools }: Bench): void {
  addVerb(noun, 'list', 'connections of an app')
    .argument('<app>', 'name of the app', parseApp)
    .option('--state <state>', 'only those in this state', parseState)
    .option('--data-center <name>', 'only those at this data centre', parseText)
    .option('--customer-ref <ref>', 'only those of this customer', parseText)
    .option('--limit <rows>', 'rows a page', parseLimit, PAGE)
    .option('--cursor <cursor>', 'where the page before ended')
    .action(async (app: string, { json, dataCenter, ...filter }: ListOptions) => {
      const { connections } = tools();
      const page = await connections.many({
        app,
        limit: filter.limit,
        ...(filter.state && { state: filter.state }),
        ...(dataCenter && { dataCentre: dataCenter }),
        ...(filter.customerRef && { customerRef: filter.customerRef }),
        ...(filter.cursor && { cursor: filter.cursor }),
      });
      const listingUrl = await listingUrlOf(tools(), app);
      const items = page.items.map((connection) => resourceOf(tools(), connection, listingUrl));
      if (json) printJson(terminal, { items, next_cursor: page.nextCursor });
      else printConnections(terminal, items, page.nextCursor);
    });

  addVerb(noun, 'show', 'one connection')
    .argument('<app>', 'name of the app', parseApp)
    .argument('<principal>', 'UUID of the company or user', parsePrincipal)
    .action(async (app: string, principal: string, { json }: { readonly json?: true }) => {
      const resource = await oneResource(tools(), { app, principal });
      if (json) printJson(terminal, resource);
      else printConnection(terminal, resource);
    });

  addVerb(noun, 'events', 'audit trail of a connection, newest first')
    .argument('<app>', 'name of the app', parseApp)
    .argument('<principal>', 'UUID of the company or user', parsePrincipal)
    .option('--limit <rows>', 'rows a page', parseLimit, PAGE)
    .option('--cursor <cursor>', 'where the page before ended')
    .action(async (app: string, principal: string, options: Pick<ListOptions, 'json' | 'limit' | 'cursor'>) => {
      const { connections } = tools();
      const key = { app, principal };
      await oneConnection(tools(), key);
      const { limit, cursor, json } = options;
      const page = await connections.events(key, { limit, ...(cursor === undefined ? {} : { cursor }) });
      const items = page.items.map(buildEventResource);
      if (json) printJson(terminal, { items, next_cursor: page.nextCursor });
      else printEvents(terminal, items, page.nextCursor);
    });
}

function addCommand(noun: Command, bench: Bench, name: LifecycleCommand, description: string): void {
  const { terminal, tools } = bench;
  addVerb(noun, name, description)
    .argument('<app>', 'name of the app', parseApp)
    .argument('<principal>', 'UUID of the company or user', parsePrincipal)
    .option('--reason <text>', 'why, for the audit trail', parseText)
    .action(async (app: string, principal: string, { json, reason }: CommandOptions) => {
      const key = { app, principal };
      await command(bench, key, name, reason ?? null);
      const resource = await oneResource(tools(), key);
      if (json) printJson(terminal, resource);
      else printConnection(terminal, resource);
    });
}

/**
 * Records the wish in the database first, so that it holds whatever becomes of Temporal (a revoke stops the reads at
 * once), then lets the workflow act on it. A refresh is the workflow's alone.
 */
async function command(bench: Bench, key: ConnectionKey, name: LifecycleCommand, reason: string | null): Promise<void> {
  const tools = bench.tools();
  const before = await oneConnection(tools, key);
  const recorded = name === 'refresh' ? before : await record(tools, key, name, reason);
  if (isEnded(recorded.state)) {
    if (name === 'revoke') return;
    const details = { state: recorded.state };
    throw new AppError('connection-revoked', `The connection is ${recorded.state}: there is nothing to ${name}`, {
      details,
    });
  }
  try {
    const lifecycle = await tools.lifecycle();
    const { settled } = await lifecycle.command(key, name, inputOf(tools, reason));
    if (!settled) bench.tryAgain(`${name}: still at work; it goes on by itself.`);
  } catch (error) {
    if (name === 'refresh' || !isAppError(error, 'temporal-unavailable')) throw error;
    bench.tryAgain(`${name}: recorded. ${error.message}; the rest follows when it is back.`);
  }
}

async function record(
  tools: Toolbox,
  key: ConnectionKey,
  name: 'revoke' | 'pause' | 'resume' | 'revive',
  reason: string | null,
): Promise<Connection> {
  const recorded = await tools.connections.transact(key, (aggregate) =>
    applyCommand(aggregate, {
      ...tools.act,
      name,
      reason,
      nowMs: tools.clock.now(),
      policy: refreshPolicyOf(tools.config),
      workflowId: connectionWorkflowId(key),
    }),
  );
  return recorded ?? unknownConnection(key);
}

/** Who asks and why, for the workflow. */
function inputOf({ act }: Toolbox, reason: string | null) {
  const { actor, correlationId } = act;
  return { actor, ...(correlationId !== null && { correlationId }), ...(reason !== null && { reason }) };
}

async function oneConnection(tools: Toolbox, key: ConnectionKey): Promise<Connection> {
  const aggregate = await tools.connections.maybeOne(key);
  return aggregate?.connection ?? unknownConnection(key);
}

function unknownConnection(key: ConnectionKey): never {
  const details = { app: key.app, principal: key.principal };
  throw new AppError('not-found', `App ${key.app} has no connection of ${key.principal}`, { details });
}

async function oneResource(tools: Toolbox, key: ConnectionKey): Promise<ConnectionResource> {
  const connection = await oneConnection(tools, key);
  return resourceOf(tools, connection, await listingUrlOf(tools, key.app));
}

async function listingUrlOf(tools: Toolbox, name: string): Promise<string | null> {
  const app = await tools.apps.maybeOne(name);
  if (app === null) throw new AppError('not-found', `There is no app ${name}`, { details: { app: name } });
  return app.landing.listingUrl;
}

function resourceOf(tools: Toolbox, connection: Connection, listingUrl: string | null): ConnectionResource {
  const upkeep = upkeepOf(refreshPolicyOf(tools.config), connection, tools.clock.now());
  return buildConnectionResource(connection, { upkeep, listingUrl, workflowId: connectionWorkflowId(connection) });
}
