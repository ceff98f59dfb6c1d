import type { Command } from 'commander';
import type { ConnectionState } from '../core/connection.ts';
import { buildEventResource } from '../core/event-resource.ts';
import { listingUrlOf, oneConnection, oneResource, resourceOf } from './one-connection.ts';
import { parseApp, parseLimit, parsePrincipal, parseState, parseText } from './parse.ts';
import { printConnection, printConnections, printEvents, printJson } from './print.ts';
import { addVerb, type Bench } from './verb.ts';

interface ListOptions {
  readonly json?: true;
  readonly state?: ConnectionState;
  readonly dataCenter?: string;
  readonly customerRef?: string;
  readonly cursor?: string;
  readonly limit: number;
}

const PAGE = 50;

/** `evergrant connections list | show | events` */
export function addReadingVerbs(noun: Command, { terminal, tools }: Bench): void {
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
