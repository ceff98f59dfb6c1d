/**
 * One call to SAP Concur: sent, timed, logged, its answer processed. Every call leaves one line in the log, without
 * secrets and without its URL.
 */
import type {
  CallTimes,
  Clock,
  ConcurFailure,
  ConcurResult,
  DataCentre,
  DataCentres,
  Http,
  HttpRequest,
  HttpResponse,
  Log,
  Rng,
  TokenCallOptions,
} from '../core/ports.ts';
import type { AnswerContext, Processed } from './error-answer.ts';
import { isTransportFailure } from './transport-error.ts';

type Endpoint = 'token' | 'revoke' | 'profile' | 'jwks' | 'migration';

/** What the metrics are fed with. */
export interface ObservedCall {
  readonly dataCentre: string;
  readonly endpoint: Endpoint;
  /** Concur's code, else the HTTP status, else the kind of transport failure. */
  readonly code: string;
  /** Whether it brought what it was made for. */
  readonly ok: boolean;
  readonly correlationId: string | null;
  readonly durationMs: number;
}

export interface CallDependencies {
  readonly http: Http;
  readonly dataCentres: DataCentres;
  readonly clock: Clock;
  readonly log: Log;
  /** Makes the correlation ids that are sent along. */
  readonly rng: Pick<Rng, 'uuid'>;
  readonly onCall?: ((call: ObservedCall) => void) | undefined;
}

export interface CallInput<T> {
  readonly endpoint: Endpoint;
  readonly dataCentre: DataCentre;
  readonly request: HttpRequest;
  readonly process: (response: HttpResponse, context: AnswerContext) => Processed<T>;
}

export async function call<T>(
  deps: CallDependencies,
  { endpoint, dataCentre, request, process }: CallInput<T>,
  options: TokenCallOptions,
): Promise<ConcurResult<T>> {
  const ownId = deps.rng.uuid();
  const started = deps.clock.monotonic();
  // Stands for the case that the request never leaves.
  let sentAtMs = deps.clock.now();
  const onSent = () => {
    options.onSent?.();
    sentAtMs = deps.clock.now();
  };

  let response: HttpResponse | null = null;
  let processed: Processed<T>;
  try {
    const headers = { ...request.headers, 'concur-correlationid': ownId };
    response = await deps.http.send({ ...request, headers }, { horizonMs: options.horizonMs, onSent });
    processed = process(response, { dataCentres: deps.dataCentres, nowMs: deps.clock.now(), sentAtMs });
  } catch (error) {
    if (!isTransportFailure(error)) throw error;
    processed = { ok: false, failure: { kind: 'transport', transport: error.transport, sent: error.sent } };
  }

  const times: CallTimes = {
    sentAtMs,
    endedAtMs: deps.clock.now(),
    // Where no answer came, the id that we sent is what Concur's support can search for.
    correlationId: parseCorrelationId(response) ?? ownId,
    dataCentre,
  };
  const durationMs = Math.round(deps.clock.monotonic() - started);
  const failure = processed.ok ? null : processed.failure;
  deps.log.info(
    {
      endpoint,
      data_centre: dataCentre.name,
      status: response?.status ?? null,
      code: failure?.kind === 'answer' ? failure.concurCode : null,
      failure: failure && describe(failure),
      correlation_id: times.correlationId,
      duration_ms: durationMs,
    },
    'called Concur',
  );
  const { correlationId } = times;
  const code = codeOf(response, failure);
  deps.onCall?.({ dataCentre: dataCentre.name, endpoint, code, ok: processed.ok, correlationId, durationMs });
  return { ...times, ...processed };
}

/** The id under which Concur filed the call; header names are in lower case already. */
function parseCorrelationId(response: HttpResponse | null): string | null {
  const value = response?.headers['concur-correlationid']?.trim() ?? '';
  return /^[\w.:-]{1,128}$/.test(value) ? value : null;
}

function describe(failure: ConcurFailure): string {
  if (failure.kind === 'malformed') return failure.what;
  if (failure.kind === 'transport') return failure.sent ? `${failure.transport}-after-sending` : failure.transport;
  return failure.oauthError ?? failure.providerCode ?? 'refused';
}

function codeOf(response: HttpResponse | null, failure: ConcurFailure | null): string {
  if (failure?.kind === 'transport') return failure.transport;
  if (failure?.kind === 'malformed') return 'malformed';
  return String(failure?.concurCode ?? response?.status);
}
