import type { ConcurModel } from './model/concur-model.ts';
import type { AccessToken, DeathOfToken, LegacyCode, LegacyToken, RefreshToken, RequestToken } from './model/types.ts';

/** What Concur has on file between one app and one principal. Tokens in clear: mask them before anybody sees them. */
export interface GrantView {
  readonly clientId: string;
  readonly appName: string;
  readonly principalId: string;
  readonly principalName: string;
  readonly dataCentre: string | null;
  readonly connected: boolean;
  /** Newest last. */
  readonly refreshTokens: readonly TokenView[];
  readonly accessTokens: readonly TokenView[];
  readonly requestTokens: readonly (TokenView & { readonly uses: number; readonly via: RequestToken['via'] })[];
  /** One-year tokens and codes of the flow of before 2017. */
  readonly legacyTokens: readonly TokenView[];
  readonly legacyCodes: readonly (TokenView & { readonly uses: number })[];
}

export interface TokenView {
  readonly value: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly live: boolean;
  /** Why it is dead, or that a newer value lives beside it. */
  readonly note: DeathOfToken | 'replaced' | 'expired' | 'used up' | null;
}

export function buildGrantViews(
  model: ConcurModel,
  filter: { readonly clientId?: string; readonly principalId?: string },
): readonly GrantView[] {
  const { tokens } = model;
  const keys = new Map<string, { clientId: string; principalId: string }>();
  const principalId = filter.principalId?.toLowerCase();
  const { codes, tokens: oneYearTokens } = model.legacy;
  const grantTokens = [
    ...tokens.requestTokens.all(),
    ...tokens.refreshTokens.all(),
    ...codes.all(),
    ...oneYearTokens.all(),
  ];
  for (const token of grantTokens) {
    if (filter.clientId !== undefined && filter.clientId !== token.clientId) continue;
    if (principalId !== undefined && principalId !== token.principalId) continue;
    keys.set(`${token.clientId} ${token.principalId}`, token);
  }
  return [...keys.values()].map((key) => buildGrantView(model, key.clientId, key.principalId));
}

function buildGrantView(model: ConcurModel, clientId: string, principalId: string): GrantView {
  const { directory, tokens } = model;
  const principal = directory.maybePrincipal(principalId);
  return {
    clientId,
    appName: directory.maybeApp(clientId)?.name ?? clientId,
    principalId,
    principalName: principal === undefined ? 'unknown' : nameOf(principal),
    dataCentre: principal?.company.dataCentre ?? null,
    connected: tokens.isConnected(clientId, principalId) || model.legacy.isConnected(clientId, principalId),
    refreshTokens: tokens.refreshTokens.manyOf(clientId, principalId).map((token) => viewRefreshToken(model, token)),
    accessTokens: tokens.accessTokens.manyOf(clientId, principalId).map((token) => viewAccessToken(model, token)),
    requestTokens: tokens.requestTokens.manyOf(clientId, principalId).map((token) => viewRequestToken(model, token)),
    legacyTokens: model.legacy.tokens.manyOf(clientId, principalId).map((token) => viewLegacyToken(model, token)),
    legacyCodes: model.legacy.codes.manyOf(clientId, principalId).map((code) => viewUses(model, code)),
  };
}

function nameOf(principal: NonNullable<ReturnType<ConcurModel['directory']['maybePrincipal']>>): string {
  return principal.type === 'company' ? principal.company.name : principal.user.displayName;
}

function viewRefreshToken(model: ConcurModel, token: RefreshToken): TokenView {
  const expired = token.expiresAtMs <= model.now();
  const { value, createdAtMs: issuedAtMs, expiresAtMs } = token;
  const note = token.death ?? (expired ? 'expired' : token.replaced ? 'replaced' : null);
  return { value, issuedAtMs, expiresAtMs, live: model.tokens.isLive(token), note };
}

function viewAccessToken(model: ConcurModel, token: AccessToken): TokenView {
  const expired = token.expiresAtMs <= model.now();
  const { value, issuedAtMs, expiresAtMs, revoked } = token;
  return {
    value,
    issuedAtMs,
    expiresAtMs,
    live: !revoked && !expired,
    note: revoked ? 'revoked' : expired ? 'expired' : null,
  };
}

function viewLegacyToken(model: ConcurModel, token: LegacyToken): TokenView {
  const { value, createdAtMs: issuedAtMs, expiresAtMs, death, replaced } = token;
  const note = death ?? (expiresAtMs <= model.now() ? 'expired' : replaced ? 'replaced' : null);
  return { value, issuedAtMs, expiresAtMs, live: model.legacy.isLive(token), note };
}

function viewRequestToken(model: ConcurModel, token: RequestToken): GrantView['requestTokens'][number] {
  return { ...viewUses(model, token), via: token.via };
}

function viewUses(model: ConcurModel, token: RequestToken | LegacyCode): TokenView & { readonly uses: number } {
  const expired = token.expiresAtMs <= model.now();
  const usedUp = token.uses >= model.settings.requestTokenUses;
  const { value, createdAtMs: issuedAtMs, expiresAtMs, uses } = token;
  const note = expired ? 'expired' : usedUp ? 'used up' : null;
  return { value, issuedAtMs, expiresAtMs, uses, live: note === null, note };
}
