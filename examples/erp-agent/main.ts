/** `evergrant-erp-agent`: keeps a valid SAP Concur access token at hand for an ERP, with outbound calls only. */
import { EnvHttpProxyAgent, fetch as undiciFetch } from 'undici';
import { createEvergrantClient } from '../partner-service/evergrant-client.ts';
import { createAuth } from './credential.ts';
import { type Door, openDoor } from './door.ts';
import { createKeeper } from './keeper.ts';
import { createLog } from './log.ts';
import { parseSettings, type Settings, SettingsError, usage } from './settings.ts';
import { createTokenFile } from './token-file.ts';

const EX_CONFIG = 78;

async function run(settings: Settings): Promise<void> {
  // The file and the socket are for their owner alone from the moment they exist.
  process.umask(0o177);
  const log = createLog((line) => void process.stdout.write(line));
  const stop = new AbortController();
  const { url, app, principal, tokenPath, socketPath, checkEveryMs, aheadMs } = settings;
  const dispatcher = new EnvHttpProxyAgent();
  const evergrant = createEvergrantClient({
    ...createAuth(settings, log),
    baseUrl: url,
    app,
    // The keeper has a patience of its own, which is longer.
    patienceMs: 0,
    fetch: (address, init) => undiciFetch(address, { ...init, dispatcher }),
    signal: stop.signal,
  });
  const file = tokenPath === null ? null : createTokenFile(tokenPath);
  const signal = stop.signal;
  const keeper = createKeeper({ app, principal, evergrant, file, log, checkEveryMs, aheadMs, signal });
  const door: Door | null = socketPath === null ? null : await openDoor(socketPath, keeper);

  // For an ERP that knows the file alone: the token that it holds was refused.
  process.on('SIGHUP', () => keeper.reject());
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  log.info('is up', { url, app, principal, token_path: tokenPath, socket: socketPath });
  try {
    await keeper.run();
  } finally {
    await door?.close();
    await dispatcher.destroy();
  }
  // The file stays: its token is good for the next start.
  log.info('has ended');
}

async function main(): Promise<void> {
  try {
    const settings = parseSettings(process.argv.slice(2), process.env);
    if (settings === null) console.log(usage);
    else await run(settings);
  } catch (error) {
    const isConfiguration = error instanceof SettingsError;
    console.error(`evergrant-erp-agent: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = isConfiguration ? EX_CONFIG : 1;
  }
}

void main();
