/** Finds what `npm start` has up, so that its user needs no environment for the command line. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Variables } from '../runtime/environment.ts';

/** What of `running.json` the command line needs. */
interface Running {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  /** What the parts were told: addresses, key file, mode. */
  readonly environment: Variables;
}

/**
 * The environment, completed by that of a running `npm start`; what was set stays. Left as it is when there is none, in
 * production, and when `DATABASE_URL` names another database: then the keys and the Temporal that run here are not its.
 */
export function completeVariables(variables: Variables): Variables {
  if (variables.EVERGRANT_MODE === 'production') return variables;
  const running = readRunning(resolve(variables.EVERGRANT_HOME || '.evergrant'));
  if (running === null) return variables;
  const { databaseUrl, temporalAddress, environment } = running;
  const isElsewhere = isSet(variables, 'DATABASE_URL') && variables.DATABASE_URL !== databaseUrl;
  if (isElsewhere) return variables;
  const found = { DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: temporalAddress, ...environment };
  const missing = Object.entries(found).filter(([name]) => !isSet(variables, name));
  return { ...variables, ...Object.fromEntries(missing) };
}

/** A secret may be set by its name or by that of its file; the two must not meet. */
function isSet(variables: Variables, name: string): boolean {
  const plain = name.replace(/_FILE$/, '');
  return Boolean(variables[plain] || variables[`${plain}_FILE`]);
}

function readRunning(home: string): Running | null {
  try {
    const value: Partial<Record<keyof Running, unknown>> = JSON.parse(readFileSync(join(home, 'running.json'), 'utf8'));
    const { databaseUrl, temporalAddress, environment } = value;
    if (typeof databaseUrl !== 'string' || typeof temporalAddress !== 'string') return null;
    return { databaseUrl, temporalAddress, environment: textsOf(environment) };
  } catch {
    return null;
  }
}

function textsOf(value: unknown): Variables {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, text]) => typeof text === 'string'));
}
