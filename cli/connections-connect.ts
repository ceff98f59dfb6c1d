/** `evergrant connections connect`: one connection without a landing page, its secret read from standard input. */
import type { Command } from 'commander';
import { buildIntakeRequest } from '../api/intake-request.ts';
import type { IntakeResult } from '../api/intake-port.ts';
import { type ConnectOrder, parseConnectBody } from '../api/schemas/connects.ts';
import { AppError, errorTable } from '../core/errors.ts';
import type { App } from '../core/stores.ts';
import { oneResource } from './one-connection.ts';
import { parseApp, parsePrincipal, parseText } from './parse.ts';
import { printConnection, printJson } from './print.ts';
import { readAll } from './terminal.ts';
import type { Toolbox } from './toolbox.ts';
import { addVerb, type Bench } from './verb.ts';

interface ConnectOptions {
  readonly json?: true;
  readonly secretFile: string;
  readonly geolocation?: string;
  readonly replace?: true;
  readonly username?: string;
  readonly legacy?: true;
  readonly legacyClientId?: string;
  readonly dataCenter?: string;
  readonly customerRef?: string;
}

const EXAMPLES = `
The secret is read from standard input, or from --secret-file. Which it is, the rest says:
  connect APP PRINCIPAL                                    a request token that an administrator handed over
  connect APP PRINCIPAL --geolocation URI [--replace]      a refresh token that another program has kept alive
  connect APP --username LOGIN --data-center NAME          the password of a developer's own login
  connect APP --legacy [--legacy-client-id KEY]            a refresh token of before 2017, to be migrated`;

export function addConnect(noun: Command, bench: Bench): void {
  addVerb(noun, 'connect', 'connect without a landing page')
    .argument('<app>', 'name of the app', parseApp)
    .argument('[principal]', 'UUID of the company or user', parsePrincipal)
    .option('--secret-file <file>', 'read the secret from a file', '-')
    .option('--geolocation <uri>', 'base URI that came with the refresh token')
    .option('--replace', 'with a refresh token: also where a connection lives')
    .option('--username <login>', 'connect by a login, where the app allows it')
    .option('--legacy', 'migrate a legacy refresh token')
    .option('--legacy-client-id <key>', "the old consumer key; else the app's own")
    .option('--data-center <name>', 'where the user lives, or the legacy token')
    .option('--customer-ref <ref>', "the partner's own name for the customer", parseText)
    .addHelpText('after', EXAMPLES)
    .action((app: string, principal: string | undefined, options: ConnectOptions) =>
      connect(bench, app, principal, options),
    );
}

async function connect(
  bench: Bench,
  name: string,
  principal: string | undefined,
  options: ConnectOptions,
): Promise<void> {
  const { terminal } = bench;
  const secret = (await readAll(terminal, options.secretFile)).replace(/\r?\n$/, '');
  const order = parseOrder(principal, options, secret);
  const tools = bench.tools();
  const app = await tools.apps.maybeOne(name);
  if (app === null) throw new AppError('not-found', `There is no app ${name}`, { details: { app: name } });
  const { act, dataCentres } = tools;
  const request = buildIntakeRequest(order, { app, ...act, dataCentres });
  const intake = await tools.intake(await tools.vault());
  await tell(bench, tools, app, options, await intake.connect(request));
}

/** The body that the API would get. Its own words say what is missing or too much. */
function parseOrder(principal: string | undefined, options: ConnectOptions, secret: string): ConnectOrder {
  const { geolocation, replace, username, legacy, legacyClientId, dataCenter, customerRef } = options;
  const body = {
    principal_id: principal,
    geolocation,
    replace,
    username,
    legacy_client_id: legacyClientId,
    data_center: dataCenter,
    customer_ref: customerRef,
    [fieldOf(options)]: secret,
  };
  if (legacy === undefined && legacyClientId !== undefined) throw wrongUse('--legacy-client-id goes with --legacy');
  return parseConnectBody(Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)));
}

/** What the secret is. */
function fieldOf({ geolocation, username, legacy }: ConnectOptions): string {
  const named = [
    ...(geolocation === undefined ? [] : ['refresh_token']),
    ...(username === undefined ? [] : ['password']),
    ...(legacy === undefined ? [] : ['legacy_refresh_token']),
  ];
  if (named.length > 1) throw wrongUse('--geolocation, --username and --legacy exclude each other');
  return named[0] ?? 'request_token';
}

function wrongUse(message: string): AppError {
  return new AppError('bad-request', message);
}

async function tell(
  bench: Bench,
  tools: Toolbox,
  { app, landing }: App,
  { json }: ConnectOptions,
  result: IntakeResult,
): Promise<void> {
  const { terminal } = bench;
  if (result.outcome === 'failed') {
    const where = landing.listingUrl === null ? '' : ` (${landing.listingUrl})`;
    const more = result.code === 'reauthorization-required' ? where : '';
    throw new AppError(result.code, `${errorTable[result.code].title}${more}`);
  }
  const { principal } = result;
  if (principal !== null) {
    const resource = await oneResource(tools, { app, principal });
    if (json) printJson(terminal, resource);
    else printConnection(terminal, resource);
  } else if (json) {
    printJson(terminal, { status: 'pending', principal_id: null });
  }
  if (result.outcome === 'pending') bench.tryAgain('connect: on file and still at work; it goes on by itself.');
}
