/**
 * What the legacy endpoints answer instead: an `Error` element with a `Message` (also with status 200), HTML, JSON of a
 * gateway. Messages are for people and never read.
 */
import type { HttpResponse } from '../core/ports.ts';
import { parseJsonObject } from './answer-body.ts';
import type { XmlAnswer } from './answer-xml.ts';
import { type AnswerContext, buildFailure, isErrorBody, isSuccess, type Processed } from './error-answer.ts';

/** Whether an XML answer speaks of an error, whatever the status says. */
function isXmlError(xml: XmlAnswer | null): boolean {
  return xml?.elements.has('error') ?? false;
}

/** An answer without what was asked for. */
export function processLegacyRefusal(
  response: HttpResponse,
  xml: XmlAnswer | null,
  context: AnswerContext,
): Extract<Processed<never>, { ok: false }> {
  const json = xml === null ? parseJsonObject(response.body) : null;
  const isError = isXmlError(xml);
  if (isSuccess(response) && !isError && !isErrorBody(json)) {
    const what = xml === null ? 'no-xml' : 'no-access-token';
    return { ok: false, failure: { kind: 'malformed', status: response.status, what } };
  }
  const failure = buildFailure(response, json ?? { code: xml?.texts.get('code') }, context);
  if (failure.kind !== 'answer' || !isError) return { ok: false, failure };
  return { ok: false, failure: { ...failure, providerCode: 'LEGACY_ERROR' } };
}
