/** From Concur's token answer to what the row keeps of it. */
import type { CallTimes, DataCentre, TokenAnswer } from '../core/ports.ts';
import { REFRESH_TOKEN_LIFE_MS } from '../core/refresh-policy.ts';
import type { GrantFacts } from '../core/transition.ts';

/**
 * `stays` is the data centre to keep when the answer names none, or one that is not on the allow-list: a token
 * that is good is saved, a host that nobody knows is never called.
 */
export function buildGrantFacts(
  answer: TokenAnswer,
  times: Pick<CallTimes, 'sentAtMs' | 'endedAtMs'>,
  context: { readonly stays: DataCentre; readonly requiredScopes: readonly string[] },
): GrantFacts {
  const dataCentre =
    answer.geolocation === null || answer.geolocation === 'foreign' ? context.stays : answer.geolocation;
  const granted = new Set(answer.scope.split(' '));
  return {
    dataCentre: dataCentre.name,
    geolocation: dataCentre.baseUri,
    tokenType: answer.tokenType,
    scope: answer.scope,
    missingScopes: context.requiredScopes.filter((scope) => !granted.has(scope)),
    sentAtMs: times.sentAtMs,
    // The token began to age when Concur made it, which was not before the request was sent.
    accessTokenExpiresAtMs: times.sentAtMs + answer.expiresInSeconds * 1_000,
    refreshTokenExpiresAtMs: answer.refreshExpiresAtMs ?? times.endedAtMs + REFRESH_TOKEN_LIFE_MS,
  };
}
