import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { formatTime } from '../core/connection-resource.ts';
import { AppError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import type { StoredCode } from '../core/stores.ts';
import { buildVerificationCode, CODE_BYTES, verificationCodeContext } from '../core/verification-code.ts';
import { parseApp, parsePrincipal, parseText, parseTtl } from './parse.ts';
import { printFacts, printJson, printTable } from './print.ts';
import { addVerb, type Bench } from './verb.ts';

interface CreateOptions {
  readonly json?: true;
  readonly label?: string;
  readonly customerRef?: string;
  readonly principal?: string;
  readonly ttl: number;
}

const DAY_MS = 86_400_000;
const DEFAULT_TTL_MS = 7 * DAY_MS;
const LONGEST_TTL_MS = 30 * DAY_MS;

/** `evergrant codes …` */
export function addCodes(program: Command, bench: Bench): void {
  const { terminal, tools } = bench;
  const noun = program.command('codes').description('verification codes for landing pages');

  addVerb(noun, 'create', 'a code for one Connect, printed once')
    .argument('<app>', 'name of the app', parseApp)
    .option('--label <text>', 'what it is for, for people', parseText)
    .option('--customer-ref <ref>', "the partner's own name for the customer", parseText)
    .option('--principal <uuid>', 'only for this company or user', parsePrincipal)
    .option(
      '--ttl <duration>',
      'how long it may be used, 7d unless told otherwise',
      parseTtl(LONGEST_TTL_MS),
      DEFAULT_TTL_MS,
    )
    .action((app: string, options: CreateOptions) => create(bench, app, options));

  addVerb(noun, 'list', 'codes of an app, newest first, without the codes')
    .argument('<app>', 'name of the app', parseApp)
    .action(async (app: string, { json }: { readonly json?: true }) => {
      const items = (await tools().codes.many(app)).map(buildCodeResource);
      if (json) return printJson(terminal, { items });
      const header = ['id', 'label', 'customer', 'principal', 'created', 'expires', 'used', 'revoked'];
      printTable(
        terminal,
        header,
        items.map((item) => Object.values(item)),
      );
    });

  addVerb(noun, 'revoke', 'a code that has not been used')
    .argument('<app>', 'name of the app', parseApp)
    .argument('<id>', 'id of the code, as the list shows it', parseText)
    .action(async (app: string, id: string, { json }: { readonly json?: true }) => {
      const { codes, clock, act } = tools();
      const revoked = await codes.revoke(app, id, clock.now(), act);
      const code = (await codes.many(app)).find((known) => known.id === id);
      if (code === undefined) throw new AppError('not-found', `App ${app} has no code ${id}`);
      if (!revoked && code.usedAtMs !== null) throw new AppError('conflict', `Code ${id} has been used already`);
      const resource = buildCodeResource(code);
      if (json) printJson(terminal, resource);
      else terminal.out(`Code ${id} is revoked since ${resource.revoked_at}.\n`);
    });
}

async function create({ terminal, tools }: Bench, app: string, options: CreateOptions): Promise<void> {
  const { apps, codes, clock, act } = tools();
  const known = await apps.maybeOne(app);
  if (known === null) throw new AppError('not-found', `There is no app ${app}`, { details: { app } });
  if (known.landing.mode !== 'verification-code') {
    terminal.err(`The landing page of ${app} asks for no code: its mode is ${known.landing.mode}.\n`);
  }
  const vault = await tools().vault();
  const code = buildVerificationCode(randomBytes(CODE_BYTES));
  const createdAtMs = clock.now();
  const expiresAtMs = createdAtMs + options.ttl;
  const { id } = await codes.create({
    app,
    fingerprint: await vault.fingerprint(new Secret(code), verificationCodeContext(app)),
    label: options.label ?? null,
    customerRef: options.customerRef ?? null,
    principal: options.principal ?? null,
    createdBy: act.actor,
    correlationId: act.correlationId,
    createdAtMs,
    expiresAtMs,
  });
  if (options.json) return printJson(terminal, { code, expires_at: formatTime(expiresAtMs) });
  printFacts(terminal, [
    ['code', code],
    ['expires at', formatTime(expiresAtMs)],
    ['id', id],
  ]);
  terminal.err('The code is not shown again.\n');
}

function buildCodeResource(code: StoredCode) {
  return {
    id: code.id,
    label: code.label,
    customer_ref: code.customerRef,
    principal_id: code.principal,
    created_at: formatTime(code.createdAtMs),
    expires_at: formatTime(code.expiresAtMs),
    used_at: formatTime(code.usedAtMs),
    revoked_at: formatTime(code.revokedAtMs),
  };
}
