/**
 * One token call, made with the app's client secrets one after the other until Concur takes one: while secrets are
 * being exchanged no call fails because the wrong one was tried first.
 */
import { isAppTrouble } from '../core/app-trouble.ts';
import { type ConcurGrant, isLegacyError, judge } from '../core/concur-codes.ts';
import type { ConcurResult } from '../core/ports.ts';
import type { Canary } from './canary.ts';
import type { ActivityDeps, StoredCredentials } from './deps.ts';
import { isTooLate } from './unsent.ts';

export interface CredentialsTrial {
  readonly app: string;
  readonly grant: ConcurGrant;
  /** In the order to try. */
  readonly credentials: readonly StoredCredentials[];
  /** Whom a crowd waits for, at which data centre; null: this call is made whatever others have heard. */
  readonly canary: { readonly canary: Canary; readonly dataCentre: string } | null;
  /** Monotonic; past the budget for sending no further secret is tried. */
  readonly begunAt: number;
}

/** The answer that counts, and the credentials that it was given to. */
export interface Tried<T> {
  readonly result: ConcurResult<T>;
  readonly credentials: StoredCredentials;
}

/** Null when nothing was sent: the time for that was over, or there is no secret. */
export async function tryCredentials<T>(
  { apps, clock, log }: Pick<ActivityDeps, 'apps' | 'clock' | 'log'>,
  { app, grant, credentials, canary, begunAt }: CredentialsTrial,
  call: (credentials: StoredCredentials) => Promise<ConcurResult<T>>,
): Promise<Tried<T> | null> {
  const tried = new Set<string>();
  const untried = (all: readonly StoredCredentials[]) => all.find(({ secretId }) => !tried.has(secretId));
  let known = credentials;
  let next = untried(known);
  let last: Tried<T> | undefined;
  while (next !== undefined) {
    const one = next;
    tried.add(one.secretId);
    // Right before the sending: others may count on a call that was begun long ago having been made.
    const callInTime = async () => (isTooLate(clock, begunAt) ? null : await call(one));
    const result =
      canary === null
        ? await callInTime()
        : await canary.canary.ask(`${app}:${canary.dataCentre}:${one.secretId}`, callInTime, (answer) =>
            isRefused(grant, answer) ? 'refused' : isProof(grant, answer) ? 'taken' : 'nothing',
          );
    if (result === null) return last ?? null;
    last = { result, credentials: one };
    if (!isRefused(grant, result) && !maySpeakOfSecret(result)) {
      if (isProof(grant, result)) apps.worked(app, one.secretId);
      return last;
    }
    next = untried(known);
    if (next !== undefined) continue;
    // One may have been added since these were read.
    try {
      known = (await apps.one(app, { fresh: true })).credentials;
    } catch (error) {
      log.warn({ err: error, app }, 'the client secrets could not be read again');
    }
    next = untried(known);
  }
  return last ?? null;
}

function isRefused(grant: ConcurGrant, result: ConcurResult<unknown>): boolean {
  return !result.ok && isAppTrouble(judge(grant, result.failure));
}

/** In the flow of before 2017 a wrong secret has no word of its own: the next one tells. */
function maySpeakOfSecret(result: ConcurResult<unknown>): boolean {
  return !result.ok && isLegacyError(result.failure);
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
