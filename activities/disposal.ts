/**
 * What becomes of tokens that Concur gave for a connect that can't be finished. They are revoked, so that the
 * administrator can try again; unless that would end a living connection, as Concur's revoke ends all tokens of a
 * principal and app. A grant that could be neither kept nor revoked is on record as `unrevoked`.
 */
import { judge } from '../core/concur-codes.ts';
import { isUnverified } from '../core/command-transitions.ts';
import { isLiving } from '../core/connection.ts';
import type { AppCredentials, TokenAnswer } from '../core/ports.ts';
import type { ActivityDeps } from './deps.ts';

export type Disposal = 'revoked' | 'discarded' | 'unrevoked';

export interface Unwanted {
  readonly app: string;
  /** Whose tokens they are; null: nobody can tell, so nobody's connection may be ended with them. */
  readonly subject: string | null;
  readonly answer: TokenAnswer;
  /** Where to revoke: the tokens' own data centre, the landing zone where that can't be trusted. */
  readonly dataCentre: string;
  /** To ask with whether a revoke that was refused is done; null: the app has none just now. */
  readonly credentials: AppCredentials | null;
}

const PAUSES_MS = [0, 1_000, 5_000] as const;

export async function dispose(
  deps: Pick<ActivityDeps, 'clock' | 'concur' | 'connections' | 'log' | 'policy'>,
  { app, subject, answer, dataCentre, credentials }: Unwanted,
): Promise<Disposal> {
  const { clock, concur, connections, log, policy } = deps;
  if (subject !== null) {
    const other = await connections.maybeOne({ app, principal: subject });
    if (other?.connection != null && isLiving(other.connection.state)) return 'discarded';
  }
  const options = { horizonMs: policy.concurTimeoutMs };
  const isLegacy = answer.tokenType === 'OAuth';
  let { accessToken, refreshToken }: Pick<TokenAnswer, 'accessToken' | 'refreshToken'> = answer;
  // A revoke of the flow of before 2017 ends that one token and no more, whoever it belongs to.
  for (const pauseMs of subject === null && !isLegacy ? [] : PAUSES_MS) {
    await clock.sleep(pauseMs);
    const given = { dataCentre, accessToken };
    const revoked = isLegacy
      ? await concur.revokeLegacyToken(given, options)
      : await concur.revokeConnection(given, options);
    if (revoked.ok) return 'revoked';
    const verdict = judge('revoke', revoked.failure);
    if (verdict.outcome === 'revoked') return 'revoked';
    // Refused: the access token is stale, or an earlier try was carried out after all. A refresh tells.
    if (isLegacy || !isUnverified(verdict) || refreshToken === null || credentials === null) continue;
    const refreshed = await concur.refreshTokens({ credentials, dataCentre, refreshToken }, options);
    if (refreshed.ok) {
      accessToken = refreshed.value.accessToken;
      // Under strict rotation the one before is dead now, which would read as a confirmation.
      refreshToken = refreshed.value.refreshToken ?? refreshToken;
    } else if (judge('refresh', refreshed.failure).outcome === 'dead') return 'revoked';
  }
  log.error({ app, dataCentre, subject }, 'what was obtained could not be revoked');
  return 'unrevoked';
}
