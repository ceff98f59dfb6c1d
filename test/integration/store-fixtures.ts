/** Plain values with which the tests of the stores begin. */
import { randomUUID } from 'node:crypto';
import type { Attempt, ConnectSession } from '../../core/aggregate.ts';
import type { Connection, ConnectionKey } from '../../core/connection.ts';
import type { Act, AuditEntry } from '../../core/audit-entry.ts';
import type { App, NewBrowserSession, TokenHolder } from '../../core/stores.ts';

export const NOW_MS = Date.UTC(2026, 7, 20, 12, 0, 0, 123);

/** Somebody at the command line. */
export const act: Act = { actor: 'cli:test', reason: null, correlationId: 'call-1' };

export function buildKey(app = 'demo'): ConnectionKey {
  return { app, principal: randomUUID() };
}

/** What readers of a token are told of a connection. */
export function holderOf(connection: TokenHolder): TokenHolder {
  const { id, app, principal, state, version, geolocation, scope, nextActionAtMs, lastError } = connection;
  const { accessTokenSentAtMs, accessTokenExpiresAtMs } = connection;
  return {
    ...{ id, app, principal, state, version, geolocation, scope, nextActionAtMs },
    ...{ accessTokenSentAtMs, accessTokenExpiresAtMs },
    lastError: lastError && { code: lastError.code },
  };
}

export function buildApp(overrides: Partial<App> = {}): App {
  return {
    app: 'demo',
    clientId: 'client-1',
    flow: 'quick-connect',
    principal: 'company',
    environment: 'production',
    landing: {
      mode: 'confirm',
      brand: 'Demo ERP',
      color: '#0a6ed1',
      logoUrl: null,
      logoAlt: '',
      signInUrl: null,
      signUpUrl: null,
      contactUrl: 'mailto:help@example.com',
      supportUrl: 'https://example.com/support',
      privacyUrl: 'https://example.com/privacy',
      termsUrl: null,
      manageUrl: null,
      listingUrl: null,
      nextSteps: ['Import your expense reports.'],
    },
    webhooks: [],
    requiredScopes: ['openid'],
    legacyClientId: null,
    allowUnverified: true,
    allowPasswordLogin: false,
    ...overrides,
  };
}

/** A connection that is being made: no tokens, nothing known of the company. */
export function buildNewConnection(key: ConnectionKey, overrides: Partial<Connection> = {}): Connection {
  return {
    ...key,
    id: randomUUID(),
    principalType: 'company',
    state: 'connecting',
    stateSinceMs: NOW_MS,
    reason: null,
    resumeState: null,
    version: 0,
    dataCentre: null,
    geolocation: null,
    scope: null,
    missingScopes: [],
    company: null,
    customerRef: null,
    identity: null,
    accessTokenSentAtMs: null,
    accessTokenExpiresAtMs: null,
    refreshTokenExpiresAtMs: null,
    connectedAtMs: null,
    lastRefreshedAtMs: null,
    rotationsOnDay: 0,
    lastReadAtMs: null,
    nextActionAtMs: NOW_MS,
    pausedUntilMs: null,
    failureCount: 0,
    suspectedSinceMs: null,
    expiryNoticeDays: null,
    lastError: null,
    createdAtMs: NOW_MS,
    ...overrides,
  };
}

/** A connection of which everything is known. */
export function buildFullConnection(key: ConnectionKey, overrides: Partial<Connection> = {}): Connection {
  return buildNewConnection(key, {
    state: 'paused',
    reason: 'vacation',
    resumeState: 'retrying',
    version: 7,
    dataCentre: 'us2',
    geolocation: 'https://us2.api.concursolutions.com',
    scope: 'openid company.read',
    missingScopes: ['EXPRPT', 'with space, comma and "quote"'],
    company: { name: 'Ünïcode & Söhne', domain: 'example.com' },
    customerRef: 'customer-1',
    identity: 'proven',
    accessTokenSentAtMs: NOW_MS + 1,
    accessTokenExpiresAtMs: NOW_MS + 3_600_001,
    refreshTokenExpiresAtMs: NOW_MS + 180 * 86_400_000,
    connectedAtMs: NOW_MS + 2,
    lastRefreshedAtMs: NOW_MS + 3,
    rotationsOnDay: 4,
    lastReadAtMs: NOW_MS + 4,
    nextActionAtMs: NOW_MS + 5,
    pausedUntilMs: NOW_MS + 6,
    failureCount: 2,
    suspectedSinceMs: NOW_MS + 7,
    expiryNoticeDays: 30,
    lastError: { code: 'provider-unavailable', concurCode: 134, atMs: NOW_MS + 8, correlationId: 'corr-1' },
    ...overrides,
  });
}

export function buildAttempt(overrides: Partial<Attempt> = {}): Attempt {
  return {
    id: `${randomUUID()}:1`,
    kind: 'refresh',
    status: 'open',
    versionRead: 0,
    tokenAttemptId: null,
    sessionId: null,
    startedAtMs: NOW_MS,
    horizonAtMs: NOW_MS + 180_000,
    answer: null,
    candidate: null,
    ...overrides,
  };
}

export function buildEntry(overrides: Partial<AuditEntry> = {}): AuditEntry {
  return {
    type: 'connection.connected',
    actor: 'workflow',
    reason: null,
    stateFrom: 'connecting',
    stateTo: 'active',
    version: 1,
    concurCode: null,
    correlationId: 'corr-1',
    userId: null,
    atMs: NOW_MS,
    ...overrides,
  };
}

export function buildSession(
  key: ConnectionKey,
  overrides: Partial<NewBrowserSession & ConnectionKey> = {},
): NewBrowserSession & ConnectionKey {
  return {
    ...key,
    id: randomUUID(),
    kind: 'request-token',
    dataCentre: null,
    cookieHash: 'cookie-hash',
    csrf: 'csrf',
    ref: randomUUID(),
    userId: 'user-1',
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 86_400_000,
    requestToken: 'sealed-request-token',
    requestTokenFingerprint: randomUUID(),
    addressFingerprint: 'address-1',
    ...overrides,
  };
}

/** A connect that came without a browser. */
export function buildConnectSession(overrides: Partial<ConnectSession> = {}): ConnectSession {
  return {
    id: randomUUID(),
    kind: 'request-token',
    requestToken: 'sealed-request-token',
    dataCentre: null,
    userId: null,
    customerRef: null,
    status: 'completed',
    uses: 0,
    nextTryAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 86_400_000,
    failure: null,
    ...overrides,
  };
}
