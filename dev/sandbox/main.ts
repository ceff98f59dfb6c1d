/** The Concur sandbox as a process: `npm run sandbox`, and a part of `npm start`. */
import { announceReady } from '../../runtime/ready.ts';
import { SandboxConfigProblem, parseSandboxConfig } from './config.ts';
import { SandboxProblem } from './model/problem.ts';
import { createSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

/** EX_CONFIG of sysexits.h. */
const WRONG_CONFIGURATION = 78;

async function start(): Promise<Sandbox> {
  const config = parseSandboxConfig(process.env);
  return createSandbox({
    port: config.port,
    host: config.host,
    publicUrl: config.publicUrl,
    stateFile: config.stateFile,
    seed: 'demo',
    apps: config.apps,
    partner: config.partner,
    settings: {
      accessTokenTtlMs: config.accessTokenTtlMs,
      refreshTokenTtlMs: config.refreshTokenTtlMs,
      legacyTokenTtlMs: config.legacyTokenTtlMs,
      rotation: config.rotation,
    },
    // Weeks of short-lived tokens must not fill the memory.
    callLimit: 2_000,
    secretLimit: 20_000,
  });
}

async function main(): Promise<void> {
  const sandbox = await start();
  const stop = (): void => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
    process.off('disconnect', stop);
    sandbox.close().catch(fail);
    if (process.connected) process.disconnect();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Under `npm start`: the launcher is gone.
  process.on('disconnect', stop);
  announceReady(sandbox.url);
  console.log(`Concur sandbox: ${sandbox.url} (data centres ${Object.keys(sandbox.baseUris).join(', ')})`);
}

function fail(error: unknown): void {
  const isConfiguration = error instanceof SandboxConfigProblem || error instanceof SandboxProblem;
  const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  if (isTaken) console.error(`${(error as Error).message}: set SANDBOX_PORT to a free port`);
  else console.error(isConfiguration ? error.message : error);
  process.exitCode = isConfiguration ? WRONG_CONFIGURATION : 1;
}

main().catch(fail);
