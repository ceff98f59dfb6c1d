import type {
  AppCredentials,
  ConcurResult,
  DataCentre,
  HttpRequest,
  HttpResponse,
  TokenCallOptions,
} from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { type CallDependencies, call } from './call.ts';
import type { AnswerContext, Processed } from './error-answer.ts';
import { buildTokenRequest } from './token-request.ts';
import { processTokenResponse } from './token-response.ts';

/** An application token of that data centre; whoever asks for it neither keeps nor shows it. */
export async function fetchAppToken(
  deps: CallDependencies,
  input: { readonly credentials: AppCredentials; readonly dataCentre: DataCentre },
  options: TokenCallOptions,
): Promise<ConcurResult<Secret>> {
  const { credentials, dataCentre } = input;
  const request = buildClientCredentialsRequest({ credentials, baseUri: dataCentre.baseUri });
  const process = processClientCredentialsResponse;
  return await call(deps, { endpoint: 'token', dataCentre, request, process }, options);
}

/**
 * Asks for an application token: no customer is concerned.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4
 */
function buildClientCredentialsRequest(input: {
  readonly baseUri: string;
  readonly credentials: AppCredentials;
}): HttpRequest {
  return buildTokenRequest(input.baseUri, input.credentials, { grant_type: 'client_credentials' });
}

/** The application token; there is no refresh token beside it. */
function processClientCredentialsResponse(response: HttpResponse, context: AnswerContext): Processed<Secret> {
  const processed = processTokenResponse(response, context);
  return processed.ok ? { ok: true, value: processed.value.accessToken } : processed;
}
