/**
 * Code 16, "user lives elsewhere": the same token request again at the data centre that the answer names. Concur's
 * docs, Authentication, "Base URIs".
 *
 * Guarantees: only known data centres, each once, a few hops at most; and nothing is sent when less than a third of the
 * horizon is left, or Concur might carry it out after everybody has given up on it.
 */
import type { ConcurResult, DataCentre, HttpRequest, TokenAnswer, TokenCallOptions } from '../core/ports.ts';
import { type CallDependencies, call } from './call.ts';
import { processTokenResponse } from './token-response.ts';
import { TransportError } from './transport-error.ts';

const MAX_HOPS = 3;
const LIVES_ELSEWHERE = 16;

/** Of the horizon, what has to be left when a request is sent: a minute of the default three, as Concur may take that. */
const LEAST_SHARE_LEFT = 1 / 3;

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
  const leftMs = (): number => options.horizonMs - (deps.clock.monotonic() - started);
  const isTooLate = (): boolean => leftMs() < options.horizonMs * LEAST_SHARE_LEFT;
  /** The last moment at which a request can be held back: it may have waited for a socket, or the process was frozen. */
  const assertInTime = (): void => {
    if (isTooLate()) throw new TransportError('timeout', false, 'Too little of the horizon is left to send anything.');
  };

  const visited = new Set<string>();
  let dataCentre = first;
  for (;;) {
    const isFirst = visited.size === 0;
    visited.add(dataCentre.name);
    const onSent = (): void => {
      assertInTime();
      if (isFirst) options.onSent?.();
    };
    const result = await call(
      deps,
      { endpoint: 'token', dataCentre, request: build(dataCentre.baseUri), process: processTokenResponse },
      { horizonMs: isFirst ? options.horizonMs : leftMs(), onSent },
    );
    const next = targetOf(result);
    if (next === null || visited.has(next.name) || visited.size > MAX_HOPS || isTooLate()) return result;
    dataCentre = next;
  }
}

function targetOf(result: ConcurResult<TokenAnswer>): DataCentre | null {
  if (result.ok || result.failure.kind !== 'answer' || result.failure.concurCode !== LIVES_ELSEWHERE) return null;
  const { geolocation } = result.failure;
  return geolocation === 'foreign' ? null : geolocation;
}
