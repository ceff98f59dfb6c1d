import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import type { Part } from '../dev/stack/part.ts';
import { inLanes } from './in-lanes.ts';
import type { Victim } from './kills.ts';
import type { Place } from './place.ts';

/** Any time that is not now. */
const NOT_DUE = "now() + interval '1 day'";

export interface CronRival extends Victim {
  /** Refreshes per second, over `ms`. */
  rate(ms: number): Promise<number>;
  close(): Promise<void>;
}

/** The cron job with grants of its own at the sandbox, of an app of its own. */
export async function createCronRival(
  place: Place,
  backend: Backend,
  { count, everyMs, lifeMs }: { readonly count: number; readonly everyMs: number; readonly lifeMs: number },
): Promise<CronRival> {
  const { sandbox } = backend;
  const app = sandbox.addApp({ connectUri: 'http://127.0.0.1:1/connect/cron' });
  const secret = app.secrets.at(-1)?.value ?? '';
  const tokenUrl = `${sandbox.baseUris.us2}/oauth2/v0/token`;
  const database = new pg.Pool({ connectionString: backend.database.adminUrl, max: 2 });
  // At the end the server goes first where something failed, and that failure is what counts.
  database.on('error', () => undefined);
  await database.query(
    `CREATE TABLE rival_connections (id text PRIMARY KEY, refresh_token text NOT NULL, access_token text,
       version int NOT NULL DEFAULT 1, failures int NOT NULL DEFAULT 0, due_at timestamptz NOT NULL);
     CREATE INDEX ON rival_connections (due_at)`,
  );
  /** With an exchange of its own; none of its business. */
  const addOne = async (): Promise<string> => {
    const company = sandbox.addCompany({ name: 'Cron', domain: `${randomUUID()}.example`, dataCentre: 'us2' });
    sandbox.addUser({ companyId: company.id, webServicesAdmin: true });
    const { requestToken } = sandbox.pressConnect({ clientId: app.clientId, principalId: company.id });
    const login = { username: company.id, password: requestToken, credtype: 'authtoken', grant_type: 'password' };
    const response = await fetch(`${sandbox.baseUris.glz}/oauth2/v0/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ ...login, client_id: app.clientId, client_secret: secret }).toString(),
    });
    const { refresh_token: token } = (await response.json()) as { readonly refresh_token?: string };
    if (token === undefined) throw new Error(`the exchange of the rival's request token answered ${response.status}`);
    await database.query(`INSERT INTO rival_connections (id, refresh_token, due_at) VALUES ($1, $2, ${NOT_DUE})`, [
      company.id,
      token,
    ]);
    return company.id;
  };
  const add = (wanted: number): Promise<readonly string[]> => inLanes(5, Array.from({ length: wanted }), addOne);
  const measured = await add(count);
  const env = {
    DATABASE_URL: backend.database.adminUrl,
    TOKEN_URL: tokenUrl,
    CLIENT_ID: app.clientId,
    CLIENT_SECRET: secret,
    AHEAD: String(everyMs / lifeMs),
    NODE_ENV: 'production',
  };
  const start = async (): Promise<Part> => (await place.start('rivals/cron-refresher.ts', env)).part;
  let part = await start();
  const versions = async (): Promise<number> => {
    const { rows } = await database.query<{ sum: string }>('SELECT sum(version) FROM rival_connections');
    return Number(rows[0]?.sum);
  };
  const setDue = async (ids: readonly string[], due: string): Promise<void> => {
    await database.query(`UPDATE rival_connections SET due_at = ${due} WHERE id = ANY ($1)`, [ids]);
  };
  return {
    async rate(ms) {
      await setDue(measured, 'now()');
      await pause(everyMs * 1.5);
      const before = await versions();
      const startedAtMs = performance.now();
      await pause(ms);
      const rate = ((await versions()) - before) / ((performance.now() - startedAtMs) / 1_000);
      await setDue(measured, NOT_DUE);
      return rate;
    },
    clientId: app.clientId,
    add,
    makeDue: (ids) => setDue(ids, 'now()'),
    async kill() {
      process.kill(part.pid, 'SIGKILL');
      await part.ended;
    },
    async restart() {
      part = await start();
    },
    async untilQuiet(ids) {
      // What was being refreshed is due again: its transaction was undone. A failure is tried again in a minute, in vain.
      await waitFor('every row to be tried', 120_000, async () => {
        const { rows } = await database.query<{ count: string }>(
          'SELECT count(*) FROM rival_connections WHERE id = ANY ($1) AND due_at <= now()',
          [ids],
        );
        return rows[0]?.count === '0' ? true : null;
      });
    },
    async storedTokens(ids) {
      const { rows } = await database.query<{ id: string; refresh_token: string }>(
        'SELECT id, refresh_token FROM rival_connections WHERE id = ANY ($1)',
        [ids],
      );
      return ids.map((wanted) => rows.find(({ id }) => id === wanted)?.refresh_token ?? null);
    },
    close: () => database.end(),
  };
}
