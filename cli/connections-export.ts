/**
 * The way out: every living connection's refresh token, sealed to its next keeper, one JWE a line. Each is on record
 * before it is written; a file is there whole or not at all, and nobody but its owner can read it.
 */
import type { Command } from 'commander';
import type { AuditEntry } from '../core/audit-entry.ts';
import type { SealedToken } from '../core/aggregate.ts';
import { type Connection, type ConnectionKey, isLiving } from '../core/connection.ts';
import { formatTime } from '../core/connection-resource.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import { createExportSealer } from '../vault/export-sealer.ts';
import { listingUrlOf } from './one-connection.ts';
import { parseApp, parseText } from './parse.ts';
import { printJson } from './print.ts';
import { createPrivateFile, type PrivateFile } from './private-file.ts';
import { readAll } from './terminal.ts';
import type { Toolbox } from './toolbox.ts';
import { addVerb, type Bench } from './verb.ts';

interface ExportOptions {
  readonly json?: true;
  readonly recipient: string;
  readonly reason?: string;
  readonly force?: true;
}

/** Connections that are read at a time. */
const PAGE = 200;

interface Totals {
  exported: number;
  /** No grant that lives: nothing to take along. */
  skipped: number;
  failed: number;
}

/** `evergrant connections export` */
export function addExport(noun: Command, bench: Bench): void {
  addVerb(noun, 'export', 'refresh tokens of all living connections, sealed to a public key, into a file')
    .argument('<app>', 'name of the app', parseApp)
    .argument('<file>', 'file to be made, one JWE a line')
    .requiredOption('--recipient <jwk>', 'public key (JWK) of whoever is to read it; - for standard input')
    .option('--reason <text>', 'why, for the audit trail', parseText)
    .option('--force', 'overwrite a file that is there')
    .action((app: string, file: string, options: ExportOptions) => run(bench, app, file, options));
}

async function run(bench: Bench, app: string, file: string, options: ExportOptions): Promise<void> {
  const { terminal } = bench;
  const sealer = await createExportSealer(await readAll(terminal, options.recipient));
  const tools = bench.tools();
  await listingUrlOf(tools, app);
  const vault = await tools.vault();
  const output = await createPrivateFile(file, { overwrite: options.force === true });
  const totals: Totals = { exported: 0, skipped: 0, failed: 0 };

  async function exportOne(key: ConnectionKey): Promise<void> {
    const taken = await take(tools, key, options.reason ?? null);
    if (taken === null) {
      totals.skipped += 1;
      return;
    }
    const { connection, token } = taken;
    try {
      const context = sealContexts.refreshToken(connection.id, token.attemptId);
      await output.write(await sealer.seal(factsOf(connection), await vault.open(token.sealed, context)));
      totals.exported += 1;
    } catch (error) {
      totals.failed += 1;
      terminal.err(`${key.principal}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }

  await intoFile(output, async () => {
    for await (const connection of everyConnection(tools, app)) {
      await exportOne(connection);
      terminal.progress?.(`${totals.exported} exported`);
    }
  });
  terminal.progress?.('');
  if (options.json) printJson(terminal, { app, file, ...totals });
  else terminal.out(`${totals.exported} exported to ${file}; ${totals.skipped} passed over, which are not alive.\n`);
  if (totals.failed > 0) bench.fail(`${totals.failed} tokens could not be read.`);
}

async function intoFile(output: PrivateFile, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    await output.keep();
  } finally {
    await output.discard();
  }
}

async function* everyConnection(tools: Toolbox, app: string): AsyncGenerator<Connection> {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Toolbox['connections']['many']>> = await tools.connections.many({
      app,
      limit: PAGE,
      ...(cursor !== null && { cursor }),
    });
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== null);
}

/** The grant as it is now, put on record as exported; null where there is none that lives. */
function take(
  tools: Toolbox,
  key: ConnectionKey,
  reason: string | null,
): Promise<{ readonly connection: Connection; readonly token: SealedToken } | null> {
  return tools.connections.transact(key, ({ connection, grant }) => {
    const token = grant.current;
    if (connection === null || token === null || !isLiving(connection.state)) return { result: null, changes: {} };
    const event: AuditEntry = {
      ...tools.act,
      reason,
      type: 'connection.exported',
      stateFrom: null,
      stateTo: null,
      version: connection.version,
      concurCode: null,
      userId: null,
      atMs: tools.clock.now(),
    };
    return { result: { connection, token }, changes: { events: [event] } };
  });
}

/** All that a line to be imported has, and what its reader may want to know besides. */
function factsOf(connection: Connection): Readonly<Record<string, unknown>> {
  return {
    app: connection.app,
    principal_id: connection.principal,
    principal_type: connection.principalType,
    geolocation: connection.geolocation,
    customer_ref: connection.customerRef,
    scope: connection.scope,
    refresh_token_expires_at: formatTime(connection.refreshTokenExpiresAtMs),
  };
}
