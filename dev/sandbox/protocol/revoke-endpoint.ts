import type { ConcurModel } from '../model/concur-model.ts';
import { isResponse, judgeBearer } from './bearer.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/** `DELETE {geolocation}/app-mgmt/v0/connections`: ends all tokens of the caller's principal for the caller's app. */
export function answerRevokeRequest(model: ConcurModel, request: WireRequest): WireResponse {
  const caller = judgeBearer(model, request);
  if (isResponse(caller)) return caller;
  model.tokens.endGrant(caller.app.clientId, caller.principal.id, 'revoked');
  return { status: 200, headers: {}, body: '' };
}
