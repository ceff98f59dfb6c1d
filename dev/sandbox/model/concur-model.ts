/**
 * SAP Concur as a pure model: who exists, which tokens are alive, who may have a new one. No HTTP, no clock and no
 * randomness of its own, so that a deterministic simulation can run on it as well as the sandbox does.
 */
import type { Clock, Rng } from '../../../core/ports.ts';
import { Directory } from './directory.ts';
import { LegacyOffice } from './legacy-office.ts';
import { SecretLedger } from './secret-ledger.ts';
import { TokenOffice } from './token-office.ts';
import { defaultSettings } from './types.ts';
import type {
  AccessToken,
  App,
  Company,
  LegacyCode,
  LegacyToken,
  RefreshToken,
  RequestToken,
  SecretKind,
  Settings,
  User,
} from './types.ts';

export interface ConcurModelOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly rng: Rng;
  /** Names, `glz` among them. */
  readonly dataCentres: readonly string[];
  /** Names of the instances of the flow of before 2017, the one that serves everybody first; none by default. */
  readonly legacyInstances?: readonly string[] | undefined;
  /** Of a data centre or a legacy instance. */
  baseUri(dataCentre: string): string;
  readonly settings?: Partial<Settings> | undefined;
  /** How many issued secrets are remembered; unlimited by default. */
  readonly secretLimit?: number | undefined;
}

/** Everything on file, as plain JSON: holds tokens and client secrets in clear. */
export interface ConcurSnapshot {
  readonly clockOffsetMs: number;
  readonly companies: readonly Company[];
  readonly users: readonly User[];
  readonly apps: readonly App[];
  readonly requestTokens: readonly RequestToken[];
  readonly refreshTokens: readonly RefreshToken[];
  readonly accessTokens: readonly AccessToken[];
  readonly legacyCodes: readonly LegacyCode[];
  readonly legacyTokens: readonly LegacyToken[];
}

export class ConcurModel {
  readonly dataCentres: readonly string[];
  readonly legacyInstances: readonly string[];
  readonly settings: Settings;
  readonly directory: Directory;
  readonly tokens: TokenOffice;
  readonly legacy: LegacyOffice;
  readonly ledger: SecretLedger;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #baseUri: (dataCentre: string) => string;
  #clockOffsetMs = 0;
  #revision = 0;

  constructor(options: ConcurModelOptions) {
    const { rng } = options;
    this.#clock = options.clock;
    this.#baseUri = options.baseUri;
    this.dataCentres = options.dataCentres;
    this.legacyInstances = options.legacyInstances ?? [];
    this.settings = { ...defaultSettings, ...options.settings };
    this.ledger = new SecretLedger(options.secretLimit ?? Number.POSITIVE_INFINITY);
    const now = (): number => this.now();
    const changed = (): void => this.changed();
    const record = (kind: SecretKind, value: string): void => this.ledger.record(kind, value, this.now());
    this.directory = new Directory({
      dataCentres: options.dataCentres,
      now,
      uuid: () => rng.uuid(),
      newSecret: (kind, value) => {
        const secret = value ?? rng.token(24);
        record(kind, secret);
        return secret;
      },
      changed,
    });
    this.tokens = new TokenOffice({
      settings: this.settings,
      rng,
      now,
      baseUri: (dataCentre) => this.baseUri(dataCentre),
      record,
      changed,
    });
    this.legacy = new LegacyOffice({ settings: this.settings, rng, now, record, changed });
  }

  /** Concur's clock: the real one plus what a test has advanced it by. */
  now(): number {
    return this.#clock.now() + this.#clockOffsetMs;
  }

  advanceClock(ms: number): void {
    this.#clockOffsetMs += ms;
    this.changed();
  }

  baseUri(dataCentre: string): string {
    return this.#baseUri(dataCentre);
  }

  /** Table of base URIs by name. */
  baseUris(names: readonly string[]): Readonly<Record<string, string>> {
    return Object.fromEntries(names.map((name) => [name, this.baseUri(name)]));
  }

  /** Instance of the flow of before 2017 where a company is at home: the European one for those in Europe. */
  legacyInstanceOf({ dataCentre }: Pick<Company, 'dataCentre'>): string {
    const wanted = /^(?:eu|emea)/.test(dataCentre) ? 'eu1' : 'www';
    return this.legacyInstances.find((name) => name === wanted) ?? this.legacyInstances[0] ?? wanted;
  }

  /** Grows with every change, so that a keeper knows when to save. */
  get revision(): number {
    return this.#revision;
  }

  changed(): void {
    this.#revision += 1;
  }

  snapshot(): ConcurSnapshot {
    this.tokens.sweep();
    this.legacy.sweep();
    return {
      clockOffsetMs: this.#clockOffsetMs,
      companies: this.directory.companies(),
      users: this.directory.users(),
      apps: this.directory.apps(),
      requestTokens: this.tokens.requestTokens.all(),
      refreshTokens: this.tokens.refreshTokens.all(),
      accessTokens: this.tokens.accessTokens.all(),
      legacyCodes: this.legacy.codes.all(),
      legacyTokens: this.legacy.tokens.all(),
    };
  }

  /** Puts a snapshot into a model that is still empty. Throws when a company lives in a data centre that is not here. */
  restore(snapshot: ConcurSnapshot): void {
    this.#clockOffsetMs = snapshot.clockOffsetMs;
    this.directory.restore(snapshot);
    for (const token of snapshot.requestTokens) this.tokens.requestTokens.add(token);
    for (const token of snapshot.refreshTokens) this.tokens.refreshTokens.add(token);
    for (const token of snapshot.accessTokens) this.tokens.accessTokens.add(token);
    for (const code of snapshot.legacyCodes) {
      this.legacy.codes.add(code);
      this.ledger.record('legacy-code', code.value, code.createdAtMs);
    }
    for (const token of snapshot.legacyTokens) {
      this.legacy.tokens.add(token);
      this.ledger.record('legacy-token', token.value, token.createdAtMs);
      this.ledger.record('legacy-refresh-token', token.refreshValue, token.createdAtMs);
    }
    for (const app of snapshot.apps) {
      for (const secret of app.secrets) this.ledger.record('client-secret', secret.value, secret.createdAtMs);
    }
    for (const user of snapshot.users) this.ledger.record('password', user.password, 0);
    for (const token of snapshot.refreshTokens) this.ledger.record('refresh-token', token.value, token.createdAtMs);
    for (const token of snapshot.requestTokens) this.ledger.record('request-token', token.value, token.createdAtMs);
    for (const token of snapshot.accessTokens) this.ledger.record('access-token', token.value, token.issuedAtMs);
  }
}
