import type { ConcurModel } from '../model/concur-model.ts';
import {
  authenticateClient,
  grantByClientCredentials,
  grantByLogin,
  grantByRefreshToken,
  grantByRequestToken,
} from '../model/grants.ts';
import type { TokenGrant } from '../model/grants.ts';
import { Refusal } from '../model/refusal.ts';
import { parseTokenForm } from './form.ts';
import { buildIdTokenClaims } from './id-token.ts';
import type { IdTokenSigner } from './id-token.ts';
import { buildRefusalResponse } from './refusal-response.ts';
import { jsonResponse } from './wire.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/** `POST {base}/oauth2/v0/token` (Concur's docs, Authentication): judges the request, then the grant. */
export async function answerTokenRequest(
  model: ConcurModel,
  signer: IdTokenSigner,
  request: WireRequest,
): Promise<WireResponse> {
  try {
    return await buildTokenResponse(model, signer, decideGrant(model, request));
  } catch (error) {
    if (error instanceof Refusal) return buildRefusalResponse(model, error);
    throw error;
  }
}

function decideGrant(model: ConcurModel, request: WireRequest): TokenGrant {
  const form = parseTokenForm(request);
  const grantType = form.get('grant_type');
  if (!grantType) throw new Refusal(65);
  const app = authenticateClient(model, form.get('client_id'), form.get('client_secret'));
  const asked = { app, dataCentre: request.dataCentre, scope: form.get('scope') };
  switch (grantType) {
    case 'password': {
      const username = form.get('username');
      const credtype = form.get('credtype') ?? 'password';
      if (credtype === 'authtoken') {
        return grantByRequestToken(model, { ...asked, username, requestToken: form.get('password') });
      }
      if (credtype === 'password') return grantByLogin(model, { ...asked, username, password: form.get('password') });
      throw new Refusal(120);
    }
    case 'refresh_token':
      return grantByRefreshToken(model, { ...asked, refreshToken: form.get('refresh_token') });
    case 'client_credentials':
      return grantByClientCredentials(model, asked);
    case 'authorization_code':
      if (!form.get('code')) throw new Refusal(101);
      if (!form.get('redirect_uri')) throw new Refusal(102);
      throw unsupported('authorization_code is not played by this sandbox');
    case 'refresh':
      throw unsupported('the grant "refresh" is obsolete: use refresh_token');
    default:
      throw unsupported(`grant_type ${grantType} is not supported`);
  }
}

/** RFC 6749 section 5.2; Concur's table has no code of its own for it. */
function unsupported(description: string): Refusal {
  return new Refusal(107, { error: 'unsupported_grant_type', description });
}

async function buildTokenResponse(model: ConcurModel, signer: IdTokenSigner, grant: TokenGrant): Promise<WireResponse> {
  const { accessToken, refreshToken } = grant;
  const expiresIn = Math.max(0, Math.floor((accessToken.expiresAtMs - accessToken.issuedAtMs) / 1000));
  const claims = buildIdTokenClaims(model, grant);
  const idToken = claims === null ? null : await signer.sign(claims);
  if (idToken !== null) model.ledger.record('id-token', idToken, model.now());
  return {
    ...jsonResponse(200, {
      expires_in: model.settings.expiresInAs === 'string' ? String(expiresIn) : expiresIn,
      scope: accessToken.scope,
      token_type: 'Bearer',
      access_token: accessToken.value,
      ...(refreshToken === null
        ? {}
        : {
            refresh_token: refreshToken.value,
            refresh_expires_in: Math.floor(refreshToken.expiresAtMs / 1000),
          }),
      ...(idToken === null ? {} : { id_token: idToken }),
      geolocation: model.baseUri(grant.dataCentre),
    }),
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  };
}
