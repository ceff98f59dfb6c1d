import type { ConcurModel } from '../model/concur-model.ts';
import { parseBearer, parseOAuth } from './bearer.ts';
import type { IdTokenSigner } from './id-token.ts';
import { answerLegacyRevokeRequest } from './legacy-revoke-endpoint.ts';
import { answerLegacyTokenRequest } from './legacy-token-endpoint.ts';
import { answerMigrationRequest } from './migration-endpoint.ts';
import { answerProfileRequest } from './profile-endpoint.ts';
import { answerRevokeRequest } from './revoke-endpoint.ts';
import { answerTokenRequest } from './token-endpoint.ts';
import { jsonResponse } from './wire.ts';
import type { Endpoint, WireRequest, WireResponse } from './wire.ts';

/** Whom a request is about, as far as it can be told without judging it. */
export interface CallSubject {
  /**
   * The form's `grant_type`; for `password` with `credtype=authtoken` it is `authtoken`; `legacy-code` or
   * `legacy-refresh` at the legacy endpoint.
   */
  readonly grantType: string | null;
  readonly clientId: string | null;
  readonly principalId: string | null;
  readonly companyId: string | null;
}

/** Concur's endpoints over a model: one request in, one answer out, no HTTP. */
export interface ConcurService {
  answer(endpoint: Endpoint, request: WireRequest): Promise<WireResponse>;
  identify(endpoint: Endpoint, request: WireRequest): CallSubject;
}

export function createConcurService(model: ConcurModel, signer: IdTokenSigner): ConcurService {
  return {
    async answer(endpoint, request) {
      switch (endpoint) {
        case 'token':
          return answerTokenRequest(model, signer, request);
        case 'jwks':
          return jsonResponse(200, await signer.jwks());
        case 'revoke':
          return answerRevokeRequest(model, request);
        case 'profile':
          return answerProfileRequest(model, request);
        case 'migration':
          return answerMigrationRequest(model, request);
        case 'legacy-token':
          return answerLegacyTokenRequest(model, request);
        case 'legacy-revoke':
          return answerLegacyRevokeRequest(model, request);
      }
    },
    identify(endpoint, request) {
      if (endpoint === 'token') return subjectOfForm(model, request.body);
      if (endpoint === 'legacy-token') return subjectOfLegacyQuery(model, request.query);
      return subjectOfBearer(model, request);
    },
  };
}

function subjectOfForm(model: ConcurModel, body: string): CallSubject {
  const form = new URLSearchParams(body);
  const grantType = form.get('grant_type');
  const refreshToken = model.tokens.refreshTokens.maybeOne(form.get('refresh_token') ?? '');
  const username = form.get('username') ?? '';
  const named = refreshToken?.principalId ?? model.directory.maybeUserByLogin(username)?.id ?? username;
  return {
    grantType: grantType === 'password' && form.get('credtype') === 'authtoken' ? 'authtoken' : grantType,
    clientId: form.get('client_id'),
    ...principalIds(model, named),
  };
}

function subjectOfLegacyQuery(model: ConcurModel, text: string): CallSubject {
  const query = new URLSearchParams(text);
  const code = query.get('code');
  const refreshed = model.legacy.maybeLive(query.get('refresh_token') ?? '');
  const known = code === null ? refreshed : model.legacy.codes.maybeOne(code);
  return {
    grantType: code === null ? 'legacy-refresh' : 'legacy-code',
    clientId: query.get('client_id'),
    ...principalIds(model, known?.principalId ?? ''),
  };
}

function subjectOfBearer(model: ConcurModel, request: WireRequest): CallSubject {
  const header = request.headers['authorization'] ?? '';
  const token =
    model.tokens.accessTokens.maybeOne(parseBearer(header) ?? '') ??
    model.legacy.tokens.maybeOne(parseOAuth(header) ?? '');
  return { grantType: null, clientId: token?.clientId ?? null, ...principalIds(model, token?.principalId ?? '') };
}

function principalIds(model: ConcurModel, id: string): Pick<CallSubject, 'principalId' | 'companyId'> {
  const principal = model.directory.maybePrincipal(id);
  return { principalId: principal?.id ?? null, companyId: principal?.company.id ?? null };
}
