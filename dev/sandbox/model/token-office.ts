import type { Rng } from '../../../core/ports.ts';
import { jwtLike, opaqueToken } from './opaque-token.ts';
import { TokenShelf } from './token-shelf.ts';
import type {
  AccessToken,
  App,
  DeathOfToken,
  Principal,
  RefreshToken,
  RequestToken,
  SecretKind,
  Settings,
} from './types.ts';

/** Dead tokens answer as unknown ones do, so they are kept for the eyes of people only, and not for long. */
const KEEP_DEAD_MS = 86_400_000;
const KEEP_REQUEST_TOKENS_MS = 7 * 86_400_000;
/** Lax rotation leaves old values alive for months: with tokens of seconds that would fill the memory. */
const MOST_REFRESH_TOKENS = 500;
const SWEEP_EVERY = 200;

export interface TokenOfficeContext {
  readonly settings: Settings;
  readonly rng: Rng;
  now(): number;
  baseUri(dataCentre: string): string;
  record(kind: SecretKind, value: string): void;
  changed(): void;
}

/** Issues, rotates and ends tokens; who may have one is decided by the grants. */
export class TokenOffice {
  readonly requestTokens = new TokenShelf<RequestToken>();
  readonly refreshTokens = new TokenShelf<RefreshToken>();
  readonly accessTokens = new TokenShelf<AccessToken>();
  readonly #context: TokenOfficeContext;
  #serial = 0;
  #accessTokensIssued = 0;

  constructor(context: TokenOfficeContext) {
    this.#context = context;
  }

  issueRequestToken(app: App, principal: Principal, via: RequestToken['via']): RequestToken {
    const now = this.#context.now();
    const token: RequestToken = {
      value: this.#newOpaque('request-token'),
      clientId: app.clientId,
      principalId: principal.id,
      via,
      createdAtMs: now,
      expiresAtMs: now + this.#context.settings.requestTokenTtlMs,
      uses: 0,
    };
    this.requestTokens.add(token);
    this.#context.changed();
    return token;
  }

  issueRefreshToken(app: App, principal: Principal, scope: string): RefreshToken {
    const now = this.#context.now();
    const token: RefreshToken = {
      value: this.#newOpaque('refresh-token'),
      clientId: app.clientId,
      principalId: principal.id,
      scope,
      createdAtMs: now,
      expiresAtMs: now + this.#context.settings.refreshTokenTtlMs,
      death: null,
      replaced: false,
    };
    this.refreshTokens.add(token);
    const ofGrant = this.refreshTokens.manyOf(app.clientId, principal.id);
    for (const old of ofGrant.slice(0, -MOST_REFRESH_TOKENS)) this.refreshTokens.remove(old);
    this.#context.changed();
    return token;
  }

  /** A refresh extends the life of the grant: of the same value, or by a new one. */
  rotate(app: App, principal: Principal, used: RefreshToken): RefreshToken {
    const rotation = app.rotation ?? this.#context.settings.rotation;
    if (rotation === 'same') {
      used.expiresAtMs = this.#context.now() + this.#context.settings.refreshTokenTtlMs;
      this.#context.changed();
      return used;
    }
    used.replaced = true;
    if (rotation === 'strict') used.death = 'rotated';
    return this.issueRefreshToken(app, principal, used.scope);
  }

  /** `principal` null: an application token. */
  issueAccessToken(app: App, principal: Principal | null, scope: string, dataCentre: string): AccessToken {
    const now = this.#context.now();
    const expiresAtMs = now + this.#context.settings.accessTokenTtlMs;
    const base = this.#context.baseUri(dataCentre);
    const subject =
      principal === null ? `${base}/appmgmt/v0/apps/${app.clientId}` : `${base}/profile/v1/principals/${principal.id}`;
    const value = jwtLike(this.#context.rng, {
      sub: subject,
      aud: app.clientId,
      iss: base,
      iat: Math.floor(now / 1000),
      exp: Math.floor(expiresAtMs / 1000),
      'concur.type': principal?.type ?? 'app',
      'concur.scopes': scope,
    });
    this.#context.record('access-token', value);
    const token: AccessToken = {
      value,
      clientId: app.clientId,
      principalId: principal?.id ?? null,
      scope,
      issuedAtMs: now,
      expiresAtMs,
      revoked: false,
    };
    this.accessTokens.add(token);
    this.#context.changed();
    if (++this.#accessTokensIssued % SWEEP_EVERY === 0) this.sweep();
    return token;
  }

  /** The live access token with that value, if it is one. */
  maybeLiveAccessToken(value: string): AccessToken | undefined {
    const token = this.accessTokens.maybeOne(value);
    return token === undefined || token.revoked || token.expiresAtMs <= this.#context.now() ? undefined : token;
  }

  isLive(token: RefreshToken): boolean {
    return token.death === null && token.expiresAtMs > this.#context.now();
  }

  /** Whether the app has a living grant of the principal. */
  isConnected(clientId: string, principalId: string): boolean {
    return this.refreshTokens.manyOf(clientId, principalId).some((token) => this.isLive(token));
  }

  /** Ends every refresh token of a principal and app, and the access tokens with them. Request tokens live on. */
  endGrant(clientId: string, principalId: string, death: DeathOfToken): number {
    let ended = 0;
    for (const token of this.refreshTokens.manyOf(clientId, principalId)) {
      if (!this.isLive(token)) continue;
      token.death = death;
      ended += 1;
    }
    for (const token of this.accessTokens.manyOf(clientId, principalId)) token.revoked = true;
    this.#context.changed();
    return ended;
  }

  /** Lets access tokens, or the whole grant, run out at this moment. */
  expireNow(clientId: string, principalId: string, which: 'access' | 'refresh' | 'request'): number {
    const now = this.#context.now();
    const shelf = { access: this.accessTokens, refresh: this.refreshTokens, request: this.requestTokens }[which];
    const tokens = shelf.manyOf(clientId, principalId);
    for (const token of tokens) token.expiresAtMs = Math.min(token.expiresAtMs, now);
    this.#context.changed();
    return tokens.length;
  }

  /** Forgets what nobody can use any more. */
  sweep(): void {
    const now = this.#context.now();
    for (const token of this.accessTokens.all()) {
      if (token.expiresAtMs <= now || token.revoked) this.accessTokens.remove(token);
    }
    for (const token of this.refreshTokens.all()) {
      const goneAtMs = token.death === null ? token.expiresAtMs : token.createdAtMs;
      if (!this.isLive(token) && goneAtMs + KEEP_DEAD_MS < now) this.refreshTokens.remove(token);
    }
    for (const token of this.requestTokens.all()) {
      if (token.expiresAtMs + KEEP_REQUEST_TOKENS_MS < now) this.requestTokens.remove(token);
    }
  }

  #newOpaque(kind: SecretKind): string {
    const value = opaqueToken(this.#context.rng, this.#serial++);
    this.#context.record(kind, value);
    return value;
  }
}
