/**
 * One token call, made with the app's client secrets one after the other until Concur takes one: while secrets are
 * being exchanged no call fails because the wrong one was tried first.
 */
import { isAppTrouble } from '../core/app-trouble.ts';
import { type ConcurGrant, judge } from '../core/concur-codes.ts';
import type { ConcurResult } from '../core/ports.ts';
import type { ActivityDeps, StoredCredentials } from './deps.ts';
import { isTooLate } from './unsent.ts';

export interface CredentialsTrial {
  readonly app: string;
  readonly grant: ConcurGrant;
  /** In the order to try; not empty. */
  readonly credentials: readonly StoredCredentials[];
  /** Monotonic; past the budget for sending no further secret is tried. */
  readonly begunAt: number;
}

/** The answer that counts, and the credentials that it was given to. */
export interface Tried<T> {
  readonly result: ConcurResult<T>;
  readonly credentials: StoredCredentials;
}

export async function tryCredentials<T>(
  { apps, clock, log }: Pick<ActivityDeps, 'apps' | 'clock' | 'log'>,
  { app, grant, credentials, begunAt }: CredentialsTrial,
  call: (credentials: StoredCredentials) => Promise<ConcurResult<T>>,
): Promise<Tried<T>> {
  const tried = new Set<string>();
  const untried = (all: readonly StoredCredentials[]) => all.find(({ secretId }) => !tried.has(secretId));
  let known = credentials;
  let next = untried(known);
  let last: Tried<T> | undefined;
  while (next !== undefined) {
    tried.add(next.secretId);
    const result = await call(next);
    last = { result, credentials: next };
    if (!isRefused(grant, result)) {
      if (isProof(grant, result)) apps.worked(app, next.secretId);
      return last;
    }
    if (isTooLate(clock, begunAt)) return last;
    next = untried(known);
    if (next !== undefined) continue;
    // One may have been added since these were read.
    try {
      known = (await apps.one(app, { fresh: true })).credentials;
    } catch (error) {
      log.warn({ err: error, app }, 'the client secrets could not be read again');
    }
    next = isTooLate(clock, begunAt) ? undefined : untried(known);
  }
  if (last === undefined) throw new Error('no credentials to try');
  return last;
}

function isRefused(grant: ConcurGrant, result: ConcurResult<unknown>): boolean {
  return !result.ok && isAppTrouble(judge(grant, result.failure));
}

/** Whether Concur looked past the credentials: it gave tokens, or named something else that is wrong. */
export function isProof(grant: ConcurGrant, result: ConcurResult<unknown>): boolean {
  if (result.ok) return true;
  const { failure } = result;
  if (failure.kind !== 'answer' || isRefused(grant, result)) return false;
  const { status, concurCode, oauthError } = failure;
  const isItsOwn = concurCode !== null || oauthError !== null;
  return isItsOwn && status >= 400 && status < 500 && status !== 408 && status !== 429;
}
