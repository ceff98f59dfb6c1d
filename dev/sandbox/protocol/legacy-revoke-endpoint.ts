import type { ConcurModel } from '../model/concur-model.ts';
import { LegacyRefusal, revokeLegacyToken, revokeLegacyUser } from '../model/legacy-grants.ts';
import { parseOAuth } from './bearer.ts';
import { answerLegacy } from './legacy-refusal.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/** `POST {instance}/net2/oauth2/revoketoken.ashx`: `?token=` ends one token, `?consumerKey=&user=` all of a user. */
export function answerLegacyRevokeRequest(model: ConcurModel, request: WireRequest): WireResponse {
  return answerLegacy(model, () => {
    if (request.headers['content-length'] === undefined) throw new LegacyRefusal(411, 'Length required');
    const query = new URLSearchParams(request.query);
    const bearer = parseOAuth(request.headers['authorization'] ?? '');
    const token = query.get('token');
    const consumerKey = query.get('consumerKey');
    const user = query.get('user');
    if (token !== null) revokeLegacyToken(model, bearer, token);
    else if (consumerKey !== null && user !== null) revokeLegacyUser(model, bearer, consumerKey, user);
    else throw new LegacyRefusal(400, 'Either token, or consumerKey and user, are required');
    return { status: 200, headers: {}, body: '' };
  });
}
