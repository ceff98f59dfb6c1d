import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { formatTime } from '../core/connection-resource.ts';
import { AppError } from '../core/errors.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import { type DeliveryState, SECRET_OVERLAP_MS } from '../core/webhooks.ts';
import { generateWebhookSecret } from '../vault/webhook-signature.ts';
import { parseApp, parseText, parseTtl } from './parse.ts';
import { printJson, printTable } from './print.ts';
import { addVerb, type Bench } from './verb.ts';

interface Options {
  readonly json?: true;
}

const DAY_MS = 86_400_000;
const LOOK_EVERY_MS = 250;
const PATIENCE_MS = 20_000;

/** `evergrant webhooks …` */
export function addWebhooks(program: Command, bench: Bench): void {
  const noun = program.command('webhooks').description('what partners are told of their connections');
  const add = (usage: string, description: string): Command =>
    addVerb(noun, usage, description).argument('<app>', 'name of the app', parseApp);

  add('list', 'endpoints of an app, and how they do').action((app: string, options: Options) =>
    list(bench, app, options),
  );
  add('test', 'send a test message to every endpoint, and wait for what comes of it').action(
    (app: string, options: Options) => test(bench, app, options),
  );
  add('replay', 'send again; endpoints that wanted no more are asked again')
    .option('--since <duration>', 'what was told within that time, such as 24h', parseTtl(30 * DAY_MS))
    .option('--message <id>', 'one message', parseText)
    .option('--failed', 'only what was given up')
    .action((app: string, options: Options & ReplayOptions) => replay(bench, app, options));
  add('rotate-secret', 'make a new secret and print it once; the one before signs beside it for a day').action(
    (app: string, options: Options) => rotateSecret(bench, app, options),
  );
}

async function list({ terminal, tools }: Bench, app: string, { json }: Options): Promise<void> {
  const { apps, webhooks, clock } = tools();
  await assertApp(apps, app);
  const [endpoints, secrets] = await Promise.all([webhooks.endpoints(app), webhooks.secrets(app, clock.now())]);
  const items = endpoints.map((endpoint) => ({
    url: endpoint.url,
    events: endpoint.events,
    disabled_at: formatTime(endpoint.disabledAtMs),
    pending: endpoint.pending,
    failed: endpoint.failed,
    last_delivered_at: formatTime(endpoint.lastDeliveredAtMs),
    last_error: endpoint.lastError,
  }));
  if (json) return printJson(terminal, { app, signing_secrets: secrets.length, items });
  const header = ['endpoint', 'events', 'state', 'pending', 'given up', 'last delivered', 'last error'];
  const rows = items.map((item) => [
    item.url,
    item.events.map((event) => event.replace('connection.', '')).join(' '),
    item.disabled_at === null ? 'on' : `off since ${item.disabled_at}`,
    String(item.pending),
    String(item.failed),
    item.last_delivered_at ?? '-',
    item.last_error ?? '-',
  ]);
  if (items.length === 0) {
    terminal.out(`${noEndpoints(app)}\n`);
    return;
  }
  printTable(terminal, header, rows);
  if (secrets.length === 0) {
    terminal.out(`Nothing is sent before there is a secret to sign with: evergrant webhooks rotate-secret ${app}\n`);
  }
}

async function test(bench: Bench, app: string, { json }: Options): Promise<void> {
  const { terminal, tools } = bench;
  const { apps, webhooks, clock } = tools();
  await assertApp(apps, app);
  if ((await webhooks.secrets(app, clock.now())).length === 0) {
    throw new AppError(
      'conflict',
      `There is no secret to sign with yet; make one: evergrant webhooks rotate-secret ${app}`,
    );
  }
  const endpoints = await webhooks.endpoints(app);
  if (endpoints.length === 0) throw new AppError('conflict', noEndpoints(app));
  const messageId = await webhooks.test(app, clock.now());
  let states: readonly DeliveryState[] = [];
  for (const until = clock.monotonic() + PATIENCE_MS; clock.monotonic() < until; await clock.sleep(LOOK_EVERY_MS)) {
    states = await webhooks.deliveries(messageId);
    if (states.every(({ attempts, lastStatus, lastError }) => attempts > 0 && (lastStatus ?? lastError) !== null))
      break;
  }
  const off = endpoints.filter(({ disabledAtMs }) => disabledAtMs !== null);
  const items = [
    ...states.map(({ url, status, lastStatus, lastError }) => ({
      url,
      status,
      http_status: lastStatus,
      error: lastError,
    })),
    ...off.map(({ url }) => ({ url, status: 'off', http_status: null, error: 'gone' })),
  ];
  if (json) printJson(terminal, { message_id: messageId, items });
  else {
    const rows = items.map((item) => [item.url, item.status, String(item.http_status ?? '-'), item.error ?? '-']);
    printTable(terminal, ['endpoint', 'result', 'http', 'error'], rows);
  }
  if (states.some(({ attempts }) => attempts === 0)) bench.tryAgain('No worker has taken it within 20 seconds.');
  else if (states.some(({ status }) => status !== 'delivered')) bench.fail('Not every endpoint has taken it.');
  else if (off.length > 0) {
    bench.fail(`An endpoint has asked for no more (410). To use it again: evergrant webhooks replay ${app} --failed`);
  }
}

interface ReplayOptions {
  readonly since?: number;
  readonly message?: string;
  readonly failed?: true;
}

async function replay({ terminal, tools }: Bench, app: string, options: Options & ReplayOptions): Promise<void> {
  const { since, message, failed, json } = options;
  const { apps, webhooks, clock, act } = tools();
  await assertApp(apps, app);
  if (since === undefined && message === undefined && failed !== true) {
    throw new AppError('bad-request', 'Say what to send again: --since 24h, --message ID or --failed.');
  }
  const nowMs = clock.now();
  const what = {
    sinceMs: since === undefined ? null : nowMs - since,
    messageId: message ?? null,
    onlyFailed: failed === true,
  };
  const count = await webhooks.replay(app, what, nowMs, act);
  if (json) return printJson(terminal, { app, deliveries: count });
  terminal.out(`${count} deliveries are on their way again.\n`);
}

async function rotateSecret({ terminal, tools }: Bench, app: string, { json }: Options): Promise<void> {
  const { apps, webhooks, clock, act, vault } = tools();
  await assertApp(apps, app);
  const secret = generateWebhookSecret();
  const id = randomUUID();
  const nowMs = clock.now();
  const sealed = await (await vault()).seal(secret, sealContexts.webhookSecret(id));
  const overlapUntilMs = nowMs + SECRET_OVERLAP_MS;
  await webhooks.addSecret(app, { id, sealed, createdAtMs: nowMs }, { overlapUntilMs }, act);
  if (json) return printJson(terminal, { secret: secret.reveal() });
  terminal.out(`${secret.reveal()}\n`);
  terminal.err(
    `Shown once. Until ${formatTime(overlapUntilMs)} messages carry a signature of the secret before it, too.\n`,
  );
}

function noEndpoints(app: string): string {
  return `App ${app} has no endpoints: they are named in the apps file (webhooks).`;
}

async function assertApp(apps: { maybeOne(app: string): Promise<object | null> }, app: string): Promise<void> {
  if ((await apps.maybeOne(app)) === null) throw new AppError('not-found', `There is no app "${app}".`);
}
