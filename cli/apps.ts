import type { Command } from 'commander';
import { formatTime } from '../core/connection-resource.ts';
import { AppError } from '../core/errors.ts';
import { parseApp } from './parse.ts';
import { printFacts, printJson, printTable } from './print.ts';
import { addVerb, type Bench } from './verb.ts';

/** `evergrant apps …` */
export function addApps(program: Command, { terminal, tools }: Bench): void {
  const noun = program.command('apps').description("the partner's apps at SAP Concur");

  addVerb(noun, 'list', 'all apps').action(async ({ json }: { readonly json?: true }) => {
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

  addVerb(noun, 'show', 'one app with its secrets, which are named but not shown')
    .argument('<app>', 'name of the app', parseApp)
    .action(async (name: string, { json }: { readonly json?: true }) => {
      const [app, stored] = await Promise.all([tools().apps.maybeOne(name), tools().apps.secrets(name)]);
      if (app === null) throw new AppError('not-found', `There is no app ${name}`, { details: { app: name } });
      const secrets = stored.map(({ id, createdAtMs }) => ({ id, created_at: formatTime(createdAtMs) }));
      if (json) return printJson(terminal, { ...app, secrets });
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
        ['client secrets', secrets.map(({ id, created_at: at }) => `${id} (${at})`).join(', ')],
      ]);
    });
}
