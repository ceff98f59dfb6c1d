import type { ConcurModel } from '../model/concur-model.ts';
import { parseBearer } from './bearer.ts';
import type { IdTokenSigner } from './id-token.ts';
import { answerProfileRequest } from './profile-endpoint.ts';
import { answerRevokeRequest } from './revoke-endpoint.ts';
import { answerTokenRequest } from './token-endpoint.ts';
import { jsonResponse } from './wire.ts';
import type { Endpoint, WireRequest, WireResponse } from './wire.ts';

/** Whom a request is about, as far as it can be told without judging it. */
export interface CallSubject {
  /** The form's `grant_type`; for `password` with `credtype=authtoken` it is `authtoken`. */
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
      }
    },
    identify(endpoint, request) {
      return endpoint === 'token' ? subjectOfForm(model, request.body) : subjectOfBearer(model, request);
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

function subjectOfBearer(model: ConcurModel, request: WireRequest): CallSubject {
  const value = parseBearer(request.headers['authorization'] ?? '');
  const token = value === undefined ? undefined : model.tokens.accessTokens.maybeOne(value);
  return { grantType: null, clientId: token?.clientId ?? null, ...principalIds(model, token?.principalId ?? '') };
}

function principalIds(model: ConcurModel, id: string): Pick<CallSubject, 'principalId' | 'companyId'> {
  const principal = model.directory.maybePrincipal(id);
  return { principalId: principal?.id ?? null, companyId: principal?.company.id ?? null };
}
