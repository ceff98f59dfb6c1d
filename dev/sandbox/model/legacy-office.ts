import type { Rng } from '../../../core/ports.ts';
import { TokenShelf } from './token-shelf.ts';
import type { App, DeathOfToken, LegacyCode, LegacyToken, SecretKind, Settings, User } from './types.ts';

const KEEP_DEAD_MS = 86_400_000;

export interface LegacyOfficeContext {
  readonly settings: Settings;
  readonly rng: Rng;
  now(): number;
  record(kind: SecretKind, value: string): void;
  changed(): void;
}

/** Codes and one-year tokens of the App Center flow of before 2017; who may have one is decided by the legacy grants. */
export class LegacyOffice {
  readonly codes = new TokenShelf<LegacyCode>();
  readonly tokens = new TokenShelf<LegacyToken>();
  readonly #context: LegacyOfficeContext;

  constructor(context: LegacyOfficeContext) {
    this.#context = context;
  }

  issueCode(app: App, user: User): LegacyCode {
    const now = this.#context.now();
    const code: LegacyCode = {
      value: this.#record('legacy-code', this.#context.rng.token(12)),
      clientId: app.clientId,
      principalId: user.id,
      createdAtMs: now,
      expiresAtMs: now + this.#context.settings.requestTokenTtlMs,
      uses: 0,
    };
    this.codes.add(code);
    this.#context.changed();
    return code;
  }

  issueToken(app: Pick<App, 'clientId'>, userId: string): LegacyToken {
    const now = this.#context.now();
    const token: LegacyToken = {
      // In the form of Concur's examples, with characters that a URL has to escape.
      value: this.#record('legacy-token', `${this.#context.rng.token(20)}+=`),
      refreshValue: this.#record('legacy-refresh-token', this.#context.rng.token(24)),
      clientId: app.clientId,
      principalId: userId,
      createdAtMs: now,
      expiresAtMs: now + this.#context.settings.legacyTokenTtlMs,
      death: null,
      replaced: false,
    };
    this.tokens.add(token);
    this.sweep();
    this.#context.changed();
    return token;
  }

  /** A refresh gives another year: to the same token, or by a new one. */
  rotate(app: App, used: LegacyToken): LegacyToken {
    const rotation = app.rotation ?? this.#context.settings.rotation;
    if (rotation === 'same') {
      used.expiresAtMs = this.#context.now() + this.#context.settings.legacyTokenTtlMs;
      this.#context.changed();
      return used;
    }
    used.replaced = true;
    if (rotation === 'strict') used.death = 'rotated';
    return this.issueToken(app, used.principalId);
  }

  isLive(token: LegacyToken): boolean {
    return token.death === null && token.expiresAtMs > this.#context.now();
  }

  /** The live token that has this value, or this refresh value. */
  maybeLive(value: string): LegacyToken | undefined {
    return this.tokens
      .all()
      .find((token) => this.isLive(token) && (token.value === value || token.refreshValue === value));
  }

  maybeLiveToken(value: string): LegacyToken | undefined {
    const token = this.tokens.maybeOne(value);
    return token !== undefined && this.isLive(token) ? token : undefined;
  }

  isConnected(clientId: string, userId: string): boolean {
    return this.tokens.manyOf(clientId, userId).some((token) => this.isLive(token));
  }

  end(token: LegacyToken, death: DeathOfToken): void {
    if (token.death === null) token.death = death;
    this.#context.changed();
  }

  endAll(clientId: string, userId: string, death: DeathOfToken): number {
    const living = this.tokens.manyOf(clientId, userId).filter((token) => this.isLive(token));
    for (const token of living) this.end(token, death);
    return living.length;
  }

  /** Lets tokens (or codes) run out at this moment. */
  expireNow(clientId: string, userId: string, which: 'legacy' | 'request'): number {
    const now = this.#context.now();
    const tokens = (which === 'legacy' ? this.tokens : this.codes).manyOf(clientId, userId);
    for (const token of tokens) token.expiresAtMs = Math.min(token.expiresAtMs, now);
    this.#context.changed();
    return tokens.length;
  }

  sweep(): void {
    const before = this.#context.now() - KEEP_DEAD_MS;
    for (const token of this.tokens.all()) {
      const goneAtMs = token.death === null ? token.expiresAtMs : token.createdAtMs;
      if (!this.isLive(token) && goneAtMs < before) this.tokens.remove(token);
    }
    for (const code of this.codes.all()) if (code.expiresAtMs < before) this.codes.remove(code);
  }

  #record(kind: SecretKind, value: string): string {
    this.#context.record(kind, value);
    return value;
  }
}
