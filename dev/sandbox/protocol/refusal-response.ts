import type { ConcurModel } from '../model/concur-model.ts';
import { refusalFacts } from '../model/refusal.ts';
import type { Refusal } from '../model/refusal.ts';
import { jsonResponse } from './wire.ts';
import type { WireResponse } from './wire.ts';

/** A 4xx body as Concur writes it: `code`, `error`, `error_description`, and `geolocation` with code 16. */
export function buildRefusalResponse(model: ConcurModel, refusal: Refusal): WireResponse {
  return buildCodeResponse(model, refusal.code, {
    description: refusal.message,
    error: refusal.error,
    status: refusal.status,
    geolocation: refusal.homeDataCentre === null ? null : model.baseUri(refusal.homeDataCentre),
  });
}

/** The same for any code, known or not. */
export function buildCodeResponse(
  model: ConcurModel,
  code: number,
  more: {
    readonly description?: string | null;
    readonly error?: string | null;
    readonly status?: number | null;
    readonly geolocation?: string | null;
  } = {},
): WireResponse {
  const facts = refusalFacts(code);
  return jsonResponse(more.status ?? facts.status, {
    code: model.settings.codeAs === 'string' ? String(code) : code,
    error: more.error ?? facts.error,
    error_description: more.description ?? facts.description,
    ...(more.geolocation == null ? {} : { geolocation: more.geolocation }),
  });
}
