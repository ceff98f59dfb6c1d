import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { isBlocking } from '../core/app-trouble.ts';
import { isBrakeOn } from '../core/brake.ts';
import { formatTime } from '../core/connection-resource.ts';
import { AppError, isAppError } from '../core/errors.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import { Secret } from '../core/secret.ts';
import type { App, AppSecretFacts } from '../core/stores.ts';
import { parseApp, parseText } from './parse.ts';
import { printFacts, printJson, printTable } from './print.ts';
import { readAll } from './terminal.ts';
import type { Toolbox } from './toolbox.ts';
import { addVerb, type Bench } from './verb.ts';

/** Of the app and of what is its own: codes, secrets, clients. */
const LAST_EVENTS = 20;

interface Options {
  readonly json?: true;
}

/** `evergrant apps …` */
export function addApps(program: Command, bench: Bench): void {
  const { terminal, tools } = bench;
  const noun = program.command('apps').description("the partner's apps at SAP Concur");

  addVerb(noun, 'list', 'all apps').action(async ({ json }: Options) => {
    const apps = await tools().apps.many();
    if (json) return printJson(terminal, { items: apps });
    const header = ['app', 'brand', 'flow', 'principal', 'environment', 'landing'];
    const rows = apps.map((app) => [
      app.app,
      app.landing.brand,
      app.flow,
      app.principal,
      app.environment,
      app.landing.mode,
    ]);
    printTable(terminal, header, rows);
  });

  addAppVerb(noun, 'show', 'one app with its secrets, which are named but not shown, and its troubles').action(
    (name: string, { json }: Options) => show(bench, name, json),
  );

  addAppVerb(noun, 'release', 'take the brake off: connections that were held are tried again').action(
    async (name: string, { json }: Options) => {
      await oneApp(tools(), name);
      const released = await tools().brakes.release(name, tools().clock.now(), tools().act);
      await tellGuardian(bench, name, 'release');
      if (json) return printJson(terminal, { app: name, released });
      terminal.out(released.length === 0 ? 'The brake was not on.\n' : `Released in ${released.join(', ')}.\n`);
    },
  );

  addAppVerb(noun, 'secret-add', 'a further client secret, beside the others; read from standard input')
    .option('--secret-file <file>', 'read it from a file instead', '-')
    .action((name: string, options: Options & { readonly secretFile: string }) => addSecret(bench, name, options));

  addAppVerb(noun, 'secret-retire', 'use a client secret no more')
    .argument('[id]', 'id of the secret, as `apps show` has it; without it all but the one that worked last', parseText)
    .option('--force', 'the last one too: the app is blocked until another is added')
    .action((name: string, id: string | undefined, options: Options & { readonly force?: true }) =>
      retireSecret(bench, name, id, options),
    );
}

function addAppVerb(noun: Command, usage: string, description: string): Command {
  return addVerb(noun, usage, description).argument('<app>', 'name of the app', parseApp);
}

async function show({ terminal, tools }: Bench, name: string, json: true | undefined): Promise<void> {
  const app = await oneApp(tools(), name);
  const [stored, found, stopped, happened] = await Promise.all([
    tools().apps.manySecrets(name),
    tools().troubles.many(name),
    tools().brakes.many(name),
    tools().audit.manyOfApp(name, LAST_EVENTS),
  ]);
  const secrets = stored.map(buildSecretResource);
  const troubles = found.map((trouble) => ({
    data_center: trouble.dataCentre,
    blocked: isBlocking(trouble),
    reason: trouble.reason,
    concur_code: trouble.concurCode,
    failures: trouble.failures,
    since: formatTime(trouble.sinceMs),
  }));
  const brakes = stopped.map((brake) => ({
    data_center: brake.dataCentre,
    on: isBrakeOn(brake),
    tripped_at: formatTime(brake.trippedAtMs),
    released_at: formatTime(brake.releasedAtMs),
  }));
  const events = happened.map(({ atMs, correlationId, ...event }) => ({
    at: formatTime(atMs),
    ...event,
    correlation_id: correlationId,
  }));
  if (json) return printJson(terminal, { ...app, secrets, troubles, brakes, events });
  const { landing, ...facts } = app;
  printFacts(terminal, [
    ['app', facts.app],
    ['client id', facts.clientId],
    ['flow', facts.flow],
    ['principal', facts.principal],
    ['environment', facts.environment],
    ['landing page', landing.mode],
    ['brand', landing.brand],
    ['listing', landing.listingUrl],
    ['required scopes', facts.requiredScopes.join(' ')],
    ['webhooks', facts.webhooks.map(({ url }) => url).join(' ')],
  ]);
  terminal.out('\n');
  printTable(terminal, ['client secret', 'created', 'last worked', 'retired'], secrets.map(Object.values));
  for (const { data_center: at, ...trouble } of troubles) {
    const state = trouble.blocked ? 'blocked' : 'refused once';
    terminal.out(`\n${at}: ${state} since ${trouble.since} (${trouble.reason}, Concur code ${trouble.concur_code})\n`);
  }
  for (const { data_center: at, tripped_at: since } of brakes.filter(({ on }) => on)) {
    terminal.out(`\n${at}: the brake is on since ${since}\n`);
  }
  if (events.length === 0) return;
  terminal.out('\n');
  const header = ['last events', 'type', 'actor', 'of', 'reason', 'correlation id'];
  const rows = events.map((event) => [
    event.at,
    event.type,
    event.actor,
    event.subject,
    event.reason,
    event.correlation_id,
  ]);
  printTable(terminal, header, rows);
}

async function addSecret(
  bench: Bench,
  name: string,
  { json, secretFile }: Options & { readonly secretFile: string },
): Promise<void> {
  const { terminal, tools } = bench;
  await oneApp(tools(), name);
  const secret = parseSecret(await readAll(terminal, secretFile));
  const { apps, clock } = tools();
  const vault = await tools().vault();
  const id = randomUUID();
  const [sealed, fingerprint] = await Promise.all([
    vault.seal(secret, sealContexts.clientSecret(id)),
    vault.fingerprint(secret, 'app_secrets'),
  ]);
  const outcome = await apps.addSecret(
    name,
    { id, sealed, fingerprint, createdAtMs: clock.now() },
    { revive: true, act: tools().act },
  );
  await tellGuardian(bench, name, 'probe');
  const secrets = (await apps.manySecrets(name)).map(buildSecretResource);
  if (json) return printJson(terminal, { app: name, outcome, secrets });
  const told = { added: 'Added; it is tried first.', known: 'It was on file already.', revived: 'Back in use.' };
  terminal.out(`${told[outcome]}\n`);
}

async function retireSecret(
  { terminal, tools }: Bench,
  name: string,
  id: string | undefined,
  { json, force }: Options & { readonly force?: true },
): Promise<void> {
  await oneApp(tools(), name);
  const { apps, clock, act } = tools();
  const inUse = (await apps.manySecrets(name)).filter(({ retiredAtMs }) => retiredAtMs === null);
  const chosen = id === undefined ? allButTheOneThatWorks(inUse) : [id];
  if (id !== undefined && !inUse.some((secret) => secret.id === id)) {
    throw new AppError('not-found', `App ${name} has no client secret ${id} in use`);
  }
  if (force !== true && chosen.length > 0 && chosen.length >= inUse.length) {
    throw new AppError('conflict', 'It is the last one: without it the app is blocked. --force retires it anyway.');
  }
  const retired: string[] = [];
  for (const secret of chosen) if (await apps.retireSecret(name, secret, clock.now(), act)) retired.push(secret);
  const secrets = (await apps.manySecrets(name)).map(buildSecretResource);
  if (json) return printJson(terminal, { app: name, retired, secrets });
  terminal.out(retired.length === 0 ? 'There is nothing to retire.\n' : `Retired: ${retired.join(', ')}.\n`);
}

function allButTheOneThatWorks(inUse: readonly AppSecretFacts[]): readonly string[] {
  if (inUse.length < 2) return [];
  const worked = inUse.filter(({ lastWorkedAtMs }) => lastWorkedAtMs !== null);
  const last = worked.toSorted((one, other) => (other.lastWorkedAtMs ?? 0) - (one.lastWorkedAtMs ?? 0))[0];
  if (last === undefined) {
    throw new AppError(
      'conflict',
      'None of them has worked yet, so it is not clear which to keep: name one by its id.',
    );
  }
  return inUse.filter((secret) => secret !== last).map(({ id }) => id);
}

/** The change is on file whatever becomes of Temporal; the guardian only makes it act sooner. */
async function tellGuardian(bench: Bench, app: string, signal: 'probe' | 'release'): Promise<void> {
  const { terminal, tools } = bench;
  try {
    const lifecycle = await tools().lifecycle();
    await lifecycle.toGuardian(app, signal, { actor: `cli:${terminal.user}` });
  } catch (error) {
    if (!isAppError(error, 'temporal-unavailable')) throw error;
    bench.tryAgain(`Recorded. ${error.message}; waiting connections are told when the same is done again.`);
  }
}

/** A line break at the end belongs to the file, not to the secret. */
function parseSecret(text: string): Secret {
  const value = text.replace(/\r?\n$/, '');
  if (/^[\x21-\x7e]{1,512}$/.test(value)) return new Secret(value);
  throw new AppError('bad-request', 'A client secret is 1 to 512 visible ASCII characters in one line.');
}

async function oneApp({ apps }: Toolbox, name: string): Promise<App> {
  const app = await apps.maybeOne(name);
  if (app === null) throw new AppError('not-found', `There is no app ${name}`, { details: { app: name } });
  return app;
}

function buildSecretResource(secret: AppSecretFacts) {
  return {
    id: secret.id,
    created_at: formatTime(secret.createdAtMs),
    last_worked_at: formatTime(secret.lastWorkedAtMs),
    retired_at: formatTime(secret.retiredAtMs),
  };
}
