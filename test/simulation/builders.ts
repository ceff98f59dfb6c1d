/** Plain values of the core with which tests begin: everything is well unless the test says otherwise. */
import type { Aggregate, Attempt, ConnectSession, SealedToken } from '../../core/aggregate.ts';
import type { Crowd } from '../../core/crowd.ts';
import type { Outcome, Verdict } from '../../core/concur-codes.ts';
import type { Connection, ConnectionSnapshot } from '../../core/connection.ts';
import type { DataCentre } from '../../core/ports.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { buildSnapshot } from '../../core/snapshot.ts';
import type { App } from '../../core/stores.ts';
import type { GrantFacts, IdentityFacts, TransitionContext } from '../../core/transition.ts';

export const NOW_MS = Date.UTC(2026, 7, 20, 12);
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const PRINCIPAL = '1f7a3c52-6b1e-4d0e-9a43-3d4f8f0f3a11';
export const OTHER_PRINCIPAL = '77777777-6b1e-4d0e-9a43-3d4f8f0f3a11';
export const KEY = { app: 'demo', principal: PRINCIPAL };
export const WORKFLOW_ID = `concur-connection:demo:${PRINCIPAL}`;
export const policy = defaultRefreshPolicy;

/** What the transactions of the core are given of time. */
export const times = { nowMs: NOW_MS, policy, workflowId: WORKFLOW_ID };

export const us2: DataCentre = { name: 'us2', baseUri: 'https://us2.example' };
export const eu2: DataCentre = { name: 'eu2', baseUri: 'https://eu2.example' };
export const glz: DataCentre = { name: 'glz', baseUri: 'https://glz.example' };

/** Active and warm, with an access token of an hour that was obtained right now. */
export function buildConnection(overrides: Partial<Connection> = {}): Connection {
  return {
    ...KEY,
    id: 'c1',
    principalType: 'company',
    state: 'active',
    stateSinceMs: NOW_MS,
    reason: null,
    resumeState: null,
    version: 1,
    dataCentre: us2.name,
    geolocation: us2.baseUri,
    scope: 'openid company.read',
    missingScopes: [],
    company: { name: 'Ümlaut & Co', domain: 'example.com' },
    customerRef: null,
    identity: 'proven',
    accessTokenSentAtMs: NOW_MS,
    accessTokenExpiresAtMs: NOW_MS + HOUR,
    refreshTokenExpiresAtMs: NOW_MS + 180 * DAY,
    connectedAtMs: NOW_MS,
    lastRefreshedAtMs: null,
    rotationsOnDay: 0,
    lastReadAtMs: NOW_MS,
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

/** A connection before its first token. */
export function buildNewConnection(overrides: Partial<Connection> = {}): Connection {
  return buildConnection({
    state: 'connecting',
    version: 0,
    dataCentre: null,
    geolocation: null,
    scope: null,
    company: null,
    identity: null,
    accessTokenSentAtMs: null,
    accessTokenExpiresAtMs: null,
    refreshTokenExpiresAtMs: null,
    connectedAtMs: null,
    lastReadAtMs: null,
    ...overrides,
  });
}

/** A token as if sealed: the value names itself. */
export function buildToken(attemptId: string, overrides: Partial<SealedToken> = {}): SealedToken {
  return { sealed: `sealed:${attemptId}`, attemptId, refused: false, ...overrides };
}

/** Nobody else has ended lately: what ends now has ended by itself. */
const calmCrowd: Crowd = {
  connections: 100,
  recentDeaths: 0,
  isBrakeOn: false,
  releasedAtMs: null,
  ownEvidenceAtMs: null,
};

/** A living connection with one refresh token, obtained by attempt `a0`, and nothing pending. */
export function buildAggregate(overrides: Partial<Aggregate> = {}): Aggregate {
  const grant = { current: buildToken('a0'), previous: null };
  return { connection: buildConnection(), grant, attempts: [], sessions: [], crowd: calmCrowd, ...overrides };
}

/** A connect that has just been accepted. */
export function buildConnecting(overrides: Partial<Aggregate> = {}): Aggregate {
  const grant = { current: null, previous: null };
  return { connection: buildNewConnection(), grant, attempts: [], sessions: [buildSession()], ...overrides };
}

/** A refresh that was begun right now and has not come back. */
export function buildAttempt(overrides: Partial<Attempt> = {}): Attempt {
  return {
    id: 'a1',
    kind: 'refresh',
    status: 'open',
    versionRead: 1,
    tokenAttemptId: 'a0',
    sessionId: null,
    startedAtMs: NOW_MS,
    horizonAtMs: NOW_MS + 190 * SECOND,
    answer: null,
    candidate: null,
    ...overrides,
  };
}

export function buildSession(overrides: Partial<ConnectSession> = {}): ConnectSession {
  return {
    id: 's1',
    kind: 'request-token',
    requestToken: 'sealed:request-token',
    dataCentre: null,
    userId: 'user-1',
    customerRef: null,
    status: 'completed',
    uses: 0,
    nextTryAtMs: NOW_MS,
    expiresAtMs: NOW_MS + DAY,
    failure: null,
    ...overrides,
  };
}

export function buildVerdict(outcome: Outcome, overrides: Partial<Verdict> = {}): Verdict {
  return {
    outcome,
    scope: 'connection',
    reason: `because-${outcome}`,
    pauseMs: null,
    slow: false,
    confirmAfterMs: null,
    alarm: false,
    mayHaveRotated: outcome === 'uncertain',
    concurCode: null,
    ...overrides,
  };
}

export function buildFacts(overrides: Partial<GrantFacts> = {}): GrantFacts {
  return {
    dataCentre: us2.name,
    geolocation: us2.baseUri,
    scope: 'openid company.read',
    missingScopes: [],
    tokenType: 'Bearer',
    sentAtMs: NOW_MS,
    accessTokenExpiresAtMs: NOW_MS + HOUR,
    refreshTokenExpiresAtMs: NOW_MS + 180 * DAY,
    ...overrides,
  };
}

export const identity: IdentityFacts = { identity: 'proven', principalType: 'company', company: null };

export function buildContext(overrides: Partial<TransitionContext> = {}): TransitionContext {
  return { nowMs: NOW_MS, policy, workflowId: WORKFLOW_ID, actor: 'workflow', reason: null, ...overrides };
}

/** What the workflow would see of the aggregate. Throws when there is no connection. */
export function snapshotOf(aggregate: Aggregate, nowMs = NOW_MS): ConnectionSnapshot {
  const snapshot = buildSnapshot(aggregate, { nowMs, policy, listingUrl: null });
  if (snapshot === null) throw new Error('no connection');
  return snapshot;
}

export function buildApp(overrides: Partial<App> = {}): App {
  return {
    app: KEY.app,
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
      contactUrl: null,
      supportUrl: 'https://example.com/support',
      privacyUrl: 'https://example.com/privacy',
      termsUrl: null,
      manageUrl: null,
      listingUrl: 'https://example.com/listing',
      nextSteps: [],
    },
    webhooks: [],
    requiredScopes: [],
    legacyClientId: null,
    allowUnverified: false,
    allowPasswordLogin: false,
    ...overrides,
  };
}
