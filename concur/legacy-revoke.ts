import type { HttpRequest, HttpResponse } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { parseXml } from './answer-xml.ts';
import { type AnswerContext, isSuccess, type Processed } from './error-answer.ts';
import { processLegacyRefusal } from './legacy-error.ts';
import { buildUrl } from './token-request.ts';

/** Ends this one token, which proves itself. Concur's docs, Pre-2017 Authorization, "Revoke token". */
export function buildLegacyRevokeRequest(input: {
  readonly baseUri: string;
  readonly accessToken: Secret;
}): HttpRequest {
  const token = input.accessToken.reveal();
  return {
    method: 'POST',
    url: `${buildUrl(input.baseUri, '/net2/oauth2/revoketoken.ashx')}?${new URLSearchParams({ token }).toString()}`,
    headers: { authorization: `OAuth ${token}`, accept: 'application/xml' },
    // Nothing, and its length of zero said: Concur wants one with every POST.
    body: '',
  };
}

/** A 2xx without an error is a confirmation; a page for people (a login, a gateway) is none. */
export function processLegacyRevokeResponse(response: HttpResponse, context: AnswerContext): Processed<null> {
  const xml = parseXml(response.body);
  const refusal = processLegacyRefusal(response, xml, context);
  const isPage = xml?.elements.has('html') || /^\s*<!doctype/i.test(response.body);
  if (refusal.failure.kind === 'malformed' && isSuccess(response) && !isPage) return { ok: true, value: null };
  return refusal;
}
