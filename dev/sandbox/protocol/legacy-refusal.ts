import type { ConcurModel } from '../model/concur-model.ts';
import { LegacyRefusal } from '../model/legacy-grants.ts';
import type { WireResponse } from './wire.ts';
import { xmlResponse } from './xml.ts';

/** Runs what decides; a refusal becomes an `Error` element, with a failing status or with 200 as the settings say. */
export function answerLegacy(model: ConcurModel, decide: () => WireResponse): WireResponse {
  try {
    return decide();
  } catch (error) {
    if (!(error instanceof LegacyRefusal)) throw error;
    const status = model.settings.legacyErrorStatus === 'ok' ? 200 : error.status;
    return xmlResponse(status, {
      root: 'Error',
      texts: { Message: error.message, 'Server-Time': new Date(model.now()).toISOString() },
    });
  }
}
