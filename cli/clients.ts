import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { formatTime } from '../core/connection-resource.ts';
import { AppError } from '../core/errors.ts';
import type { ApiClient } from '../core/stores.ts';
import { DEFAULT_TOKEN_TTL_MS, LONGEST_TOKEN_TTL_MS } from '../vault/local-issuer.ts';
import { parsePublicJwk } from '../vault/public-jwk.ts';
import { collect, parseApp, parsePrincipal, parseScope, parseText, parseTtl } from './parse.ts';
import { printFacts, printJson, printTable } from './print.ts';
import { readAll } from './terminal.ts';
import { addVerb, type Bench } from './verb.ts';

interface CreateOptions {
  readonly json?: true;
  readonly name: string;
  readonly scope: readonly string[];
  readonly app: readonly string[];
  readonly principal?: readonly string[];
  readonly ttl?: number;
  readonly jwk?: string;
}

/** `evergrant clients …` */
export function addClients(program: Command, bench: Bench): void {
  const { terminal, tools } = bench;
  const noun = program.command('clients').description('partner services that may call the API');

  addVerb(noun, 'create', 'a client with a bearer token, printed once, or with its own public key')
    .requiredOption('--name <name>', 'what it is, for people', parseText)
    .requiredOption('--scope <scope>', 'what it may do; may be repeated', collect(parseScope))
    .requiredOption('--app <app>', 'for which app, or * for all; may be repeated', collect(parseAppOrAll))
    .option('--principal <uuid>', 'for this principal only; may be repeated', collect(parsePrincipal))
    .option('--ttl <duration>', 'life of the bearer token, 30d unless told otherwise', parseTtl(LONGEST_TOKEN_TTL_MS))
    .option('--jwk <file>', 'public key (JWK) of a client that signs its own tokens; - for standard input')
    .action((options: CreateOptions) => create(bench, options));

  addVerb(noun, 'list', 'all clients, the revoked ones too').action(async ({ json }: { readonly json?: true }) => {
    const items = (await tools().clients.many()).map(buildClientResource);
    if (json) return printJson(terminal, { items });
    const header = ['client id', 'name', 'scope', 'app', 'principal', 'kind', 'created', 'expires', 'revoked'];
    const rows = items.map((item) => [
      item.client_id,
      item.name,
      item.scope,
      item.app === '*' ? '*' : item.app.join(' '),
      item.principal === null ? '*' : item.principal.join(' '),
      item.kind,
      item.created_at,
      item.expires_at,
      item.revoked_at,
    ]);
    printTable(terminal, header, rows);
  });

  addVerb(noun, 'revoke', 'refuse a client from now on')
    .argument('<client-id>', 'its id', parseText)
    .action(async (id: string, { json }: { readonly json?: true }) => {
      const { clients, clock, act } = tools();
      await clients.revoke(id, clock.now(), act);
      const client = await clients.maybeOne(id);
      if (client === null) throw new AppError('not-found', `There is no client ${id}`);
      const resource = buildClientResource(client);
      if (json) printJson(terminal, resource);
      else terminal.out(`Client ${id} (${client.name}) is revoked since ${resource.revoked_at}.\n`);
    });
}

async function create({ terminal, tools }: Bench, options: CreateOptions): Promise<void> {
  const { config, clients, clock, act } = tools();
  const { name, json, jwk: file, ttl } = options;
  if (file !== undefined && ttl !== undefined) {
    throw new AppError('bad-request', '--ttl: a client with a key of its own decides how long its tokens live');
  }
  const id = randomUUID();
  const scopes = [...new Set(options.scope)];
  const apps: ApiClient['apps'] = options.app.includes('*') ? '*' : [...new Set(options.app)];
  const principals = options.principal === undefined ? null : [...new Set(options.principal)];
  const client = { id, name, scopes, apps, principals, createdAtMs: clock.now(), revokedAtMs: null } as const;
  for (const app of apps === '*' ? [] : apps) {
    if ((await tools().apps.maybeOne(app)) === null) terminal.err(`There is no app ${app} yet: is the name right?\n`);
  }

  if (file !== undefined) {
    const jwk = await parsePublicJwk(await readAll(terminal, file));
    await clients.create({ ...client, jwk, expiresAtMs: null }, act);
    if (json) return printJson(terminal, { client_id: id, token: null, expires_at: null });
    return printFacts(terminal, [['client id', id]]);
  }
  if (!config.authIssuers.some(({ kind }) => kind === 'local')) {
    throw new AppError('configuration-invalid', 'AUTH_ISSUERS: the built-in issuer is off, so it can give no tokens');
  }
  // The default is a developer's; the API, which has its own address in production, would refuse the token.
  if (config.mode === 'production' && !config.publicUrl.startsWith('https:')) {
    throw new AppError(
      'configuration-invalid',
      'PUBLIC_URL: is not set; it must be that of the API, which issues the token',
    );
  }
  const issuer = await tools().issuer();
  const request = { issuer: config.publicUrl, clientId: id, scopes, apps, principals };
  const { token, expiresAtMs } = await issuer.mint({ ...request, ttlMs: ttl ?? DEFAULT_TOKEN_TTL_MS });
  await clients.create({ ...client, jwk: null, expiresAtMs }, act);
  // The one time that it is shown.
  const shown = token.reveal();
  if (json) return printJson(terminal, { client_id: id, token: shown, expires_at: formatTime(expiresAtMs) });
  printFacts(terminal, [
    ['client id', id],
    ['token', shown],
    ['expires at', formatTime(expiresAtMs)],
  ]);
  terminal.err('The token is not shown again.\n');
}

function parseAppOrAll(text: string): string {
  return text === '*' ? text : parseApp(text);
}

function buildClientResource(client: ApiClient) {
  return {
    client_id: client.id,
    name: client.name,
    scope: client.scopes.join(' '),
    app: client.apps,
    principal: client.principals,
    kind: client.jwk === null ? 'token' : 'jwk',
    created_at: formatTime(client.createdAtMs),
    expires_at: formatTime(client.expiresAtMs),
    revoked_at: formatTime(client.revokedAtMs),
  };
}
