/**
 * Code 16, "user lives elsewhere": the same token request again at the data centre that the answer names. Concur's
 * docs, Authentication, "Base URIs". Known data centres only, a few hops at most.
 */
import type { ConcurResult, DataCentre, HttpRequest, TokenAnswer, TokenCallOptions } from '../core/ports.ts';
import { type CallDependencies, call } from './call.ts';
import { processTokenResponse } from './token-response.ts';

const MAX_HOPS = 3;
const LIVES_ELSEWHERE = 16;

/**
 * `options.horizonMs` spans all hops; `onSent` is called once, at the first. An answer of code 16 that cannot be
 * followed is handed back as it is.
 */
export async function callFollowing(
  deps: CallDependencies,
  first: DataCentre,
  build: (baseUri: string) => HttpRequest,
  options: TokenCallOptions,
): Promise<ConcurResult<TokenAnswer>> {
  const started = deps.clock.monotonic();
  let dataCentre = first;
  for (let hop = 0; ; hop += 1) {
    const remainingMs = Math.max(1, options.horizonMs - (deps.clock.monotonic() - started));
    const result = await call(
      deps,
      { endpoint: 'token', dataCentre, request: build(dataCentre.baseUri), process: processTokenResponse },
      hop === 0 ? options : { horizonMs: remainingMs },
    );
    const next = hop < MAX_HOPS ? targetOf(result) : null;
    if (next === null || next.name === dataCentre.name) return result;
    dataCentre = next;
  }
}

function targetOf(result: ConcurResult<TokenAnswer>): DataCentre | null {
  if (result.ok || result.failure.kind !== 'answer' || result.failure.concurCode !== LIVES_ELSEWHERE) return null;
  const { geolocation } = result.failure;
  return geolocation === 'foreign' ? null : geolocation;
}
