/**
 * Trouble with an app's own credentials. Concur's answer that it does not know the client, or its secret, hits every
 * connection of the app alike: the second such answer in a data centre blocks the app there, so that no connection
 * calls any more until somebody (the guardian's probe) has found out that the credentials work again.
 */
import type { Aggregate, AppTrouble, Changes } from './aggregate.ts';
import type { Verdict } from './concur-codes.ts';

/** One answer may be a mishap of Concur's; this many block. */
const CONFIRMED_BY = 2;

/** Actor of the commands that the guardian of an app gives. */
export const APP_GUARDIAN = 'app-guardian';

/** The connection that got the first answer asks again after this. */
export const RECHECK_MS = 2_000;

/** Connections of one app in a data centre call nobody while this is true. */
export function isBlocking({ failures }: AppTrouble): boolean {
  return failures >= CONFIRMED_BY;
}

/** The trouble that keeps connections from calling this data centre; null: they may. */
export function blockedAt(
  { appTroubles = [] }: Pick<Aggregate, 'appTroubles'>,
  dataCentre: string | null,
): AppTrouble | null {
  return appTroubles.find((trouble) => trouble.dataCentre === dataCentre && isBlocking(trouble)) ?? null;
}

/** Whether an answer speaks of the app's own credentials, whichever connection it was given to. */
export function isAppTrouble({ outcome }: Verdict): boolean {
  return outcome === 'app-blocked';
}

/** Whether `lastError.code` is one of this kind: every word for it begins like this. */
export function isAppTroubleReason(code: string): boolean {
  return code.startsWith(APP_TROUBLE_PREFIX);
}

export const APP_TROUBLE_PREFIX = 'client-';

/** What an answer about the credentials writes beside what it means for the connection. */
export interface NotedTrouble {
  readonly changes: Pick<Changes, 'appTrouble'>;
  /** The first of its kind: it is worth asking again at once. */
  readonly isFirst: boolean;
}

export function noteTrouble(
  { appTroubles = [] }: Pick<Aggregate, 'appTroubles'>,
  verdict: Verdict,
  at: { readonly dataCentre: string | null; readonly nowMs: number },
): NotedTrouble {
  const { dataCentre, nowMs } = at;
  if (!isAppTrouble(verdict) || dataCentre === null) return { changes: {}, isFirst: false };
  const { reason, concurCode } = verdict;
  const known = appTroubles.find((trouble) => trouble.dataCentre === dataCentre)?.failures ?? 0;
  return {
    changes: {
      appTrouble: { kind: 'refused', dataCentre, reason, concurCode, atMs: nowMs, blocks: known + 1 >= CONFIRMED_BY },
    },
    isFirst: known === 0,
  };
}

/** Whether what is written blocks the app: somebody has to find out when it works again. */
export function isBlock({ appTrouble }: Pick<Changes, 'appTrouble'>): boolean {
  return appTrouble?.kind === 'refused' && appTrouble.blocks;
}

/** What a token call that succeeded writes: the credentials are good. */
export function clearTrouble(
  { appTroubles = [] }: Pick<Aggregate, 'appTroubles'>,
  dataCentre: string | null,
): Pick<Changes, 'appTrouble'> {
  if (dataCentre === null || !appTroubles.some((trouble) => trouble.dataCentre === dataCentre)) return {};
  return { appTrouble: { kind: 'cleared', dataCentre } };
}

/** The verdict about a call that was not made, because the app is blocked there. */
export function blockedVerdict({ reason, concurCode }: AppTrouble): Verdict {
  return {
    outcome: 'app-blocked',
    scope: 'app',
    reason,
    pauseMs: null,
    slow: true,
    confirmAfterMs: null,
    alarm: false,
    mayHaveRotated: false,
    concurCode,
  };
}
