/**
 * Code 16, "user lives elsewhere": the same token request again at the data centre that the answer names. Concur's
 * docs, Authentication, "Base URIs".
 *
 * Guarantees: only known data centres, each once, a few hops at most, and nothing when the horizon is nearly over.
 */
import type { ConcurResult, DataCentre, HttpRequest, TokenAnswer, TokenCallOptions } from '../core/ports.ts';
import { type CallDependencies, call } from './call.ts';
import { createHorizon } from './horizon.ts';
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
  const horizon = createHorizon(deps.clock, options.horizonMs);
  const visited = new Set<string>();
  let dataCentre = first;
  for (;;) {
    const isFirst = visited.size === 0;
    visited.add(dataCentre.name);
    const onSent = (): void => {
      horizon.assertInTime();
      if (isFirst) options.onSent?.();
    };
    const result = await call(
      deps,
      { endpoint: 'token', dataCentre, request: build(dataCentre.baseUri), process: processTokenResponse },
      { horizonMs: isFirst ? options.horizonMs : horizon.leftMs(), onSent },
    );
    const next = targetOf(result);
    if (next === null || visited.has(next.name) || visited.size > MAX_HOPS || horizon.isTooLate()) return result;
    dataCentre = next;
  }
}

function targetOf(result: ConcurResult<TokenAnswer>): DataCentre | null {
  if (result.ok || result.failure.kind !== 'answer' || result.failure.concurCode !== LIVES_ELSEWHERE) return null;
  const { geolocation } = result.failure;
  return geolocation === 'foreign' ? null : geolocation;
}
