/**
 * What SAP Concur has on file, as plain records. Times are milliseconds since the epoch on the sandbox's clock;
 * ids of principals are UUIDs in lower case.
 */

/** What a refresh does to the refresh token: nothing; a new value beside the old one; a new value that kills the old. */
export type Rotation = 'same' | 'lax' | 'strict';
export const rotations = ['same', 'lax', 'strict'] as const satisfies readonly Rotation[];

/** The global landing zone: the one place where request tokens are exchanged, and where nobody lives. */
export const GLZ = 'glz';

export type PrincipalType = 'company' | 'user';

/** Concur's codes for a company or user that may not sign in at present (Concur's docs, Authentication, response codes). */
export const disabledCodes = [10, 11, 12, 13, 14, 20, 123] as const;
export type DisabledCode = (typeof disabledCodes)[number];

/**
 * How a data centre that a company has left answers a refresh: `redirects` with code 16, `serves` it and names the new
 * geolocation in the answer, or `forgets` the company (code 100).
 */
export const formerHomeKinds = ['redirects', 'serves', 'forgets'] as const;
export type FormerHome = (typeof formerHomeKinds)[number];

export interface Company {
  readonly id: string;
  name: string;
  domain: string;
  /** Where the company lives: a name such as `us2`. */
  dataCentre: string;
  formerHomes: Record<string, FormerHome>;
  disabledCode: DisabledCode | null;
  maintenance: boolean;
  /** Client ids of the apps that the company has disabled in Web Services administration. */
  disabledApps: string[];
}

/** `app-center-legacy`: of before 2017, with a code for one-year tokens. */
export const flows = ['quick-connect', 'app-center-legacy'] as const;
export type Flow = (typeof flows)[number];

export interface User {
  readonly id: string;
  readonly companyId: string;
  login: string;
  password: string;
  displayName: string;
  email: string;
  /** The Web Services Admin permission: Concur's Connect button works for these people alone. */
  webServicesAdmin: boolean;
  disabledCode: DisabledCode | null;
  /** False: one of the old days, of whom the profile service knows nothing; tokens get a 403 there. */
  hasProfile: boolean;
}

export interface ClientSecret {
  readonly value: string;
  readonly createdAtMs: number;
  active: boolean;
}

export interface App {
  readonly clientId: string;
  name: string;
  principalType: PrincipalType;
  /** Where Connect sends the browser; null: the app has no listing to press Connect on. */
  connectUri: string | null;
  scopes: string[];
  secrets: ClientSecret[];
  enabled: boolean;
  /** Null: as the sandbox's settings say. */
  rotation: Rotation | null;
  /** Whether token answers carry an id_token (it is missing in some company responses). */
  idToken: boolean;
  /** For `app-center-legacy`, `clientId` is the consumer key and `connectUri` the redirect page. */
  flow: Flow;
  /** Consumer key of the legacy app whose tokens this one may migrate. */
  legacyClientId: string | null;
}

export interface RequestToken {
  readonly value: string;
  readonly clientId: string;
  readonly principalId: string;
  readonly via: 'connect' | 'by-hand';
  readonly createdAtMs: number;
  expiresAtMs: number;
  uses: number;
}

/** Why a refresh token does not work any more. */
export type DeathOfToken = 'rotated' | 'disconnected' | 'revoked' | 'expired-by-hand';

export interface RefreshToken {
  readonly value: string;
  readonly clientId: string;
  readonly principalId: string;
  readonly scope: string;
  readonly createdAtMs: number;
  expiresAtMs: number;
  death: DeathOfToken | null;
  /** A newer value has been issued for it (lax rotation leaves it alive). */
  replaced: boolean;
}

export interface AccessToken {
  readonly value: string;
  readonly clientId: string;
  /** Null: an application token (client credentials). */
  readonly principalId: string | null;
  readonly scope: string;
  readonly issuedAtMs: number;
  expiresAtMs: number;
  revoked: boolean;
}

/** The request token of the legacy redirect. */
export interface LegacyCode {
  readonly value: string;
  readonly clientId: string;
  /** The user who pressed Connect. */
  readonly principalId: string;
  readonly createdAtMs: number;
  expiresAtMs: number;
  uses: number;
}

/** A one-year token, with the value that refreshes it. */
export interface LegacyToken {
  readonly value: string;
  readonly refreshValue: string;
  readonly clientId: string;
  readonly principalId: string;
  readonly createdAtMs: number;
  expiresAtMs: number;
  death: DeathOfToken | null;
  replaced: boolean;
}

export interface Settings {
  accessTokenTtlMs: number;
  refreshTokenTtlMs: number;
  /** 24 hours at Concur. */
  requestTokenTtlMs: number;
  /** Five at Concur. */
  requestTokenUses: number;
  rotation: Rotation;
  /** Concur's docs show `expires_in` as a string; services have answered a number too. */
  expiresInAs: 'string' | 'number';
  /** How an error's `code` is written. */
  codeAs: 'string' | 'number';
  /** A year at Concur. */
  legacyTokenTtlMs: number;
  /** Whether legacy answers name the instance, and bring a refresh token: not all of Concur's do. */
  legacyInstanceUrl: boolean;
  legacyRefreshToken: boolean;
  /** Both have been seen. */
  legacyDateName: 'Expiration_date' | 'Expiration_Date';
  /** An `Error` element comes with a failing status, or with 200. */
  legacyErrorStatus: 'failing' | 'ok';
}

export const defaultSettings: Readonly<Settings> = {
  accessTokenTtlMs: 3_600_000,
  refreshTokenTtlMs: 180 * 86_400_000,
  requestTokenTtlMs: 86_400_000,
  requestTokenUses: 5,
  rotation: 'same',
  expiresInAs: 'string',
  codeAs: 'number',
  legacyTokenTtlMs: 365 * 86_400_000,
  legacyInstanceUrl: true,
  legacyRefreshToken: true,
  legacyDateName: 'Expiration_date',
  legacyErrorStatus: 'failing',
};

/** A company or a user, by the UUID that tokens are issued to. */
export type Principal =
  | { readonly type: 'company'; readonly id: string; readonly company: Company }
  | { readonly type: 'user'; readonly id: string; readonly company: Company; readonly user: User };

export type SecretKind =
  | 'client-secret'
  | 'request-token'
  | 'access-token'
  | 'refresh-token'
  | 'id-token'
  | 'password'
  | 'legacy-code'
  | 'legacy-token'
  | 'legacy-refresh-token';

/** A secret that the sandbox has given to somebody, kept so that a test can look for it where it must not be. */
export interface IssuedSecret {
  readonly kind: SecretKind;
  readonly value: string;
  readonly issuedAtMs: number;
}
