/**
 * The hands on the sandbox: what a customer's administrator, Concur's operators and fate can do, and what Concur has
 * on file. Tests call it directly; the `/__sandbox` routes and the pages call the same methods. Commands that make no
 * sense throw `SandboxProblem`. Longer than 300 lines: one short method for each thing that can be done.
 */
import type { CallFilter, CallLog, CallRecord } from './call-log.ts';
import type { FaultHandle, FaultRegistry } from './fault-registry.ts';
import type { FaultInput } from './fault-schema.ts';
import type { ConcurModel } from './model/concur-model.ts';
import type { NewApp, NewCompany, NewUser } from './model/directory.ts';
import { SandboxProblem } from './model/problem.ts';
import type {
  App,
  Company,
  DisabledCode,
  FormerHome,
  IssuedSecret,
  LegacyToken,
  Principal,
  RequestToken,
  Settings,
  User,
} from './model/types.ts';
import type { SigningKey } from './signing-key.ts';
import { buildGrantViews } from './grant-view.ts';
import type { GrantView } from './grant-view.ts';

/** One app and one principal: what a grant is between. */
export interface GrantKey {
  readonly clientId: string;
  readonly principalId: string;
}

/** What to switch off or on: an app for everybody, an app at one company, a company, a user. */
export type DisableTarget =
  | { readonly clientId: string; readonly companyId?: undefined }
  | { readonly clientId: string; readonly companyId: string }
  | { readonly companyId: string; readonly code?: DisabledCode | undefined }
  | { readonly userId: string; readonly code?: DisabledCode | undefined };

/** What Connect gives to the browser. */
export interface ConnectRedirect {
  readonly url: string;
  readonly principalId: string;
  /** For a legacy app its `code`; empty when the user denied. */
  readonly requestToken: string;
  readonly userId: string;
}

export interface ConnectInput extends GrantKey {
  /** Who presses the button; by default the first administrator of the company. */
  readonly userId?: string | undefined;
  /** Concur's pages spell it both ways. */
  readonly userIdParameter?: 'userId' | 'userID' | undefined;
  /** The user of a legacy app says no: the browser comes back with an error. */
  readonly deny?: boolean | undefined;
}

export class SandboxControl {
  readonly #model: ConcurModel;
  readonly #signingKey: SigningKey;
  readonly #faults: FaultRegistry;
  readonly #callLog: CallLog;

  constructor(parts: {
    readonly model: ConcurModel;
    readonly signingKey: SigningKey;
    readonly faults: FaultRegistry;
    readonly callLog: CallLog;
  }) {
    this.#model = parts.model;
    this.#signingKey = parts.signingKey;
    this.#faults = parts.faults;
    this.#callLog = parts.callLog;
  }

  // ── Who exists ─────────────────────────────────────────────────────────────────────────────────────────────

  addCompany(input: NewCompany): Company {
    return this.#model.directory.addCompany(input);
  }

  /** Concur does not know the company any more: code 100. */
  removeCompany(companyId: string): void {
    this.#model.directory.removeCompany(companyId);
  }

  addUser(input: NewUser): User {
    return this.#model.directory.addUser(input);
  }

  /** The newest secret is the last of `secrets`. */
  addApp(input: NewApp): App {
    return this.#model.directory.addApp(input);
  }

  companies(): readonly Company[] {
    return this.#model.directory.companies();
  }

  users(companyId?: string): readonly User[] {
    return this.#model.directory.users(companyId);
  }

  apps(): readonly App[] {
    return this.#model.directory.apps();
  }

  // ── What a customer's administrator does ───────────────────────────────────────────────────────────────────

  /** A company request token made by hand in Web Services administration (for a user of an "app for me" too). */
  requestToken(key: GrantKey): RequestToken {
    const app = this.#model.directory.oneApp(key.clientId);
    return this.#model.tokens.issueRequestToken(app, this.#model.directory.onePrincipal(key.principalId), 'by-hand');
  }

  /** Connect in the App Center: the address to which the browser is sent. Needs the Web Services Admin permission. */
  pressConnect(input: ConnectInput): ConnectRedirect {
    const app = this.#model.directory.oneApp(input.clientId);
    const principal = this.#model.directory.onePrincipal(input.principalId);
    if (app.connectUri === null) throw new SandboxProblem('conflict', `${app.name} has no connect URI`);
    if (app.flow === 'app-center-legacy') return this.#pressLegacyConnect(app, app.connectUri, principal, input);
    if (principal.type !== app.principalType) {
      throw new SandboxProblem(
        'invalid',
        `${app.name} is connected by a ${app.principalType}, not by a ${principal.type}`,
      );
    }
    const user = this.#presser(principal, input.userId);
    if (app.principalType === 'company' && !user.webServicesAdmin) {
      throw new SandboxProblem('forbidden', `${user.displayName} lacks the Web Services Admin permission`);
    }
    const token = this.#model.tokens.issueRequestToken(app, principal, 'connect');
    const url = new URL(app.connectUri);
    url.searchParams.set('id', principal.id);
    url.searchParams.set('requestToken', token.value);
    url.searchParams.set(input.userIdParameter ?? 'userId', user.id);
    return { url: url.href, principalId: principal.id, requestToken: token.value, userId: user.id };
  }

  /** Disconnect in the App Center: ends the grant without telling the partner. The number of tokens that died. */
  disconnect(key: GrantKey): number {
    const app = this.#model.directory.oneApp(key.clientId);
    const principalId = key.principalId.toLowerCase();
    const ended = this.#model.legacy.endAll(app.clientId, principalId, 'disconnected');
    return ended + this.#model.tokens.endGrant(app.clientId, principalId, 'disconnected');
  }

  /** Codes afterwards: 59 (app), 53 (app at a company), the given one or 10 (company, user). */
  disable(target: DisableTarget): void {
    this.#setEnabled(target, false);
  }

  enable(target: DisableTarget): void {
    this.#setEnabled(target, true);
  }

  /** The old secrets die at once unless `old` is `overlaps`. */
  newSecret(input: { clientId: string; old?: 'dies' | 'overlaps' | undefined; secret?: string | undefined }): string {
    return this.#model.directory.newClientSecret(input.clientId, input.old ?? 'dies', input.secret);
  }

  deactivateSecret(input: { readonly clientId: string; readonly secret: string }): void {
    this.#model.directory.deactivateSecret(input.clientId, input.secret);
  }

  // ── What happens at Concur ─────────────────────────────────────────────────────────────────────────────────

  /** Code 134 while it is on. */
  setMaintenance(companyId: string, on: boolean): void {
    this.#model.directory.setMaintenance(companyId, on);
  }

  /** Moves the tenant; the data centre that it leaves answers as `formerHome` says, by default with code 16. */
  move(input: { companyId: string; dataCentre: string; formerHome?: FormerHome | undefined }): void {
    this.#model.directory.move(input.companyId, input.dataCentre, input.formerHome ?? 'redirects');
  }

  /** Lets the access tokens, refresh tokens or request tokens of a grant run out now. */
  expire(input: GrantKey & { readonly which: 'access' | 'refresh' | 'request' | 'legacy' }): number {
    const { clientId, which } = input;
    const principalId = input.principalId.toLowerCase();
    if (which === 'legacy') return this.#model.legacy.expireNow(clientId, principalId, which);
    const expired = which === 'request' ? this.#model.legacy.expireNow(clientId, principalId, which) : 0;
    return expired + this.#model.tokens.expireNow(clientId, principalId, which);
  }

  /** A one-year token as if from years ago, without any redirect: something to import or to migrate. */
  legacyToken(input: { readonly clientId: string; readonly userId: string }): LegacyToken {
    const app = this.#model.directory.oneApp(input.clientId);
    return this.#model.legacy.issueToken(app, this.#model.directory.oneUser(input.userId).id);
  }

  set(settings: Partial<Settings>): Settings {
    for (const [name, value] of Object.entries(settings)) {
      if (value !== undefined) Object.assign(this.#model.settings, { [name]: value });
    }
    return { ...this.#model.settings };
  }

  setRotation(clientId: string, rotation: App['rotation']): void {
    this.#model.directory.oneApp(clientId).rotation = rotation;
    this.#model.changed();
  }

  advanceClock(ms: number): void {
    this.#model.advanceClock(ms);
  }

  now(): number {
    return this.#model.now();
  }

  rotateSigningKey(): Promise<void> {
    return this.#signingKey.rotate();
  }

  // ── What goes wrong ────────────────────────────────────────────────────────────────────────────────────────

  fault(input: FaultInput): FaultHandle {
    return this.#faults.add(input);
  }

  faults(): ReturnType<FaultRegistry['list']> {
    return this.#faults.list();
  }

  removeFault(id: string): void {
    this.#faults.remove(id);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  // ── What Concur has seen and has on file ───────────────────────────────────────────────────────────────────

  calls(filter?: CallFilter): readonly CallRecord[] {
    return this.#callLog.many(filter);
  }

  /** How many such calls were under way at the same time, at most. */
  mostAtOnce(filter?: CallFilter): number {
    return this.#callLog.mostAtOnce(filter);
  }

  /** Resolves when that many such calls have ended. */
  waitForCalls(filter: CallFilter, count = 1, timeoutMs = 10_000): Promise<readonly CallRecord[]> {
    return this.#callLog.waitFor(filter, count, timeoutMs);
  }

  /** Every secret ever given out, in clear, oldest first. */
  issuedSecrets(): readonly IssuedSecret[] {
    return this.#model.ledger.all();
  }

  /** False when so many secrets were issued that the oldest were forgotten. */
  issuedSecretsAreComplete(): boolean {
    return this.#model.ledger.complete;
  }

  /** Tokens in clear, by app and principal. */
  grants(filter: Partial<GrantKey> = {}): readonly GrantView[] {
    return buildGrantViews(this.#model, filter);
  }

  isConnected(key: GrantKey): boolean {
    const principalId = key.principalId.toLowerCase();
    return (
      this.#model.tokens.isConnected(key.clientId, principalId) ||
      this.#model.legacy.isConnected(key.clientId, principalId)
    );
  }

  /** The flow of before 2017: the token will be the one of the user who presses. */
  #pressLegacyConnect(app: App, redirectUri: string, principal: Principal, input: ConnectInput): ConnectRedirect {
    const user = this.#presser(principal, input.userId);
    const url = new URL(redirectUri);
    if (input.deny === true) {
      url.searchParams.set('error', 'access_denied');
      url.searchParams.set('error_description', 'The user denied the request');
      return { url: url.href, principalId: user.id, requestToken: '', userId: user.id };
    }
    const code = this.#model.legacy.issueCode(app, user);
    url.searchParams.set('code', code.value);
    return { url: url.href, principalId: user.id, requestToken: code.value, userId: user.id };
  }

  #presser(principal: Principal, userId: string | undefined): User {
    if (userId !== undefined) {
      const user = this.#model.directory.oneUser(userId);
      if (user.companyId === principal.company.id) return user;
      throw new SandboxProblem('invalid', `${user.displayName} works for another company`);
    }
    if (principal.type === 'user') return principal.user;
    const admin = this.#model.directory.users(principal.company.id).find((user) => user.webServicesAdmin);
    if (admin !== undefined) return admin;
    throw new SandboxProblem(
      'forbidden',
      `${principal.company.name} has nobody with the Web Services Admin permission`,
    );
  }

  #setEnabled(target: DisableTarget, enabled: boolean): void {
    const { directory } = this.#model;
    if ('clientId' in target) {
      if (target.companyId === undefined) directory.setAppEnabled(target.clientId, enabled);
      else directory.setAppEnabledAt(target.clientId, target.companyId, enabled);
      return;
    }
    const principalId = 'userId' in target ? target.userId : target.companyId;
    directory.setDisabled(principalId, enabled ? null : (target.code ?? 10));
  }
}
