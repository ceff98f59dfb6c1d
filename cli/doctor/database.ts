import { isBlocking } from '../../core/app-trouble.ts';
import { isBrakeOn } from '../../core/brake.ts';
import { isAppError } from '../../core/errors.ts';
import { OVERDUE_MS } from '../../core/reconcile.ts';
import type { App } from '../../core/stores.ts';
import { pendingMigrations } from '../../db/migrate.ts';
import { examineServer } from '../../db/server-facts.ts';
import type { Toolbox } from '../toolbox.ts';
import { clockFinding, type Finding, fail, ok, warn } from './finding.ts';

const OLDEST_SERVER = 14;

/** The database, what belongs to it, and what it says of apps and connections. */
export async function checkDatabase(tools: Toolbox): Promise<readonly Finding[]> {
  const server = await attempt('database', 'Check DATABASE_URL and the server.', () =>
    examineServer(tools.config.databaseUrl),
  );
  if ('status' in server) return [server];
  const findings = [
    server.major >= OLDEST_SERVER
      ? ok('database', `PostgreSQL ${server.version}`)
      : fail('database', `PostgreSQL ${server.version}`, `Evergrant needs PostgreSQL ${OLDEST_SERVER} or later.`),
    clockFinding('clock of the database', Date.now() - server.nowMs),
  ];
  const pending = await pendingMigrations(tools.config.databaseUrl);
  if (pending.length > 0) {
    return [...findings, fail('migrations', `pending: ${pending.join(', ')}`, 'Run: evergrant migrate')];
  }
  findings.push(ok('migrations', 'applied'));
  findings.push(
    server.isOwner
      ? warn('role', `${server.role} owns the tables`, 'Let the application connect as a member of evergrant_app.')
      : ok('role', server.role),
  );
  const own = await attempt('installation', 'Use the keys and the mode of this installation.', () => tools.assertOwn());
  findings.push(own !== undefined ? own : ok('installation', `mode ${tools.config.mode}`));
  return [...findings, await checkKeys(tools), ...(await checkApps(tools)), await checkOverdue(tools)];
}

async function checkKeys(tools: Toolbox): Promise<Finding> {
  if (tools.config.keks.length === 0) {
    return warn('keys', 'not looked at', 'Set EVERGRANT_KEKS to have the keys checked, too.');
  }
  const opened = await attempt('keys', 'Give every key-encryption key that is still in use in EVERGRANT_KEKS.', () =>
    tools.vault(),
  );
  return 'status' in opened ? opened : ok('keys', 'every data key opens');
}

async function checkApps(tools: Toolbox): Promise<readonly Finding[]> {
  const apps = await tools.apps.many();
  if (apps.length === 0) return [warn('apps', 'none', 'Declare the apps in APPS_FILE and start the API.')];
  const found = await Promise.all(
    apps.map(async (app) => [await checkApp(tools, app), await checkWebhooks(tools, app)]),
  );
  return found.flat().filter((finding) => finding !== null);
}

async function checkApp({ apps, troubles, brakes }: Toolbox, { app }: App): Promise<Finding> {
  const check = `app ${app}`;
  const [secrets, found, stopped] = await Promise.all([apps.secrets(app), troubles.many(app), brakes.many(app)]);
  if (secrets.length === 0) return fail(check, 'no client secret', `Run: evergrant apps secret-add ${app}`);
  const blocked = found.filter(isBlocking).map(({ dataCentre, reason }) => `${reason} in ${dataCentre}`);
  if (blocked.length > 0) {
    return fail(
      check,
      `blocked: ${blocked.join(', ')}`,
      `Mend the app's credentials: evergrant apps secret-add ${app}`,
    );
  }
  const held = stopped.filter(isBrakeOn).map(({ dataCentre }) => dataCentre);
  if (held.length > 0) {
    const todo = `Find out why so many connections ended at once, then: evergrant apps release ${app}`;
    return fail(check, `the brake is on in ${held.join(', ')}`, todo);
  }
  return ok(check, `${secrets.length} client secret${secrets.length === 1 ? '' : 's'}`);
}

/** Null for an app that tells nobody anything. */
async function checkWebhooks({ webhooks, clock }: Toolbox, { app }: App): Promise<Finding | null> {
  const [endpoints, secrets] = await Promise.all([webhooks.endpoints(app), webhooks.secrets(app, clock.now())]);
  if (endpoints.length === 0) return null;
  const check = `webhooks of ${app}`;
  if (secrets.length === 0) {
    return warn(check, 'nothing is sent: no secret to sign with', `Run: evergrant webhooks rotate-secret ${app}`);
  }
  const off = endpoints.filter(({ disabledAtMs }) => disabledAtMs !== null).map(({ url }) => new URL(url).origin);
  const givenUp = endpoints.reduce((sum, { failed }) => sum + failed, 0);
  if (off.length === 0 && givenUp === 0) return ok(check, `${endpoints.length} endpoints`);
  const found = [off.length > 0 && `off since a 410: ${off.join(', ')}`, givenUp > 0 && `given up: ${givenUp}`];
  return warn(
    check,
    found.filter(Boolean).join('; '),
    `Mend the endpoint, then: evergrant webhooks replay ${app} --failed`,
  );
}

async function checkOverdue({ reconcile, clock }: Toolbox): Promise<Finding> {
  const { items, nextCursor } = await reconcile.manyOverdue({ dueByMs: clock.now() - OVERDUE_MS, limit: 100 });
  if (items.length === 0) return ok('overdue connections', 'none');
  const count = nextCursor === null ? String(items.length) : 'more than 100';
  return fail('overdue connections', count, 'See that workers run; then: evergrant reconcile');
}

/** What `look` gives, or what its known failure means. */
async function attempt<T>(check: string, todo: string, look: () => Promise<T>): Promise<T | Finding> {
  try {
    return await look();
  } catch (error) {
    if (!isAppError(error)) throw error;
    return fail(check, error.message, todo);
  }
}
