/** Finds what `npm start` has up, so that its user needs no environment for the command line. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Variables } from '../runtime/environment.ts';

/** What of `running.json` the command line needs. */
interface Running {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly apiUrl: string;
}

/** File in `EVERGRANT_HOME` with the development keys, in the form of `EVERGRANT_KEKS`. */
const KEKS_FILE = 'keks';

/**
 * The environment, completed by the addresses and keys of a running `npm start`. Left as it is when there is none, in
 * production, and when `DATABASE_URL` names another database: then its keys and its Temporal are not ours.
 */
export function completeVariables(variables: Variables): Variables {
  if (variables.EVERGRANT_MODE === 'production') return variables;
  const home = resolve(variables.EVERGRANT_HOME || '.evergrant');
  const running = readRunning(home);
  if (running === null) return variables;
  const isElsewhere = isSet(variables, 'DATABASE_URL') && variables.DATABASE_URL !== running.databaseUrl;
  if (isElsewhere) return variables;
  const found: Variables = {
    EVERGRANT_MODE: 'development',
    DATABASE_URL: running.databaseUrl,
    TEMPORAL_ADDRESS: running.temporalAddress,
    PUBLIC_URL: running.apiUrl,
  };
  const missing = Object.entries(found).filter(([name]) => !isSet(variables, name));
  const keks = isSet(variables, 'EVERGRANT_KEKS') ? {} : { EVERGRANT_KEKS_FILE: join(home, KEKS_FILE) };
  return { ...variables, ...Object.fromEntries(missing), ...keks };
}

function isSet(variables: Variables, name: string): boolean {
  return Boolean(variables[name] || variables[`${name}_FILE`]);
}

function readRunning(home: string): Running | null {
  try {
    const value: Partial<Record<keyof Running, unknown>> = JSON.parse(readFileSync(join(home, 'running.json'), 'utf8'));
    const { databaseUrl, temporalAddress, apiUrl } = value;
    if (typeof databaseUrl !== 'string' || typeof temporalAddress !== 'string') return null;
    return { databaseUrl, temporalAddress, apiUrl: typeof apiUrl === 'string' ? apiUrl : '' };
  } catch {
    return null;
  }
}
