import type { Command } from 'commander';
import { applyCommand } from '../core/command-transaction.ts';
import { type Connection, type ConnectionKey, isEnded } from '../core/connection.ts';
import { AppError, isAppError } from '../core/errors.ts';
import { refreshPolicyOf } from '../runtime/config.ts';
import { connectionWorkflowId } from '../workflows/contract.ts';
import type { LifecycleCommand } from './lifecycle-client.ts';
import { oneConnection, oneResource, unknownConnection } from './one-connection.ts';
import { parseApp, parsePrincipal, parseText } from './parse.ts';
import { printConnection, printJson } from './print.ts';
import type { Toolbox } from './toolbox.ts';
import { addVerb, type Bench } from './verb.ts';

interface CommandOptions {
  readonly json?: true;
  readonly reason?: string;
}

/** `evergrant connections refresh | revoke | pause | resume | revive` */
export function addCommandVerbs(noun: Command, bench: Bench): void {
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
    throw new AppError(
      'conflict',
      `The connection is ${before.state}: only one that is reauthorization-required can be revived`,
      { details },
    );
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
