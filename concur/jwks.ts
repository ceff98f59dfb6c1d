import type { JSONWebKeySet } from 'jose';
import type { HttpRequest, HttpResponse } from '../core/ports.ts';
import { parseJsonObject } from './answer-body.ts';
import { type AnswerContext, isSuccess, type Processed, processUnexpected } from './error-answer.ts';
import { buildUrl } from './token-request.ts';

/** The keys that a data centre signs id_tokens with. RFC 7517 section 5. */
export function buildJwksRequest(input: { readonly baseUri: string }): HttpRequest {
  return { method: 'GET', url: buildUrl(input.baseUri, '/oauth2/v0/jwks'), headers: { accept: 'application/json' } };
}

export function processJwksResponse(response: HttpResponse, context: AnswerContext): Processed<JSONWebKeySet> {
  const body = parseJsonObject(response.body);
  const keys = isSuccess(response) ? body?.keys : null;
  if (!Array.isArray(keys)) return processUnexpected(response, body, 'no-keys', context);
  // What is no key object is no use to anybody; the library judges the rest.
  return { ok: true, value: { keys: keys.filter(isKeyLike) } };
}

function isKeyLike(key: unknown): boolean {
  return typeof key === 'object' && key !== null && !Array.isArray(key);
}
