import type { ConcurModel } from '../model/concur-model.ts';
import { grantByLegacyCode, grantByLegacyRefresh, LegacyRefusal } from '../model/legacy-grants.ts';
import type { LegacyGrant } from '../model/legacy-grants.ts';
import { parseOAuth } from './bearer.ts';
import { formatLegacyDate } from './legacy-date.ts';
import { answerLegacy } from './legacy-refusal.ts';
import type { WireRequest, WireResponse } from './wire.ts';
import { xmlResponse } from './xml.ts';

/** `GET {instance}/net2/oauth2/getaccesstoken.ashx` (Concur's docs, Pre-2017 Authorization): by code or refresh token. */
export function answerLegacyTokenRequest(model: ConcurModel, request: WireRequest): WireResponse {
  return answerLegacy(model, () => buildTokenResponse(model, decideGrant(model, request)));
}

function decideGrant(model: ConcurModel, request: WireRequest): LegacyGrant {
  const query = new URLSearchParams(request.query);
  const asked = {
    clientId: query.get('client_id'),
    clientSecret: query.get('client_secret'),
    instance: request.dataCentre,
  };
  const code = query.get('code');
  const refreshToken = query.get('refresh_token');
  if (code !== null && refreshToken === null) return grantByLegacyCode(model, { ...asked, code });
  if (refreshToken !== null && code === null) {
    const bearer = parseOAuth(request.headers['authorization'] ?? '');
    return grantByLegacyRefresh(model, { ...asked, refreshToken, bearer });
  }
  throw new LegacyRefusal(400, 'Either code or refresh_token is required');
}

function buildTokenResponse(model: ConcurModel, { token, instance }: LegacyGrant): WireResponse {
  const { legacyDateName, legacyInstanceUrl, legacyRefreshToken } = model.settings;
  return xmlResponse(200, {
    root: 'Access_Token',
    texts: {
      ...(legacyInstanceUrl ? { Instance_Url: `${model.baseUri(instance)}/` } : {}),
      Token: token.value,
      [legacyDateName]: formatLegacyDate(token.expiresAtMs),
      ...(legacyRefreshToken ? { Refresh_Token: token.refreshValue } : {}),
    },
  });
}
