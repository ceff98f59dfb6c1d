/**
 * Companies, people and apps as Concur has them on file. Longer than 300 lines: they are looked up in one another at
 * every step.
 */
import { SandboxProblem } from './problem.ts';
import { GLZ } from './types.ts';
import type {
  App,
  ClientSecret,
  Company,
  DisabledCode,
  Flow,
  FormerHome,
  Principal,
  PrincipalType,
  User,
} from './types.ts';

export interface NewCompany {
  readonly id?: string | undefined;
  readonly name: string;
  readonly domain?: string | undefined;
  readonly dataCentre?: string | undefined;
}

export interface NewUser {
  readonly id?: string | undefined;
  readonly companyId: string;
  readonly displayName?: string | undefined;
  readonly login?: string | undefined;
  readonly password?: string | undefined;
  readonly webServicesAdmin?: boolean | undefined;
  readonly hasProfile?: boolean | undefined;
}

export interface NewApp {
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly name?: string | undefined;
  readonly principalType?: PrincipalType | undefined;
  readonly connectUri?: string | null | undefined;
  readonly scopes?: readonly string[] | undefined;
  readonly rotation?: App['rotation'] | undefined;
  readonly idToken?: boolean | undefined;
  readonly flow?: Flow | undefined;
  readonly legacyClientId?: string | null | undefined;
}

/** As states of before these fields have them. */
type StoredUser = Omit<User, 'hasProfile'> & Partial<Pick<User, 'hasProfile'>>;
type StoredApp = Omit<App, 'flow' | 'legacyClientId'> & Partial<Pick<App, 'flow' | 'legacyClientId'>>;

/** What the directory needs from the model around it. */
export interface DirectoryContext {
  readonly dataCentres: readonly string[];
  now(): number;
  uuid(): string;
  newSecret(kind: 'client-secret' | 'password', value?: string): string;
  changed(): void;
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Companies, their users, and the partner's apps. Commands that make no sense throw {@link SandboxProblem}. */
export class Directory {
  readonly #context: DirectoryContext;
  readonly #companies = new Map<string, Company>();
  readonly #users = new Map<string, User>();
  readonly #logins = new Map<string, User>();
  readonly #apps = new Map<string, App>();

  constructor(context: DirectoryContext) {
    this.#context = context;
  }

  companies(): readonly Company[] {
    return [...this.#companies.values()];
  }

  users(companyId?: string): readonly User[] {
    const users = [...this.#users.values()];
    return companyId === undefined ? users : users.filter((user) => user.companyId === companyId);
  }

  apps(): readonly App[] {
    return [...this.#apps.values()];
  }

  maybeCompany(id: string): Company | undefined {
    return this.#companies.get(id.toLowerCase());
  }

  oneCompany(id: string): Company {
    return this.maybeCompany(id) ?? notFound('company', id);
  }

  maybeUser(id: string): User | undefined {
    return this.#users.get(id.toLowerCase());
  }

  oneUser(id: string): User {
    return this.maybeUser(id) ?? notFound('user', id);
  }

  maybeUserByLogin(login: string): User | undefined {
    return this.#logins.get(login.toLowerCase());
  }

  maybeApp(clientId: string): App | undefined {
    return this.#apps.get(clientId);
  }

  oneApp(clientId: string): App {
    return this.maybeApp(clientId) ?? notFound('app', clientId);
  }

  maybePrincipal(id: string): Principal | undefined {
    const company = this.maybeCompany(id);
    if (company !== undefined) return { type: 'company', id: company.id, company };
    const user = this.#users.get(id.toLowerCase());
    if (user === undefined) return undefined;
    return { type: 'user', id: user.id, user, company: this.oneCompany(user.companyId) };
  }

  onePrincipal(id: string): Principal {
    return this.maybePrincipal(id) ?? notFound('principal', id);
  }

  addCompany(input: NewCompany): Company {
    const id = this.#newPrincipalId(input.id);
    const dataCentre = this.#home(input.dataCentre ?? this.#context.dataCentres.find((name) => name !== GLZ));
    const domain = input.domain ?? `${input.name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.example`;
    const company: Company = {
      id,
      name: input.name,
      domain,
      dataCentre,
      formerHomes: {},
      disabledCode: null,
      maintenance: false,
      disabledApps: [],
    };
    this.#companies.set(id, company);
    this.#context.changed();
    return company;
  }

  /** Concur forgets the company and its users; tokens issued to them answer "principal unknown" (100) from now on. */
  removeCompany(id: string): void {
    const company = this.oneCompany(id);
    for (const user of this.users(company.id)) {
      this.#users.delete(user.id);
      this.#logins.delete(user.login.toLowerCase());
    }
    this.#companies.delete(company.id);
    this.#context.changed();
  }

  addUser(input: NewUser): User {
    const company = this.oneCompany(input.companyId);
    const id = this.#newPrincipalId(input.id);
    const displayName = input.displayName ?? `User ${this.users(company.id).length + 1}`;
    const email = `${displayName.toLowerCase().replace(/[^a-z0-9]+/g, '.')}@${company.domain}`;
    const login = input.login ?? email;
    if (this.maybeUserByLogin(login) !== undefined) {
      throw new SandboxProblem('conflict', `there is a user with the login ${login} already`);
    }
    const user: User = {
      id,
      companyId: company.id,
      login,
      password: this.#context.newSecret('password', input.password),
      displayName,
      email,
      webServicesAdmin: input.webServicesAdmin ?? false,
      disabledCode: null,
      hasProfile: input.hasProfile ?? true,
    };
    this.#users.set(id, user);
    this.#logins.set(login.toLowerCase(), user);
    this.#context.changed();
    return user;
  }

  addApp(input: NewApp): App {
    const clientId = input.clientId ?? this.#context.uuid();
    if (this.#apps.has(clientId))
      throw new SandboxProblem('conflict', `there is an app with client id ${clientId} already`);
    if (input.connectUri != null && !URL.canParse(input.connectUri)) {
      throw new SandboxProblem('invalid', `connectUri ${input.connectUri} is no URL`);
    }
    const app: App = {
      clientId,
      name: input.name ?? 'App',
      principalType: input.principalType ?? 'company',
      connectUri: input.connectUri ?? null,
      scopes: [...(input.scopes ?? ['openid', 'company.read', 'EXPRPT', 'receipts.read'])],
      secrets: [],
      enabled: true,
      rotation: input.rotation ?? null,
      idToken: input.idToken ?? true,
      flow: input.flow ?? 'quick-connect',
      legacyClientId: input.legacyClientId ?? null,
    };
    this.#apps.set(clientId, app);
    this.#addSecret(app, input.clientSecret);
    return app;
  }

  /** Adds an app, or brings a known one up to date; a secret that is new to it is added beside the others. */
  putApp(input: NewApp): App {
    const known = input.clientId === undefined ? undefined : this.maybeApp(input.clientId);
    if (known === undefined) return this.addApp(input);
    known.name = input.name ?? known.name;
    known.connectUri = input.connectUri === undefined ? known.connectUri : input.connectUri;
    known.scopes = input.scopes === undefined ? known.scopes : [...input.scopes];
    known.principalType = input.principalType ?? known.principalType;
    known.rotation = input.rotation === undefined ? known.rotation : input.rotation;
    known.idToken = input.idToken ?? known.idToken;
    known.flow = input.flow ?? known.flow;
    known.legacyClientId = input.legacyClientId === undefined ? known.legacyClientId : input.legacyClientId;
    const isNews = !known.secrets.some((secret) => secret.value === input.clientSecret);
    if (input.clientSecret !== undefined && isNews) this.#addSecret(known, input.clientSecret);
    this.#context.changed();
    return known;
  }

  /** A new client secret; the old ones die at once (self-service tool) or stay active beside it (secrets API). */
  newClientSecret(clientId: string, old: 'dies' | 'overlaps', value?: string): string {
    const app = this.oneApp(clientId);
    if (old === 'dies') for (const secret of app.secrets) secret.active = false;
    return this.#addSecret(app, value).value;
  }

  deactivateSecret(clientId: string, value: string): void {
    const secret = this.oneApp(clientId).secrets.find((candidate) => candidate.value === value);
    if (secret === undefined) throw new SandboxProblem('not-found', 'the app has no such secret');
    secret.active = false;
    this.#context.changed();
  }

  setAppEnabled(clientId: string, enabled: boolean): void {
    this.oneApp(clientId).enabled = enabled;
    this.#context.changed();
  }

  /** Web Services administration: the company switches an app off or on for itself (code 53 while it is off). */
  setAppEnabledAt(clientId: string, companyId: string, enabled: boolean): void {
    const app = this.oneApp(clientId);
    const company = this.oneCompany(companyId);
    company.disabledApps = company.disabledApps.filter((id) => id !== app.clientId);
    if (!enabled) company.disabledApps.push(app.clientId);
    this.#context.changed();
  }

  setDisabled(principalId: string, code: DisabledCode | null): void {
    const principal = this.onePrincipal(principalId);
    if (principal.type === 'company') principal.company.disabledCode = code;
    else principal.user.disabledCode = code;
    this.#context.changed();
  }

  setMaintenance(companyId: string, maintenance: boolean): void {
    this.oneCompany(companyId).maintenance = maintenance;
    this.#context.changed();
  }

  move(companyId: string, dataCentre: string, formerHome: FormerHome): void {
    const company = this.oneCompany(companyId);
    const destination = this.#home(dataCentre);
    if (destination === company.dataCentre) return;
    company.formerHomes[company.dataCentre] = formerHome;
    delete company.formerHomes[destination];
    company.dataCentre = destination;
    this.#context.changed();
  }

  restore(state: { companies: readonly Company[]; users: readonly StoredUser[]; apps: readonly StoredApp[] }): void {
    for (const company of state.companies) {
      this.#home(company.dataCentre);
      this.#companies.set(company.id, company);
    }
    // What older states lack comes first.
    for (const stored of state.users) {
      const user = { hasProfile: true, ...stored };
      this.#users.set(user.id, user);
      this.#logins.set(user.login.toLowerCase(), user);
    }
    for (const app of state.apps) {
      this.#apps.set(app.clientId, { flow: 'quick-connect', legacyClientId: null, ...app });
    }
  }

  #addSecret(app: App, value: string | undefined): ClientSecret {
    const secret = {
      value: this.#context.newSecret('client-secret', value),
      createdAtMs: this.#context.now(),
      active: true,
    };
    app.secrets.push(secret);
    this.#context.changed();
    return secret;
  }

  #home(dataCentre: string | undefined): string {
    if (dataCentre !== undefined && dataCentre !== GLZ && this.#context.dataCentres.includes(dataCentre)) {
      return dataCentre;
    }
    const homes = this.#context.dataCentres.filter((name) => name !== GLZ).join(', ');
    throw new SandboxProblem(
      'invalid',
      `no company can live in ${dataCentre ?? 'no data centre'}: choose one of ${homes}`,
    );
  }

  #newPrincipalId(wanted: string | undefined): string {
    const id = (wanted ?? this.#context.uuid()).toLowerCase();
    if (!uuidPattern.test(id)) throw new SandboxProblem('invalid', `${wanted} is no UUID`);
    if (this.maybePrincipal(id) !== undefined) throw new SandboxProblem('conflict', `${id} is taken`);
    return id;
  }
}

function notFound(what: string, id: string): never {
  throw new SandboxProblem('not-found', `there is no ${what} ${id}`);
}
