import type { ConcurModel } from '../model/concur-model.ts';
import { migrate, MigrationRefusal } from '../model/legacy-grants.ts';
import { parseBearer } from './bearer.ts';
import { jsonResponse } from './wire.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/**
 * `POST {base}/appmgmt/v0/legacyApps/{consumer key}/exchangeRefreshToken/me` (Concur's docs, Migration): a legacy token
 * for a refresh token of OAuth2. Times in epoch milliseconds; `context` is JSON in a string.
 */
export function answerMigrationRequest(model: ConcurModel, request: WireRequest): WireResponse {
  try {
    const { token, secret } = readBody(request.body);
    const bearer = parseBearer(request.headers['authorization'] ?? '');
    const isForCompany = new URLSearchParams(request.query).get('returnType') === 'companyToken';
    const { refreshToken, principal, user } = migrate(model, {
      caller: bearer === undefined ? undefined : model.tokens.maybeLiveAccessToken(bearer),
      legacyClientId: request.params?.['legacyClientId'] ?? '',
      token,
      secret,
      returnType: isForCompany ? 'company' : 'user',
    });
    return jsonResponse(200, {
      token: refreshToken.value,
      created: refreshToken.createdAtMs,
      expired: refreshToken.expiresAtMs,
      scopes: refreshToken.scope,
      context: JSON.stringify({
        // Of somebody without a profile there is no UUID to tell.
        userid: user.hasProfile ? user.id : user.login,
        cid: user.companyId,
        ptype: principal.type,
      }),
    });
  } catch (error) {
    if (!(error instanceof MigrationRefusal)) throw error;
    return jsonResponse(error.error === 'UNAUTHORIZED' ? 401 : 400, {
      error: error.error,
      error_description: error.message,
    });
  }
}

function readBody(body: string): { readonly token: string; readonly secret: string } {
  try {
    const { token, secret } = JSON.parse(body) as { readonly token?: unknown; readonly secret?: unknown };
    return { token: typeof token === 'string' ? token : '', secret: typeof secret === 'string' ? secret : '' };
  } catch {
    throw new MigrationRefusal('INVALIDTOKEN', 'the body is no JSON');
  }
}
