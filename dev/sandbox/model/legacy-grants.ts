/**
 * Who gets a one-year token, loses one, or turns it into a grant of OAuth2 (Concur's docs, Pre-2017 Authorization and
 * Migration). Each throws a {@link LegacyRefusal} or a {@link MigrationRefusal}, or changes the model.
 */
import type { ConcurModel } from './concur-model.ts';
import type { AccessToken, App, LegacyToken, Principal, RefreshToken, User } from './types.ts';

/** An `Error` element with a `Message`; status and form are the protocol's business. */
export class LegacyRefusal extends Error {
  override readonly name = 'LegacyRefusal';
  readonly status: 400 | 401 | 403 | 411;

  constructor(status: LegacyRefusal['status'], message: string) {
    super(message);
    this.status = status;
  }
}

export type MigrationError = 'INVALIDSCOPES' | 'INVALIDAPP' | 'INVALIDTOKEN' | 'UNAUTHORIZED';

export class MigrationRefusal extends Error {
  override readonly name = 'MigrationRefusal';
  readonly error: MigrationError;

  constructor(error: MigrationError, message: string) {
    super(message);
    this.error = error;
  }
}

export interface LegacyGrant {
  readonly token: LegacyToken;
  readonly user: User;
  /** Legacy instance where the user's company is at home. */
  readonly instance: string;
}

interface AskedLegacy {
  readonly clientId: string | null;
  readonly clientSecret: string | null;
  /** Legacy instance that was called. */
  readonly instance: string;
}

/** `getaccesstoken.ashx?code=`. */
export function grantByLegacyCode(model: ConcurModel, asked: AskedLegacy & { readonly code: string }): LegacyGrant {
  const app = authenticateLegacyApp(model, asked);
  const code = model.legacy.codes.maybeOne(asked.code);
  if (code === undefined || code.clientId !== app.clientId) throw new LegacyRefusal(400, 'Invalid request token');
  if (code.expiresAtMs <= model.now()) throw new LegacyRefusal(400, 'Request token has expired');
  if (code.uses >= model.settings.requestTokenUses) throw new LegacyRefusal(400, 'Request token was used too often');
  code.uses += 1;
  model.changed();
  const { user, instance } = assertMayUse(model, app, code.principalId, asked.instance);
  return { token: model.legacy.issueToken(app, user.id), user, instance };
}

/** `getaccesstoken.ashx?refresh_token=`, with a token that is still alive. */
export function grantByLegacyRefresh(
  model: ConcurModel,
  asked: AskedLegacy & { readonly refreshToken: string; readonly bearer: string | undefined },
): LegacyGrant {
  const app = authenticateLegacyApp(model, asked);
  const living = asked.bearer === undefined ? undefined : model.legacy.maybeLiveToken(asked.bearer);
  if (living === undefined) throw new LegacyRefusal(401, 'A valid access token is required');
  if (living.clientId !== app.clientId) throw new LegacyRefusal(403, 'The token was issued to another application');
  const used = model.legacy.maybeLive(asked.refreshToken);
  if (used?.clientId !== app.clientId || used.principalId !== living.principalId) {
    throw new LegacyRefusal(400, 'Invalid refresh token');
  }
  const { user, instance } = assertMayUse(model, app, living.principalId, asked.instance);
  return { token: model.legacy.rotate(app, used), user, instance };
}

/** `revoketoken.ashx?token=`: by the token itself, or by an administrator of the same company. */
export function revokeLegacyToken(model: ConcurModel, bearer: string | undefined, value: string): void {
  const caller = livingCaller(model, bearer);
  const token = model.legacy.maybeLiveToken(value);
  if (token === undefined) throw new LegacyRefusal(400, 'Invalid token');
  if (token !== caller) assertAdministers(model, caller, model.directory.oneUser(token.principalId));
  model.legacy.end(token, 'revoked');
}

/** `revoketoken.ashx?consumerKey=&user=`: all of a user, by an administrator of the same company. */
export function revokeLegacyUser(model: ConcurModel, bearer: string | undefined, key: string, login: string): void {
  const caller = livingCaller(model, bearer);
  const user = model.directory.maybeUserByLogin(login);
  if (user === undefined) throw new LegacyRefusal(400, 'Invalid user');
  assertAdministers(model, caller, user);
  model.legacy.endAll(key, user.id, 'revoked');
}

export interface MigrationInput {
  /** The application token. */
  readonly caller: AccessToken | undefined;
  readonly legacyClientId: string;
  readonly token: string;
  readonly secret: string;
  readonly returnType: 'company' | 'user';
}

export interface Migration {
  readonly refreshToken: RefreshToken;
  readonly principal: Principal;
  readonly user: User;
}

/** `exchangeRefreshToken/me`: the app must be the successor of the legacy one. The one-year token lives on. */
export function migrate(model: ConcurModel, input: MigrationInput): Migration {
  const { caller, legacyClientId } = input;
  if (caller === undefined || caller.principalId !== null) {
    throw new MigrationRefusal('UNAUTHORIZED', 'an application token is required');
  }
  const app = model.directory.maybeApp(caller.clientId);
  if (app?.enabled !== true) throw new MigrationRefusal('UNAUTHORIZED', 'client disabled');
  if (!app.secrets.some((secret) => secret.active && secret.value === input.secret)) {
    throw new MigrationRefusal('UNAUTHORIZED', 'the secret is not the one of the application');
  }
  const isSuccessor = app.legacyClientId === legacyClientId && model.directory.maybeApp(legacyClientId) !== undefined;
  if (!isSuccessor) throw new MigrationRefusal('INVALIDAPP', 'the legacy application is not connected to this one');
  const token = model.legacy.maybeLive(input.token);
  if (token?.clientId !== legacyClientId) throw new MigrationRefusal('INVALIDTOKEN', 'the token is not valid');
  const user = model.directory.maybeUser(token.principalId);
  if (user === undefined) throw new MigrationRefusal('INVALIDTOKEN', 'the user is not known any more');
  if (app.scopes.length === 0) throw new MigrationRefusal('INVALIDSCOPES', 'the application has no scopes');
  const principal = model.directory.onePrincipal(input.returnType === 'company' ? user.companyId : user.id);
  return { refreshToken: model.tokens.issueRefreshToken(app, principal, app.scopes.join(' ')), principal, user };
}

function authenticateLegacyApp(model: ConcurModel, { clientId, clientSecret }: AskedLegacy): App {
  const app = clientId === null ? undefined : model.directory.maybeApp(clientId);
  const isProven = app?.secrets.some((secret) => secret.active && secret.value === clientSecret) ?? false;
  if (app?.flow !== 'app-center-legacy' || !isProven) throw new LegacyRefusal(401, 'Invalid consumer key or secret');
  if (!app.enabled) throw new LegacyRefusal(403, 'The application is disabled');
  return app;
}

/** The default instance serves everybody, the others those who are at home there. */
function assertMayUse(
  model: ConcurModel,
  app: App,
  userId: string,
  called: string,
): { readonly user: User; readonly instance: string } {
  const user = model.directory.maybeUser(userId);
  const company = user && model.directory.maybeCompany(user.companyId);
  if (user === undefined || company === undefined) throw new LegacyRefusal(403, 'The user is not known');
  const disabled = company.disabledCode ?? user.disabledCode;
  if (disabled !== null || company.disabledApps.includes(app.clientId)) {
    throw new LegacyRefusal(403, 'The user may not use this application');
  }
  const instance = model.legacyInstanceOf(company);
  if (called !== instance && called !== model.legacyInstances[0]) {
    throw new LegacyRefusal(400, 'The user belongs to another instance');
  }
  return { user, instance };
}

function livingCaller(model: ConcurModel, bearer: string | undefined): LegacyToken {
  const caller = bearer === undefined ? undefined : model.legacy.maybeLiveToken(bearer);
  if (caller === undefined) throw new LegacyRefusal(401, 'A valid access token is required');
  return caller;
}

function assertAdministers(model: ConcurModel, caller: LegacyToken, user: User): void {
  const admin = model.directory.maybeUser(caller.principalId);
  const isAdmin = admin?.webServicesAdmin === true && admin.companyId === user.companyId;
  if (!isAdmin) throw new LegacyRefusal(403, 'Only an administrator of the company may do this');
}
