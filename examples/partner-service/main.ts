/**
 * A partner's service in small: every few seconds it reads the profile of each connected company from SAP Concur. Runs
 * beside `npm start` of Evergrant as it is; see README.md for its variables.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AccessToken, Connection, ConnectionState } from './api-types.ts';
import { createEvergrantClient } from './evergrant-client.ts';
import { EvergrantError } from './evergrant-error.ts';

const developmentToken = fileURLToPath(new URL('../../.evergrant/dev-token', import.meta.url));
const {
  EVERGRANT_URL = 'http://localhost:8080',
  EVERGRANT_APP = 'demo-confirm',
  EVERGRANT_TOKEN_FILE = developmentToken,
  INTERVAL_SECONDS = '5',
} = process.env;

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

const evergrant = createEvergrantClient({
  baseUrl: EVERGRANT_URL,
  app: EVERGRANT_APP,
  // Read for every request: whoever renews the file need not restart this.
  token: async () => (await readFile(EVERGRANT_TOKEN_FILE, 'utf8')).trim(),
  signal: stop.signal,
});

/** They have no token any more, until their customer presses Connect again. */
const ended: ReadonlySet<ConnectionState> = new Set(['revoked', 'connect-failed']);

function print(who: string, what: string): void {
  console.log(`${new Date().toISOString()}  ${who.padEnd(24)}  ${what}`);
}

function nameOf({ company, principal_id }: Connection): string {
  return company?.name ?? principal_id;
}

async function readProfile(connection: Connection): Promise<void> {
  let used: AccessToken | null = null;
  const response = await evergrant.withToken(connection.principal_id, (token) => {
    used = token;
    return fetch(`${token.geolocation}/profile/v1/me`, {
      headers: { authorization: `${token.token_type} ${token.access_token}`, accept: 'application/json' },
      signal: AbortSignal.any([stop.signal, AbortSignal.timeout(30_000)]),
    });
  });
  const body = (await response.json()) as { readonly name?: string; readonly companyDomain?: string };
  const version = (used as AccessToken | null)?.version;
  print(nameOf(connection), `${response.status} ${body.companyDomain ?? ''}  token version ${version}`);
}

while (!stop.signal.aborted) {
  try {
    let count = 0;
    for await (const connection of evergrant.connections()) {
      if (ended.has(connection.state)) continue;
      count += 1;
      try {
        await readProfile(connection);
      } catch (error) {
        if (!(error instanceof EvergrantError)) throw error;
        const where = error.problem?.listing_url === undefined ? '' : `  (${error.problem.listing_url})`;
        print(nameOf(connection), `${error.code}: ${error.message}${where}`);
      }
    }
    if (count === 0) print(EVERGRANT_APP, 'no company is connected yet: press Connect in the sandbox');
  } catch (error) {
    if (!stop.signal.aborted) print('Evergrant', error instanceof Error ? error.message : String(error));
  }
  await sleep(Number(INTERVAL_SECONDS) * 1_000, undefined, { signal: stop.signal }).catch(() => undefined);
}
