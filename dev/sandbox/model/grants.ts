/**
 * Who gets a token: one function per grant of Concur's token endpoint (Concur's docs, Authentication and Company Level
 * Authentication). Each throws a {@link Refusal} or changes the model and returns what was granted.
 */
import type { ConcurModel } from './concur-model.ts';
import { Refusal } from './refusal.ts';
import { GLZ } from './types.ts';
import type { AccessToken, App, Company, Principal, RefreshToken } from './types.ts';

export interface TokenGrant {
  readonly app: App;
  /** Null: an application token. */
  readonly principal: Principal | null;
  readonly accessToken: AccessToken;
  readonly refreshToken: RefreshToken | null;
  /** Where the token is to be used from now on: the answer's geolocation. */
  readonly dataCentre: string;
}

interface Asked {
  readonly app: App;
  /** Data centre that was called. */
  readonly dataCentre: string;
  readonly scope: string | undefined;
}

/** Codes 61 to 64 and 59: each of them hits every connection of the app alike. */
export function authenticateClient(
  model: ConcurModel,
  clientId: string | undefined,
  clientSecret: string | undefined,
): App {
  if (!clientId) throw new Refusal(62);
  if (!clientSecret) throw new Refusal(63);
  const app = model.directory.maybeApp(clientId);
  if (app === undefined) throw new Refusal(61);
  if (!app.enabled) throw new Refusal(59);
  if (!app.secrets.some((secret) => secret.active && secret.value === clientSecret)) throw new Refusal(64);
  return app;
}

/** `grant_type=password`, `credtype=authtoken`: a company's (or user's) request token for a first set of tokens. */
export function grantByRequestToken(
  model: ConcurModel,
  asked: Asked & { readonly username: string | undefined; readonly requestToken: string | undefined },
): TokenGrant {
  const { app } = asked;
  if (!asked.username) throw new Refusal(51);
  if (!asked.requestToken) throw new Refusal(52);
  if (asked.dataCentre !== GLZ) {
    throw new Refusal(107, { description: 'request tokens are exchanged at the global landing zone only' });
  }
  const principal = model.directory.maybePrincipal(asked.username);
  if (principal === undefined) throw new Refusal(100);
  const token = model.tokens.requestTokens.maybeOne(asked.requestToken);
  if (token === undefined) throw new Refusal(5);
  if (token.clientId !== app.clientId) throw new Refusal(105);
  if (token.principalId !== principal.id) throw new Refusal(19);
  if (token.expiresAtMs <= model.now()) throw new Refusal(60);
  if (token.uses >= model.settings.requestTokenUses) throw new Refusal(136);
  token.uses += 1;
  model.changed();
  assertMaySignIn(app, principal);
  return grantFirst(model, asked, principal);
}

/** `grant_type=password` with a user's own login, at the data centre where that user lives. */
export function grantByLogin(
  model: ConcurModel,
  asked: Asked & { readonly username: string | undefined; readonly password: string | undefined },
): TokenGrant {
  if (!asked.username) throw new Refusal(51);
  if (!asked.password) throw new Refusal(52);
  const user = model.directory.maybeUserByLogin(asked.username);
  const principal = model.directory.maybePrincipal(user?.id ?? asked.username);
  if (principal?.type !== 'user') throw new Refusal(asked.username.includes('@') ? 55 : 5);
  assertLivesHere(principal.company, asked.dataCentre);
  if (principal.user.password !== asked.password) throw new Refusal(5);
  assertMaySignIn(asked.app, principal);
  return grantFirst(model, asked, principal);
}

/** `grant_type=refresh_token`, at the data centre where the principal lives. */
export function grantByRefreshToken(
  model: ConcurModel,
  asked: Asked & { readonly refreshToken: string | undefined },
): TokenGrant {
  const { app } = asked;
  if (!asked.refreshToken) throw new Refusal(106);
  const used = model.tokens.refreshTokens.maybeOne(asked.refreshToken);
  if (used === undefined || !model.tokens.isLive(used)) throw new Refusal(108);
  if (used.clientId !== app.clientId) throw new Refusal(105);
  const principal = model.directory.maybePrincipal(used.principalId);
  if (principal === undefined) throw new Refusal(100);
  assertLivesHere(principal.company, asked.dataCentre);
  assertMaySignIn(app, principal);
  const scope = narrowedScope(used.scope, asked.scope);
  const refreshToken = model.tokens.rotate(app, principal, used);
  const { dataCentre } = principal.company;
  const accessToken = model.tokens.issueAccessToken(app, principal, scope, dataCentre);
  return { app, principal, accessToken, refreshToken, dataCentre };
}

/** `grant_type=client_credentials`: an application token, never with a refresh token. */
export function grantByClientCredentials(model: ConcurModel, asked: Asked): TokenGrant {
  const { app, dataCentre } = asked;
  const scope = narrowedScope(app.scopes.join(' '), asked.scope);
  const accessToken = model.tokens.issueAccessToken(app, null, scope, dataCentre);
  return { app, principal: null, accessToken, refreshToken: null, dataCentre };
}

/** Codes that stand for a state at the customer: 134, 10 to 14 and their kin, 53. */
function assertMaySignIn(app: App, principal: Principal): void {
  const { company } = principal;
  if (company.maintenance) throw new Refusal(134);
  if (company.disabledCode !== null) throw new Refusal(company.disabledCode);
  if (principal.type === 'user' && principal.user.disabledCode !== null) throw new Refusal(principal.user.disabledCode);
  if (company.disabledApps.includes(app.clientId)) throw new Refusal(53);
}

/** Code 16 with the geolocation; 100 where a former data centre has forgotten the company. */
function assertLivesHere(company: Company, dataCentre: string): void {
  if (company.dataCentre === dataCentre) return;
  const formerHome = company.formerHomes[dataCentre];
  if (formerHome === 'serves') return;
  if (formerHome === 'forgets') throw new Refusal(100);
  throw new Refusal(16, { homeDataCentre: company.dataCentre });
}

function grantFirst(model: ConcurModel, asked: Asked, principal: Principal): TokenGrant {
  const { app } = asked;
  const { dataCentre } = principal.company;
  const scope = narrowedScope(app.scopes.join(' '), asked.scope);
  const refreshToken = model.tokens.issueRefreshToken(app, principal, scope);
  const accessToken = model.tokens.issueAccessToken(app, principal, scope, dataCentre);
  return { app, principal, accessToken, refreshToken, dataCentre };
}

/** Code 54 when more is asked than was granted. */
function narrowedScope(granted: string, asked: string | undefined): string {
  if (asked === undefined || asked.trim() === '') return granted;
  const wanted = asked.trim().split(/\s+/);
  const allowed = new Set(granted.split(' '));
  if (wanted.some((scope) => !allowed.has(scope))) throw new Refusal(54);
  return wanted.join(' ');
}
